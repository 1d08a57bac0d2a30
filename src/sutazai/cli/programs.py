"""Which programs a fleet would start here and that this machine lacks."""

from __future__ import annotations

import shutil

from sutazai.fleet.spec import Fleet


def missing_programs(fleet: Fleet) -> frozenset[str]:
    """Those of managed backends; agents and services are looked for when they start."""
    wanted = {each.managed.command for each in fleet.backends.values() if each.managed is not None}
    return frozenset(program for program in wanted if shutil.which(program) is None)
