"""What emergency commands would do or have done: the shapes that host and control answer with.

Memory is bytes, shares of it percent, times seconds.
"""

from __future__ import annotations

from sutazai.fleet.shapes import Shape


class Ended(Shape):
    """One instance that is ended to free memory; ``outcome`` is empty in a dry run."""

    instance: str
    unit: str
    priority: str
    memory: int
    why: str
    outcome: str = ""


class MemoryRelief(Shape):
    """``percent`` of ``total`` bytes are used, ``after`` percent when it was done.

    ``freed`` is what the ended instances held (in a dry run: hold). ``cache`` is what the gateway's
    kept answers hold.
    """

    dry_run: bool
    total: int
    used: int
    percent: float
    chosen: tuple[Ended, ...] = ()
    freed: int = 0
    after: float | None = None
    cache: int = 0


class Throttling(Shape):
    """All agents are held to ``cores`` each; to what is declared where that is None."""

    dry_run: bool
    cores: float | None
    before: float | None
    agents: int
    instances: int


class Removed(Shape):
    """One file that can be done without."""

    path: str
    size: int
    what: str


class CleanUp(Shape):
    """What was removed or would be, and what it frees."""

    dry_run: bool
    files: tuple[Removed, ...] = ()
    freed: int = 0


class RestartPlan(Shape):
    """What a full restart ends, in which waves, and what starts again."""

    dry_run: bool
    host: int
    instances: int
    waves: tuple[tuple[str, ...], ...]
    starts: tuple[str, ...]
    at_once: int
    open_tasks: int = 0
    running_calls: int = 0


class Smoke(Shape):
    """One smoke test; ``seconds`` is what it took."""

    name: str
    passed: bool
    told: str
    seconds: float
