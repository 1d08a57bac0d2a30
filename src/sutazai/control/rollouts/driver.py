"""The loop of a rollout: it looks at host and gateway, asks the machine, keeps what that says, and
does it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from sutazai.control.feed import EventFeed
from sutazai.control.peers import GatewayPeer, HostPeer
from sutazai.control.planning import Move
from sutazai.control.reconciler import Reconciler
from sutazai.control.rollouts.arms import Arms, DoorShare, arms_of, without_blue
from sutazai.control.rollouts.desk import RolloutDesk
from sutazai.control.rollouts.gathering import Gathering
from sutazai.control.rollouts.guarding import Guarding
from sutazai.control.rollouts.observing import World, copies, kept, takeover
from sutazai.control.rollouts.replaying import Replaying
from sutazai.control.settings import Settings
from sutazai.fleet.arms import ArmsSeen
from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.rollouts import GOES_BACK, RolloutState, Step
from sutazai.fleet.status import HostStatus
from sutazai.gateway.stats import GatewayStats
from sutazai.rollout.evidence.asking import Judge
from sutazai.rollout.machine import (
    WATCHED,
    Announce,
    AskVerdict,
    Check,
    Decision,
    Judged,
    Observation,
    Preflight,
    Replay,
    TakeBackup,
    decide,
)
from sutazai.store import Tasks

EVERY = 1.0
"""Seconds between two looks."""
SOON = 0.25
"""The same while something is about to be there. A look at a large fleet is work for three
processes, which its agents wait for."""
AT_ONCE = 0.1
"""The same on the way back."""
JUDGED_EVERY = 4.0
"""Seconds between two questions about the same evidence."""
MEASURED_EVERY = 1.0
"""Seconds between two looks that measure what instances take, at least."""
MEASURING = 0.1
"""Most of the time that may go by with measuring: the host reads much of a large fleet for it."""

_PAUSES = {
    **dict.fromkeys((Step.PENDING, Step.BASELINE_UP, Step.SHIFT, Step.SETTLE, Step.FINISH), SOON),
    **dict.fromkeys(GOES_BACK, AT_ONCE),
}

log = logging.getLogger(__name__)

Backup = Callable[[str], Awaitable[None]]
"""Makes a checkpoint for a reason, and verifies it."""


@dataclass(frozen=True)
class _Offered:
    """What both peers were told last: the routing's generation, and the number of its routes."""

    arms: Arms
    generation: int
    routes: int


class Driver:
    """Drives the rollout of ``desk`` to its end.

    Args:
        tasks: whose inputs may be replayed.
        restore: makes the revision of that number the fleet that is in force.
        backup: makes the checkpoint that a rollout begins with.
    """

    def __init__(
        self,
        settings: Settings,
        desk: RolloutDesk,
        reconciler: Reconciler,
        host: HostPeer,
        gateway: GatewayPeer,
        feed: EventFeed,
        *,
        tasks: Tasks,
        restore: Callable[[int, str], Awaitable[None]],
        backup: Backup,
    ) -> None:
        self._settings = settings
        self._desk = desk
        self._reconciler = reconciler
        self._host = host
        self._gateway = gateway
        self._feed = feed
        self._restore = restore
        self._backup = backup
        self._replaying = Replaying(gateway, tasks, settings.fleet.agents)
        self._gathering = Gathering()
        self._guarding = Guarding(settings.fleet.criteria)
        self._judge = Judge()
        self._judged: Judged | None = None
        self._judging: asyncio.Task[None] | None = None
        self._asked_at = float("-inf")
        self._checks = Preflight()
        self._backing_up: asyncio.Task[None] | None = None
        self._offered: _Offered | None = None
        self._turned: Mapping[str, DoorShare] = {}  # what the gateway has confirmed last
        self._told = 0
        self._measure_at = float("-inf")
        self._counted: ArmsSeen | None = None
        self._counted_at = float("-inf")
        self._versions: dict[str, str] = {}

    async def run(self) -> None:
        """Goes on until the rollout has ended; does nothing where none goes on."""
        if self._desk.state is None:
            return
        before = self._desk.settings_of(await self._desk.revision_before())
        self._told = await self._last_told(self._desk.state)
        house = self._reconciler.house
        self._versions = self._reconciler.versions(self._settings.fleet, house.codes, house.base)
        try:
            while self._desk.state.is_open:
                try:
                    await self._look(before)
                except SutazaiError as error:  # the database, or a peer's answer: it goes on later
                    log.warning("the rollout goes on later: %s", error)
                    await asyncio.sleep(EVERY)
                await self._pause(self._desk.state)
        finally:
            await self._close()

    async def _look(self, before: Settings) -> None:
        state = self._desk.state
        assert state is not None  # noqa: S101 (looked at by `run`)
        world, stats = await self._world()
        await self._offer(state, (world, stats), before)
        if self._offered is not None and stats is not None:
            self._checks = self._preflight(stats)
        seen = self._observation(state, world, stats)
        after, decisions = decide(state, seen)
        if after.step is Step.ROLLED_BACK:
            await self._restore(after.before, after.reason)
        saved = await self._desk.change(lambda now: after if now == state else now)
        if saved != after:
            return  # a person has said something meanwhile
        for decision in decisions:
            await self._do(decision, after)
        self._replaying.want(
            next((one for one in decisions if isinstance(one, Replay)), None), after
        )
        if after.step not in WATCHED:
            await self._rest()
        if after.is_open:
            await self._offer(after, (world, stats), before)
        elif after.step is Step.SUCCEEDED:
            await self._reconciler.take(None)
        # else control starts anew at once: until then the fleet in force is that of green

    async def _world(self) -> tuple[World, GatewayStats | None]:
        host, stats, arms = await asyncio.gather(
            self._status(), self._gateway.stats(), self._counts(), return_exceptions=True
        )
        for answer in (host, stats, arms):
            if isinstance(answer, BaseException) and not isinstance(answer, SutazaiError):
                raise answer
        fleet = self._settings.fleet
        world = World(
            host=None if isinstance(host, BaseException) else host,
            arms=None if isinstance(arms, BaseException) else arms,
            agents=fleet.agents,
            versions=self._versions,
        )
        return world, None if isinstance(stats, BaseException) else stats

    async def _status(self) -> HostStatus:
        """What the host's units do, from time to time with what they take."""
        began = time.monotonic()
        if began < self._measure_at:
            return await self._host.status()
        measured = await self._host.status(memory=True)
        took = time.monotonic() - began
        self._measure_at = began + max(MEASURED_EVERY, took / MEASURING)
        return measured

    async def _counts(self) -> ArmsSeen:
        """What arms did. While agents start, when nothing ends by it, it may be a second old: calls
        wait for the gateway while it tells."""
        state, now = self._desk.state, time.monotonic()
        starts = state is not None and state.step in (Step.BASELINE_UP, Step.SHIFT)
        if starts and self._counted is not None and now < self._counted_at + EVERY:
            return self._counted
        self._counted, self._counted_at = None, now
        self._counted = await self._gateway.arms()
        return self._counted

    def _observation(
        self, state: RolloutState, world: World, stats: GatewayStats | None
    ) -> Observation:
        self._gathering.look(state, world, time.monotonic(), llm=_has_llm(stats))
        return Observation(
            now=time.time(),
            copies=copies(state, world),
            routed=self._routed(stats),
            preflight=self._checks,
            guards=self._guarding.look(state, world, stats, time.monotonic()),
            judged=self._judged,
            told=self._told,
        )

    def _routed(self, stats: GatewayStats | None) -> int | None:
        """The generation of the routing that the gateway serves, None where nobody can tell."""
        if stats is None or self._offered is None or stats.revision < self._offered.routes:
            return None
        return self._offered.generation

    async def _offer(
        self, state: RolloutState, seen: tuple[World, GatewayStats | None], before: Settings
    ) -> None:
        """Tells both peers which units and doors the state wants, where that has changed."""
        if seen[0].host is None and without_blue(state):
            return  # nobody can tell which agents run the new version by themselves
        arms, offered = self._arms(state, *seen), self._offered
        if offered is not None and (offered.arms, offered.generation) == (arms, state.generation):
            return
        house = self._reconciler.house_of(before)
        routes = await self._reconciler.take(Move(arms, before.fleet, house))
        self._offered = _Offered(arms, state.generation, routes)

    def _arms(self, state: RolloutState, world: World, stats: GatewayStats | None) -> Arms:
        """First doors turn, then what they turned from ends or sleeps: in between calls are still
        on their way to it."""
        arms = arms_of(state, self._settings.fleet.agents, takeover(state, world))
        if self._offered is not None and self._routed(stats) is not None:
            self._turned = self._offered.arms.doors
        turning = {one for one, door in arms.doors.items() if self._turned.get(one) != door}
        return kept(arms, state, world, turning)

    def _preflight(self, stats: GatewayStats) -> Preflight:
        """What is done beforehand. The way back is rehearsed by routing everything to blue once,
        as it is on the way back, and hearing the gateway confirm it."""
        return Preflight(
            backends=Check.GOOD if _has_llm(stats) else Check.WAITING,
            baselines=Check.GOOD,
            backup=self._checks.backup,
            rehearsal=Check.GOOD if self._routed(stats) is not None else Check.WAITING,
            why=self._checks.why,
        )

    async def _do(self, decision: Decision, state: RolloutState) -> None:
        """Carries out what the units and doors of the state do not say already."""
        match decision:
            case TakeBackup():
                if self._backing_up is None:
                    self._backing_up = asyncio.create_task(
                        self._back_up(state.id), name="back up before a rollout"
                    )
            case AskVerdict():
                self._ask(decision, state)
            case Announce(moment):
                text = f"{state.id}: {moment.text}"
                await self._feed.add(
                    "rollout", text, rollout=state.id, step=moment.step, moment=moment.number
                )
                self._told = moment.number

    async def _back_up(self, rollout: str) -> None:
        try:
            await self._backup(f"before {rollout}")
        except SutazaiError as error:
            why = f"no backup could be made: {error.message}"
            self._checks = Preflight(backup=Check.BAD, why=why)
        else:
            self._checks = Preflight(backup=Check.GOOD)

    def _ask(self, asked: AskVerdict, state: RolloutState) -> None:
        """Asks the judge, one question at a time and not too often."""
        now = time.monotonic()
        busy = self._judging is not None and not self._judging.done()
        if not busy and now >= self._asked_at + JUDGED_EVERY:
            self._asked_at = now
            self._judging = asyncio.create_task(self._judgement(asked, state), name="judge")

    async def _judgement(self, asked: AskVerdict, state: RolloutState) -> None:
        evidence = self._gathering.evidence(state)
        found = await self._judge.ask(self._settings.fleet.criteria, evidence)
        self._judged = Judged(
            window=asked.window,
            verdict=found.verdict,
            seconds=asked.seconds,
            words=found.reason,
            whole=found,
        )

    async def _rest(self) -> None:
        """Nothing is asked for a while: the judge's memory is better used by agents that move."""
        if self._judging is None or self._judging.done():
            await self._judge.close()

    async def _last_told(self, state: RolloutState) -> int:
        """The last moment that is in the event log already."""
        events = await self._feed.newest(500)
        told = (
            int(event.data.get("moment", 0))
            for event in events
            if event.kind == "rollout" and event.data.get("rollout") == state.id
        )
        return max(told, default=0)

    async def _pause(self, state: RolloutState) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._desk.changed.wait(), _PAUSES.get(state.step, EVERY))
        self._desk.changed.clear()

    async def _close(self) -> None:
        for task in (self._judging, self._backing_up):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await self._replaying.close()
        await self._judge.close()


def _has_llm(stats: GatewayStats | None) -> bool:
    return stats is not None and any(one.available for one in stats.backends)
