"""All zygotes of one machine: one base for each environment, below it one for each code.

Instances of one class share what it imports, and two revisions of the code live side by side. What
cannot be imported in a zygote is started by its base: forked where the import only failed, for then
the instance says why, and in an interpreter of its own where a fork would be broken.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sutazai.agent.preload import Fitness, Verdict
from sutazai.fleet.code import code_of, has_module
from sutazai.fleet.desired import DesiredUnit
from sutazai.fleet.errors import Failed
from sutazai.host.instances.process import Process
from sutazai.host.instances.zygote import Confines, Launch, Zygote, base_of, child_of

MOST = 16
"""Zygotes below the bases, each of which holds a few MiB."""
IDLE = 3600.0
"""Seconds after its last fork after which a zygote ends; the next instance starts a new one."""
PATIENCE = 20.0
"""Seconds that an import may take."""
REMEMBERED = 256
TRIES = 3

NOT_AT_IMPORT = {"SUTAZAI_KEY", "SUTAZAI_INSTANCE"}
"""What is another for each agent or instance, so that no import in a zygote can know it."""

Tell = Callable[[str, str, str], object]
"""Records an event: its kind, what it says, and the unit."""


@dataclass(frozen=True)
class Key:
    """What a zygote was made of; ``digest`` stands for the environment and walls around it, and
    ``directory`` is where its code is."""

    python: str | None
    directory: str
    module: str
    code: str
    digest: str


class Zygotes:
    """Starts each process from the zygote that shares most with it.

    Args:
        folder: where they may put sockets for a moment.
        tell: records what an author should know.
        kept: where code is kept, in a folder each digest, that may have changed in its own place.
        most: zygotes that hold code; the least recently used ends first.
        idle, patience: seconds, as `IDLE` and `PATIENCE`.
    """

    def __init__(
        self,
        folder: Path,
        tell: Tell,
        *,
        kept: Path | None = None,
        most: int = MOST,
        idle: float = IDLE,
        patience: float = PATIENCE,
    ) -> None:
        self._folder = folder
        self._tell = tell
        self._kept = kept
        self._most = most
        self._idle = idle
        self._patience = patience
        self._bases: dict[str | None, Zygote] = {}
        self._children: OrderedDict[Key, Zygote] = OrderedDict()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._users: Counter[Key] = Counter()
        self._refused: OrderedDict[Key, Verdict] = OrderedDict()

    async def launch(
        self,
        launch: Launch,
        descriptors: Sequence[int],
        *,
        unit: DesiredUnit,
        python: str | None,
    ) -> Process:
        """A new process; ``descriptors`` as in `Zygote.launch`. Raises Failed.

        Args:
            python: the interpreter of its environment; None for our own.
        """
        base = self._base(python)
        for _ in range(TRIES):
            launch, code = await self._sourced(launch, unit)
            wish = _preloading(launch, unit)
            if wish is None:
                return await base.launch(launch, descriptors)
            await base.begin()  # its failure says nothing of what is to be imported
            key = _key(wish, python, code)
            with self._child(key, base, wish) as zygote:
                imported = zygote.is_ready  # then it was looked at after that
                verdict = await self._judge(key, zygote, unit)
                if verdict.fitness is not Fitness.FIT:
                    alone = verdict.fitness is Fitness.UNFIT
                    return await base.launch(replace(launch, alone=alone), descriptors)
                if imported or launch.source or await _code_of(unit) == key.code:
                    return await zygote.launch(_within(launch, wish), descriptors)
            self._end(key)  # it changed while it was imported, and nobody knows what of it is there
        raise Failed(f"the code of {unit.name} changes all the time", hint="let it rest")

    def close(self) -> None:
        """Ends all zygotes; what they forked lives on."""
        for key in list(self._children):
            self._end(key)
        for base in self._bases.values():
            base.close()

    def _base(self, python: str | None) -> Zygote:
        if python not in self._bases:
            self._bases[python] = Zygote(base_of(python, self._folder))
        return self._bases[python]

    async def _sourced(self, launch: Launch, unit: DesiredUnit) -> tuple[Launch, str]:
        """From where its code is taken, and the digest of that: the version that is wanted, where
        it is on disk or was kept. Another one must not run in silence."""
        found = await _code_of(unit)
        if unit.code in ("", found):
            return replace(launch, source=None), found
        kept = self._kept / unit.code if self._kept else None
        if kept is not None and kept.is_dir():
            return replace(launch, source=str(kept)), unit.code
        self._tell(
            "code-changed",
            f"the code of {unit.name} is another one than was accepted; what starts now runs it",
            unit.name,
        )
        return replace(launch, source=None), found

    @contextmanager
    def _child(self, key: Key, base: Zygote, wish: Launch) -> Iterator[Zygote]:
        """The zygote of ``key``, which is not ended within; the least recently used one may be."""
        if key not in self._children:
            self._children[key] = Zygote(child_of(base, wish), patience=self._patience)
        self._children.move_to_end(key)
        self._users[key] += 1
        for oldest in [each for each in self._children if not self._users[each]][: self._surplus]:
            self._end(oldest)
        try:
            yield self._children[key]
        finally:
            self._users[key] -= 1
            self._end_later(key)

    @property
    def _surplus(self) -> int:
        return max(0, len(self._children) - self._most)

    def _end_later(self, key: Key) -> None:
        """Ends it when it has not been used for long."""
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()
        if key in self._children and not self._users[key]:
            loop = asyncio.get_running_loop()
            self._timers[key] = loop.call_later(self._idle, self._end, key)

    async def _judge(self, key: Key, zygote: Zygote, unit: DesiredUnit) -> Verdict:
        """Whether instances can be forked from there; what cannot is not tried again."""
        if (refused := self._refused.get(key)) is not None:
            return refused
        try:
            verdict = await zygote.begin()
        except Failed as error:  # it hangs, or took the zygote with it
            verdict = Verdict(Fitness.UNFIT, f"importing {key.module}: {error.message}")
        if verdict.fitness is not Fitness.FIT:
            self._refuse(key, verdict, unit)
        return verdict

    def _refuse(self, key: Key, verdict: Verdict, unit: DesiredUnit) -> None:
        self._end(key)
        if key in self._refused:
            return
        self._refused[key] = verdict
        if len(self._refused) > REMEMBERED:
            self._refused.popitem(last=False)
        if verdict.fitness is Fitness.UNFIT:
            self._tell(
                "not-forked",
                f"{unit.name} runs in an interpreter of its own, which takes some 10 MiB more: "
                f"{verdict.reason}",
                unit.name,
            )

    def _end(self, key: Key) -> None:
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()
        if (zygote := self._children.pop(key, None)) is not None:
            zygote.close()


def _preloading(launch: Launch, unit: DesiredUnit) -> Launch | None:
    """The zygote to fork from where the code of ``unit`` is worth one; else None.

    Behind walls of its own it serves that unit alone, so one instance would be all that it forks.
    """
    module = (launch.entry or "").partition(":")[0]
    if not has_module(Path(launch.directory or "/"), module.partition(".")[0]):
        return None
    held = _is_held(launch.confines)
    if held and unit.replicas < 2 and unit.scale is None:
        return None
    names = (launch.environment if held else unit.environment).keys() - NOT_AT_IMPORT
    return replace(
        launch,
        instance="zygote",
        options={},
        environment={name: launch.environment[name] for name in names},
        confines=Confines(walls=launch.confines.walls if held else None),
        preload=module,
    )


def _is_held(confines: Confines) -> bool:
    """Whether there is something that code must not reach when it is imported either."""
    walls = confines.walls
    if walls is None:
        return False
    fence = walls.fence
    return bool(
        walls.uid is not None
        or walls.namespaces
        or fence.reads is not None
        or fence.ports is not None
    )


def _within(launch: Launch, wish: Launch) -> Launch:
    """``launch`` from a zygote that is behind its walls already and cannot enter them again."""
    walls = launch.confines.walls
    if wish.confines.walls is None or walls is None:
        return launch
    inner = replace(walls, namespaces=(), uid=None, groups=())
    return replace(launch, confines=replace(launch.confines, walls=inner))


def _key(wish: Launch, python: str | None, code: str) -> Key:
    around = json.dumps([asdict(wish.confines), sorted(wish.environment.items())])
    return Key(
        python=python,
        directory=wish.source or wish.directory or "",
        module=wish.preload or "",
        code=code,
        digest=hashlib.sha256(around.encode(errors="surrogatepass")).hexdigest(),
    )


async def _code_of(unit: DesiredUnit) -> str:
    requirements = Path(unit.requirements) if unit.requirements else None
    return await asyncio.to_thread(
        code_of, Path(unit.directory or "/"), unit.entry or "", requirements
    )
