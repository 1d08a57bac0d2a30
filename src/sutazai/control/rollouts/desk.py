"""The rollout that goes on: how it begins, what people say to it, and what is kept of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from sutazai.control.accepted import with_revision
from sutazai.control.rollouts.arms import runs_twice
from sutazai.control.settings import Settings
from sutazai.fleet.errors import Conflict, NotFound
from sutazai.fleet.revisions import Difference, FleetPlan, Revision
from sutazai.fleet.rollouts import Arm, RolloutState, RolloutView, Stage, beside
from sutazai.fleet.spec import Agent, Fleet, Runtime
from sutazai.rollout.cohorts import Mover, stages_of
from sutazai.rollout.machine import Command, begin, obey, sentence
from sutazai.store import Revisions, RolloutRecord, Rollouts

RESERVED = 128 * 1024**2
"""Bytes that a fresh instance counts for, where its limit is not lower."""
SHOWN = 50

Change = Callable[[RolloutState], RolloutState]


class RolloutDesk:
    """Keeps the state of the machine, on disk before anything follows from it.

    Attributes:
        state: where the rollout stands, None while none goes on.
        changed: set when somebody but the driver has changed it.
    """

    def __init__(self, settings: Settings, rollouts: Rollouts, revisions: Revisions) -> None:
        self.state: RolloutState | None = None
        self.changed = asyncio.Event()
        self._settings = settings
        self._rollouts = rollouts
        self._revisions = revisions
        self._number = 0
        self._one_at_a_time = asyncio.Lock()

    async def load(self) -> None:
        """Goes on with what an earlier control had begun."""
        record = await self._rollouts.open()
        if record is not None:
            self._number, self.state = record.number, RolloutState.model_validate(record.state)

    async def check_idle(self) -> None:
        """Raises Conflict while a rollout goes on."""
        record = await self._rollouts.open()
        if record is not None:
            raise Conflict(
                f"rollout {record.number} moves agents to revision {record.after}",
                hint="see `sutazai rollout status`; `sutazai rollout abort` ends it",
                rollout=record.number,
            )

    async def plan(self, fleet: Fleet, difference: Difference, *, now: bool) -> FleetPlan:
        """What accepting ``fleet`` would do."""
        stages = () if now else _stages(fleet, difference)
        return FleetPlan(
            revision=difference.after,
            difference=difference,
            rollout=await self._rollouts.next_number() if stages else None,
            beside=_beside(fleet, stages),
        )

    async def begin(self, plan: FleetPlan, fleet: Fleet, accepted: Revision) -> None:
        """Writes the rollout down that ``plan`` tells of. Raises Conflict while one goes on."""
        number = plan.rollout or 0
        before, stages = plan.difference.before, _stages(fleet, plan.difference)
        state = begin(
            f"rollout-{number}",
            fleet.rollout,
            stages,
            before=before,
            after=accepted.number,
            now=time.time(),
        )
        await self._rollouts.begin(
            RolloutRecord(
                number=number,
                before=before,
                after=accepted.number,
                author=accepted.author,
                reason=accepted.reason,
                begun=accepted.at,
                state=state.model_dump(mode="json", by_alias=True),
            )
        )

    async def revision_before(self) -> Revision:
        """The revision that agents are moved from."""
        return await self._revisions.get(self._present().before)

    def settings_of(self, revision: Revision) -> Settings:
        """The settings as they were with that revision."""
        return with_revision(self._settings, revision)

    async def change(self, change: Change) -> RolloutState:
        """Applies a pure function to the state, and keeps what comes of it before it counts."""
        async with self._one_at_a_time:
            before = self._present()
            after = change(before)
            if after != before:
                ended = None if after.is_open else time.time()
                await self._rollouts.save(
                    self._number, after.model_dump(mode="json", by_alias=True), ended
                )
                self.state = after
            return after

    async def tell(self, command: Command, by: str) -> RolloutView:
        """What a person says to it. Raises NotFound while none goes on, or Conflict."""
        after = await self.change(lambda state: obey(state, command, by=by, now=time.time()))
        self.changed.set()
        return self._view(self._number, after)

    async def view(self) -> RolloutView:
        """The rollout that goes on, else the last one. Raises NotFound where there was none."""
        if self.state is not None:
            return self._view(self._number, self.state)
        (*newest,) = await self._rollouts.history(1)
        if not newest:
            raise NotFound("there was no rollout yet", hint="sutazai apply FILE begins one")
        return _view_of(newest[0])

    async def history(self) -> list[RolloutView]:
        """The last rollouts, newest first."""
        return [_view_of(record) for record in await self._rollouts.history(SHOWN)]

    def _present(self) -> RolloutState:
        if self.state is None or not self.state.is_open:
            raise NotFound("no rollout goes on", hint="sutazai apply FILE begins one")
        return self.state

    def _view(self, number: int, state: RolloutState) -> RolloutView:
        return RolloutView(number=number, told=sentence(state, time.time()), state=state)


def _view_of(record: RolloutRecord) -> RolloutView:
    state = RolloutState.model_validate(record.state)
    told = sentence(state, record.ended or time.time())
    return RolloutView(number=record.number, told=told, state=state)


def _stages(fleet: Fleet, difference: Difference) -> tuple[Stage, ...]:
    agents = {name: fleet.agents[name] for name in difference.moved}
    movers = [
        _mover(name, agent) for name, agent in agents.items() if agent.runtime is not Runtime.REMOTE
    ]
    return stages_of(fleet.rollout, movers) if movers else ()


def _mover(name: str, agent: Agent) -> Mover:
    return Mover(name=name, group=agent.group or "", pool=agent.pool, twice=runs_twice(agent))


def _beside(fleet: Fleet, stages: Iterable[Stage]) -> int:
    """Bytes that fresh instances of both versions reserve at most: two may be of one agent."""
    agents = [fleet.agents[name] for stage in stages for name in stage.agents]
    copies = sorted(_reserved(agent) for agent in agents for _ in (Arm.GREEN, Arm.BASELINE))
    return sum(copies[-beside(len(agents)) :])


def _reserved(agent: Agent) -> int:
    return min(agent.memory_limit or RESERVED, RESERVED) * agent.replicas
