"""A small world in virtual time that does what a rollout decides, and checks every decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sutazai.fleet.rollout_findings import Verdict
from sutazai.fleet.rollouts import ENDED, GOES_BACK, Arm, RolloutPlan, RolloutState, Step
from sutazai.rollout.cohorts import Mover, stages_of
from sutazai.rollout.machine import (
    MAX_STEP,
    Announce,
    AskVerdict,
    Check,
    Command,
    Copy,
    Decision,
    Drain,
    Ensure,
    Health,
    Judged,
    Observation,
    Preflight,
    RehearseRollback,
    Replay,
    Route,
    Stop,
    TakeBackup,
    Tripped,
    begin,
    decide,
    obey,
    runs,
    sentence,
    weights_of,
)

QUICK = {
    "phases": [{"percent": 30, "for": "10s"}, {"percent": 100, "for": "10s"}],
    "warm": "2s",
    "validate": "5s",
    "bake": "20s",
    "extension": "15s",
    "preflight": "30s",
    "start": "20s",
    "drain": "10s",
}
JUDGED = {Step.MEASURE, Step.VALIDATE}
MAY_SPLIT = {Step.BASELINE_UP, Step.SHIFT, Step.WARM, Step.MEASURE, Step.PAUSED, Step.INCONCLUSIVE}


class World:
    """Instances, a gateway, evidence and persons round one rollout.

    Attributes:
        duds: arms of agents that start and never become healthy.
        gateway_up: whether the gateway hears of routes and tells what it serves.
        late: whether it serves a route only when told to by `confirm`.
        judges: what evidence says, None for no answer.
    """

    def __init__(self, count: int = 3, **plan: object) -> None:
        self.now = 1_000.0
        self.plan = RolloutPlan.model_validate({**QUICK, **plan})
        stages = stages_of(self.plan, [Mover(name=f"agent-{n}") for n in range(count)])
        self.state = begin("r", self.plan, stages, before=1, after=2, now=self.now)
        self.copies = {
            (agent, arm): Copy(Health.HEALTHY if arm is Arm.BLUE else Health.ABSENT)
            for agent in self.state.agents
            for arm in Arm
        }
        self.duds: set[tuple[str, Arm]] = set()
        self.gateway_up, self.late = True, False
        self.served, self.inbox = 0, [0]
        self.tables: dict[int, Mapping[str, Mapping[Arm, float]]] = {0: weights_of(self.state)}
        self.preflight = Preflight(backends=Check.GOOD, baselines=Check.GOOD)
        self.guards: tuple[Tripped, ...] = ()
        self.judges: Verdict | None = Verdict.PASS
        self.judged: Judged | None = None
        self.asked: AskVerdict | None = None
        self.told: list[str] = []
        self.decided: list[Decision] = []
        self.seconds_in: dict[Step, float] = {}

    @property
    def table(self) -> Mapping[str, Mapping[Arm, float]]:
        """What the gateway serves, whether or not anybody can ask it."""
        return self.tables[self.served]

    @property
    def steps(self) -> list[Step]:
        return [moment.step for moment in self.state.history]

    def observe(self) -> Observation:
        awake = {key: replace(one, awake=self.is_awake(key)) for key, one in self.copies.items()}
        return Observation(
            now=self.now,
            copies=awake,
            routed=self.served if self.gateway_up else None,
            preflight=self.preflight,
            guards=self.guards,
            judged=self.judged,
            told=len(self.told),
        )

    def is_awake(self, key: tuple[str, Arm]) -> bool:
        """Whether it takes memory: blue sleeps that gets nothing and has nothing in hand."""
        (agent, arm), copy = key, self.copies[key]
        if copy.health in (Health.ABSENT, Health.UNKNOWN):
            return False
        return arm is not Arm.BLUE or bool(self.table[agent][arm] or copy.in_hand)

    def beside(self) -> int:
        """How many copies are awake beside one of each agent."""
        return sum(map(self.is_awake, self.copies)) - len(self.state.agents)

    def look(self, *, killed: bool = False) -> list[Decision]:
        """One look. Who is killed has kept the state and carries nothing out."""
        before, seen = self.state, self.observe()
        after, decisions = decide(before, seen)
        assert (after, decisions) == decide(before, seen), "it depends on what is given alone"
        self.state = RolloutState.model_validate_json(after.model_dump_json())
        assert self.state == after, "what is kept is everything"
        assert sentence(after, self.now)
        self._check_step(before, after)
        self.decided = decisions
        for decision in decisions:
            self._check(decision, seen)
        if not killed:
            for decision in decisions:
                self._carry_out(decision)
        return decisions

    def pass_time(self, seconds: float = 1.0) -> None:
        """What was starting has started, work comes to its end, and evidence is judged."""
        self.now += seconds
        for key, copy in self.copies.items():
            if copy.health is Health.STARTING and key not in self.duds:
                self.copies[key] = replace(copy, health=Health.HEALTHY)
        if self.asked and self.judges:
            self.judged = Judged(
                window=self.asked.window,
                verdict=self.judges,
                seconds=self.asked.seconds,
                words=f"{self.judges} by {self.asked.seconds:g} s",
            )
        if self.gateway_up and not self.late:
            self.confirm()

    def run(self, looks: int, seconds: float = 1.0) -> None:
        for _ in range(looks):
            self.look()
            self.pass_time(seconds)

    def run_to(self, *steps: Step, most: int = 300) -> None:
        for _ in range(most):
            if self.state.step in steps:
                return
            self.run(1)
        raise AssertionError(f"never came to {steps}, but: {sentence(self.state, self.now)}")

    def confirm(self) -> None:
        """The gateway serves the newest route that it has heard of."""
        self.served = max(self.served, *self.inbox)

    def say(self, command: Command) -> None:
        self.state = obey(self.state, command, by="ada", now=self.now)

    def put(self, agent: str, arm: Arm, health: Health, in_hand: int = 0) -> None:
        self.copies[agent, arm] = Copy(health, in_hand)

    def health(self, agent: str, arm: Arm) -> Health:
        return self.copies[agent, arm].health

    def whole(self, arm: Arm) -> set[str]:
        """Agents all of whose new work the gateway gives to ``arm``."""
        return {agent for agent, weights in self.table.items() if weights[arm] == 1}

    def of(self, arm: Arm, health: Health = Health.HEALTHY) -> set[str]:
        return {
            agent
            for (agent, one), copy in self.copies.items()
            if one is arm and copy.health is health
        }

    # ---- what must hold

    def _check_step(self, before: RolloutState, after: RolloutState) -> None:
        counted = min(MAX_STEP, max(0.0, self.now - before.looked))
        self.seconds_in[before.step] = self.seconds_in.get(before.step, 0.0) + counted
        assert after.generation >= before.generation
        if after.green != before.green and after.step not in GOES_BACK:
            self._check_room(before, after)
        if before.step in ENDED:
            assert after == before
        if before.step in GOES_BACK:
            assert after.step in GOES_BACK | {Step.ROLLED_BACK}
            assert set(after.moved) <= {*before.moved, *after.kept}, "never forward again"
        if after.step is Step.FINISH and before.step is Step.BAKE:
            assert self.seconds_in[Step.BAKE] >= self.plan.bake
        if before.step is not after.step:
            self._check_end(after)

    def _check_room(self, before: RolloutState, after: RolloutState) -> None:
        """Blue that does not end its work in time is waited for no more."""
        late = self.now - before.looked + before.elapsed >= self.plan.drain
        slow = sum(copy.in_hand > 0 for (_, arm), copy in self.copies.items() if arm is Arm.BLUE)
        new = len(after.green) - len(before.green) + len(after.baseline) - len(before.baseline)
        assert self.beside() - (slow if late else 0) + new <= after.beside

    def _check_end(self, after: RolloutState) -> None:
        if after.step is Step.SUCCEEDED:
            assert self.whole(Arm.GREEN) == set(after.agents) == self.of(Arm.BLUE, Health.ABSENT)
        if after.step is Step.ROLLED_BACK:
            gone = self.of(Arm.GREEN, Health.ABSENT) & self.of(Arm.BASELINE, Health.ABSENT)
            assert gone | set(after.kept) == set(after.agents)
            assert self.whole(Arm.BLUE) | set(after.kept) == set(after.agents)

    def _check(self, decision: Decision, seen: Observation) -> None:
        if isinstance(decision, Route):
            if decision.generation not in self.tables:
                self._check_change(decision.weights, seen)
            known = self.tables.setdefault(decision.generation, decision.weights)
            assert known == decision.weights, "a number stands for one routing"
            for agent, weights in decision.weights.items():
                self._check_weights(agent, weights, seen)
        elif isinstance(decision, Stop):
            for agent in decision.agents:
                self._check_stop(agent, decision.arm, seen)
        elif isinstance(decision, Ensure):
            assert all(decision.arm in runs(self.state)[agent] for agent in decision.agents)
        elif isinstance(decision, Replay):
            assert self.state.step in JUDGED and self.state.extended and not self.state.trouble
            wanted = runs(self.state)
            assert all({*decision.arms} <= {*wanted[agent]} for agent in decision.agents)
        elif isinstance(decision, Drain):
            assert all(self.table[agent][decision.arm] == 0 for agent in decision.agents)

    def _check_change(self, wanted: Mapping[str, Mapping[Arm, float]], seen: Observation) -> None:
        """But who was sent back when blue was well, and the gateway has not heard it, is not sent
        forward again."""
        last = self.tables[max(self.tables)]
        for agent in self.whole(Arm.GREEN):
            if last[agent][Arm.BLUE] == 0 < wanted[agent][Arm.BLUE] and seen.healthy(
                agent, Arm.GREEN
            ):
                assert seen.healthy(agent, Arm.BLUE), "nobody is sent from the well to the ill"

    def _check_weights(self, agent: str, weights: Mapping[Arm, float], seen: Observation) -> None:
        assert sum(weights.values()) == 1
        if self.state.step in GOES_BACK or agent not in self.state.cohort:
            assert set(weights.values()) == {0, 1}, "whole or not at all"
        elif set(weights.values()) != {0, 1}:
            assert self.state.step in MAY_SPLIT
        if agent not in self.state.kept:
            routed = [arm for arm in (Arm.GREEN, Arm.BASELINE) if weights[arm]]
            assert all(seen.healthy(agent, arm) for arm in routed), "nobody is sent to the ill"

    def _check_stop(self, agent: str, arm: Arm, seen: Observation) -> None:
        assert self.table[agent][arm] == 0, "nothing ends that still gets new work"
        assert arm not in runs(self.state)[agent]
        if arm is Arm.BLUE:
            assert Step.FINISH in (self.state.step, self.state.was)
        if seen.healthy(agent, arm):
            (left,) = (one for one, weight in self.table[agent].items() if weight == 1)
            assert seen.healthy(agent, left), "the only copy that is well never ends"

    # ---- what it does

    def _carry_out(self, decision: Decision) -> None:
        if isinstance(decision, (Ensure, Stop, Drain)):
            for agent in decision.agents:
                self._carry_out_for(agent, decision)
        elif isinstance(decision, Route) and self.gateway_up:
            self.inbox.append(decision.generation)
        elif isinstance(decision, Announce):
            assert decision.moment.number == len(self.told) + 1, "told once, in order"
            self.told.append(decision.moment.text)
        elif isinstance(decision, AskVerdict):
            self.asked = decision
        elif isinstance(decision, TakeBackup):
            self.preflight = replace(self.preflight, backup=Check.GOOD)
        elif isinstance(decision, RehearseRollback):
            self.preflight = replace(self.preflight, rehearsal=Check.GOOD)

    def _carry_out_for(self, agent: str, decision: Ensure | Stop | Drain) -> None:
        copy = self.copies[agent, decision.arm]
        if isinstance(decision, Stop):
            self.put(agent, decision.arm, Health.ABSENT)
        elif isinstance(decision, Drain):
            self.put(agent, decision.arm, copy.health, max(0, copy.in_hand - 1))
        elif copy.health is not Health.UNKNOWN:
            self.put(agent, decision.arm, Health.STARTING)
