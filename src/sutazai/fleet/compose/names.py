"""Names of a fleet for the names of a Compose file."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sutazai.fleet.checks import OWN_NAMES
from sutazai.fleet.ids import NAME_MAX

_OTHER = re.compile(r"[^a-z0-9]+")


def fleet_name(text: str, *, otherwise: str) -> str:
    """``text`` as a name: lower-case letters, digits and single dashes, a letter first."""
    name = _OTHER.sub("-", text.lower()).strip("-")
    if not name:
        return otherwise
    if not name[0].isalpha():
        name = f"{otherwise}-{name}"
    return name[:NAME_MAX].rstrip("-")


def fleet_names(names: Iterable[str]) -> dict[str, str]:
    """A name for each, all different; who has a good one keeps it, doubles get a number."""
    wanted = {name: _wanted(name) for name in names}
    given: dict[str, str] = {}
    for name in sorted(wanted, key=lambda name: wanted[name] != name):
        given[name] = _free(wanted[name], set(given.values()))
    return given


def _wanted(name: str) -> str:
    wanted = fleet_name(name, otherwise="unit")
    return f"{wanted}-service" if wanted in OWN_NAMES else wanted


def _free(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted[: NAME_MAX - 6].rstrip('-')}-{number}"
    return name
