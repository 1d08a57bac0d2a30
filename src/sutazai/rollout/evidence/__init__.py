"""The evidence of a rollout: what both versions delivered, and what can be said from it.

Belongs here: counts (``tallies``, ``delivered``), sequential tests over them, verdicts in words.
Control imports ``delivered``, ``judgement`` and ``asking`` only: the tests need SciPy, which runs
in the process that ``asking`` starts (``python -m sutazai.rollout.evidence``).
Does not belong here: collecting the counts, and what is done about a verdict.
"""
