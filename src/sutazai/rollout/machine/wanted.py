"""What is to be done, from where a rollout stands and what is seen. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from sutazai.fleet.rollouts import GOES_BACK, Arm, NoTraffic, RolloutState, Step
from sutazai.rollout.machine.decisions import (
    Announce,
    AskVerdict,
    Decision,
    Drain,
    Ensure,
    RehearseRollback,
    Replay,
    Route,
    Stop,
    TakeBackup,
)
from sutazai.rollout.machine.forward import JUDGED, WATCHED, target
from sutazai.rollout.machine.observation import Check, Health, Observation
from sutazai.rollout.machine.steps import confirmed, may_stop, serving, weights_of


def announced(state: RolloutState, seen: Observation) -> Iterator[Decision]:
    """What has happened and was not told yet."""
    return (Announce(moment) for moment in state.history if moment.number > seen.told)


def wanted(state: RolloutState, seen: Observation) -> Iterator[Decision]:
    """Everything that is not yet as it should be."""
    if not state.is_open:
        return
    if state.step is Step.PENDING:
        yield from _preflight(seen)
    yield from _ensured(state, seen)
    if not confirmed(state, seen):
        if _may_route(state, seen):
            yield Route(state.generation, weights_of(state))
    else:
        yield from _drained(state, seen)
        yield from _stopped(state, seen)
    if state.step in WATCHED and not state.trouble:
        yield _asked(state)
    if state.step in JUDGED and not state.trouble:
        yield from _replayed(state)


def _preflight(seen: Observation) -> Iterator[Decision]:
    if seen.preflight.backup is Check.WAITING:
        yield TakeBackup()
    if seen.preflight.rehearsal is Check.WAITING:
        yield RehearseRollback()


def _running(state: RolloutState) -> dict[Arm, tuple[str, ...]]:
    return {Arm.BLUE: state.blue, Arm.GREEN: state.green, Arm.BASELINE: state.baseline}


def _ensured(state: RolloutState, seen: Observation) -> Iterator[Decision]:
    for arm, agents in _running(state).items():
        if missing := tuple(agent for agent in agents if not seen.healthy(agent, arm)):
            yield Ensure(arm, missing)


def _may_route(state: RolloutState, seen: Observation) -> bool:
    """On the way forward nobody is sent where nobody is well; the way back is always open."""
    shared = set(state.compared) & set(state.moved) if state.split else set()
    return state.step in GOES_BACK or (
        seen.all_healthy(state.moved, Arm.GREEN) and seen.all_healthy(shared, Arm.BASELINE)
    )


def _drained(state: RolloutState, seen: Observation) -> Iterator[Decision]:
    """Arms that get nothing new any more and still have something in hand."""
    for arm in _ending(state):
        kept = set(state.kept)
        busy = tuple(
            agent
            for agent in _running(state)[arm]
            if arm is not serving(state, agent)
            and agent not in kept
            and seen.copy(agent, arm).in_hand
        )
        if busy:
            yield Drain(arm, busy, max(0.0, state.plan.drain - state.elapsed))


def _ending(state: RolloutState) -> tuple[Arm, ...]:
    if state.step in GOES_BACK:
        return Arm.GREEN, Arm.BASELINE
    return {Step.SETTLE: (Arm.BASELINE,), Step.FINISH: (Arm.BLUE,)}.get(state.step, ())


def _stopped(state: RolloutState, seen: Observation) -> Iterator[Decision]:
    """What is there and is not to run."""
    for arm, agents in _running(state).items():
        to_run = {*agents, *state.kept}
        extra = tuple(
            agent
            for agent in state.agents
            if agent not in to_run
            and seen.copy(agent, arm).health not in (Health.ABSENT, Health.UNKNOWN)
            and may_stop(state, seen, agent, arm)
        )
        if extra:
            yield Stop(arm, extra)


def _asked(state: RolloutState) -> AskVerdict:
    return AskVerdict(
        window=state.window,
        cohort=state.compared or state.cohort or state.agents,
        split=state.split,
        since=state.opened,
        seconds=state.elapsed,
        target=target(state),
    )


def _replayed(state: RolloutState) -> Iterator[Replay]:
    """Once the declared time has said nothing. After the phases green does alone what both did."""
    if state.plan.no_traffic is not NoTraffic.REPLAY or not state.extended:
        return
    if state.split:
        yield Replay(state.window, state.compared, (Arm.GREEN, Arm.BASELINE))
    elif not state.cohort:
        agents = tuple(agent for stage in state.stages for agent in stage.compared)
        yield Replay(state.window, agents, (Arm.GREEN,))
