"""A Compose file turned into a fleet file, with a list of what a person has to look at. Pure.

Belongs here: what each part of a Compose file means in a fleet, and what it cannot mean there.
Does not belong here: reading and writing files, and the rules of the fleet file itself.

One thing that a fleet cannot say never stops the rest: it becomes a finding, a `Problem` that is a
warning. What Compose itself would refuse raises `BadCompose`.
"""

from sutazai.fleet.compose.convert import Imported, convert
from sutazai.fleet.compose.findings import BadCompose, grouped
from sutazai.fleet.compose.source import decoded

__all__ = ["BadCompose", "Imported", "convert", "decoded", "grouped"]
