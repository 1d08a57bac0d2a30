"""The old system's `agents.config.json` turned into a fleet file. Pure.

Belongs here: what each part of such a file means in a fleet, and what it cannot mean there.
Does not belong here: reading and writing files, and the rules of the fleet file itself.

As with Compose files (`fleet.compose`), what a fleet cannot say never stops the rest: it becomes a
finding. Secrets are carried over by the names of their variables only.
"""

from sutazai.fleet.agents_config.convert import convert
from sutazai.fleet.agents_config.source import is_agents_config

__all__ = ["convert", "is_agents_config"]
