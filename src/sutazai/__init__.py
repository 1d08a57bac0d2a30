"""SutazAI: hundreds of AI agents on one machine that shares one local LLM.

The packages below are rooms; each one's docstring says what belongs in it. Their order, and
who may import whom, is drawn in ``docs/architecture.md`` and held by import-linter.
"""

__version__ = "0.1.0"
