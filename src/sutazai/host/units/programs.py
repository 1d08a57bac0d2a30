"""Whether a unit's program is on this machine."""

from __future__ import annotations

import os
import shutil
import time
from functools import lru_cache

from sutazai.fleet.desired import DesiredUnit
from sutazai.fleet.spec import Runtime
from sutazai.host.containers import missing_engine


def missing_program(spec: DesiredUnit) -> str | None:
    """The program or engine that this machine lacks."""
    if spec.runtime is Runtime.CONTAINER:
        return missing_engine(os.environ)
    if not spec.command:
        return None
    known = _is_there(spec.command[0], spec.environment.get("PATH"), int(time.monotonic()))
    return None if known else spec.command[0]


@lru_cache(maxsize=1024)
def _is_there(program: str, path: str | None, second: int) -> bool:
    """Whether it is, looked up once in the ``second``: units are asked for their state often."""
    return shutil.which(program, path=path) is not None
