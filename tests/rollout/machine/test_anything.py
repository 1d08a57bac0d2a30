"""Whatever may happen to a rollout: it hurts nobody, and it ends when it can.

Every decision is checked as it is made (`World`).
"""

from __future__ import annotations

import contextlib

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sutazai.fleet.errors import Conflict
from sutazai.fleet.rollout_findings import Verdict
from sutazai.fleet.rollouts import Arm, NoTraffic, Step
from sutazai.rollout.machine import Command, Health, Tripped, sentence
from tests.rollout.machine.world import World

arms = st.sampled_from(Arm)


class AnyRollout(RuleBasedStateMachine):
    """Instances start, break and stay broken; the gateway is late or gone; control is killed
    between any two looks; persons speak at any time; and clocks jump."""

    @initialize(
        count=st.integers(1, 5),
        canary=st.sampled_from([50, 100]),
        policy=st.sampled_from(NoTraffic),
    )
    def begin(self, count: int, canary: float, policy: NoTraffic) -> None:
        self.world = World(count, canary=canary, no_traffic=policy.value)

    @rule(killed=st.booleans(), seconds=st.floats(0, 6))
    def it_looks(self, killed: bool, seconds: float) -> None:
        self.world.look(killed=killed)
        self.world.pass_time(seconds)

    @rule(looks=st.integers(2, 25))
    def it_goes_on_for_a_while(self, looks: int) -> None:
        self.world.run(looks, 2.0)

    @rule(seconds=st.floats(-1e6, 1e6))
    def the_clock_jumps(self, seconds: float) -> None:
        self.world.now += seconds
        self.world.look()

    @rule(data=st.data(), arm=arms)
    def one_breaks(self, data: st.DataObject, arm: Arm) -> None:
        agent = data.draw(st.sampled_from(self.world.state.agents))
        if self.world.health(agent, arm) in (Health.HEALTHY, Health.STARTING):
            self.world.put(agent, arm, Health.BROKEN)

    @rule(data=st.data(), arm=arms)
    def one_will_never_be_healthy(self, data: st.DataObject, arm: Arm) -> None:
        self.world.duds.add((data.draw(st.sampled_from(self.world.state.agents)), arm))

    @rule()
    def all_can_be_mended(self) -> None:
        self.world.duds.clear()

    @rule(data=st.data(), arm=arms, work=st.integers(1, 3))
    def work_is_in_hand(self, data: st.DataObject, arm: Arm, work: int) -> None:
        agent = data.draw(st.sampled_from(self.world.state.agents))
        if self.world.health(agent, arm) is Health.HEALTHY:
            self.world.put(agent, arm, Health.HEALTHY, in_hand=work)

    @rule(up=st.booleans(), late=st.booleans())
    def the_gateway_changes(self, up: bool, late: bool) -> None:
        self.world.gateway_up, self.world.late = up, late

    @rule()
    def the_gateway_confirms_at_last(self) -> None:
        self.world.confirm()

    @rule()
    def the_gateway_comes_back_with_what_it_had_kept(self) -> None:
        older = (one for one in self.world.tables if one < self.world.served)
        self.world.served = max(older, default=0)
        self.world.inbox = [self.world.served]

    @rule(environment=st.booleans())
    def a_guard_trips(self, environment: bool) -> None:
        self.world.guards = (Tripped("too many errors", environment),)

    @rule(data=st.data())
    def the_old_version_breaks_as_the_new_one_is_given_up(self, data: st.DataObject) -> None:
        agent = data.draw(st.sampled_from(self.world.state.agents))
        if self.world.health(agent, Arm.BLUE) is Health.HEALTHY:
            self.world.put(agent, Arm.BLUE, Health.BROKEN)
        self.world.duds.add((agent, Arm.BLUE))
        self.a_guard_trips(environment=False)

    @rule()
    def no_guard_trips(self) -> None:
        self.world.guards = ()

    @rule(verdict=st.none() | st.sampled_from(Verdict))
    def evidence_says(self, verdict: Verdict | None) -> None:
        self.world.judges = verdict

    @rule(command=st.sampled_from(Command))
    def a_person_speaks(self, command: Command) -> None:
        with contextlib.suppress(Conflict):
            self.world.say(command)

    @invariant()
    def what_serves_is_to_run(self) -> None:
        if hasattr(self, "world"):
            state = self.world.state
            assert set(state.agents) <= {*state.blue, *state.green}
            assert set(state.moved) <= set(state.green)

    def teardown(self) -> None:
        """When the world is well again and persons answer, it comes to its end."""
        if not hasattr(self, "world"):
            return
        world = self.world
        world.gateway_up, world.late, world.guards = True, False, ()
        world.judges = Verdict.PASS
        world.duds.clear()
        for _ in range(200):
            world.run(1, 2.0)
            if world.state.step is Step.PAUSED:
                world.say(Command.RESUME)
            elif world.state.step is Step.INCONCLUSIVE:
                world.say(Command.PROMOTE)
        assert not world.state.is_open, sentence(world.state, world.now)


AnyRollout.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestAnyRollout = AnyRollout.TestCase
