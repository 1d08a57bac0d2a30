"""Whether a unit's program is on this machine."""

from __future__ import annotations

import os
import shutil

from sutazai.fleet.desired import DesiredUnit
from sutazai.fleet.spec import Runtime
from sutazai.host.containers import missing_engine


def missing_program(spec: DesiredUnit) -> str | None:
    """The program or engine that this machine lacks."""
    if spec.runtime is Runtime.CONTAINER:
        return missing_engine(os.environ)
    if not spec.command or shutil.which(spec.command[0], path=spec.environment.get("PATH")):
        return None
    return spec.command[0]
