"""A fleet's status as control would tell it: small, fixed, with one of each kind of trouble."""

from __future__ import annotations

from sutazai.fleet.desired import Kind
from sutazai.fleet.spec import Runtime, Temperature
from sutazai.fleet.status import (
    AgentStatus,
    Exit,
    FleetStatus,
    InstanceStatus,
    LlmStatus,
    PoolTotals,
    State,
    UnitStatus,
)

NOW = 1_700_000_000.0
MIB = 1024**2


def agent(
    name: str,
    state: State = State.HEALTHY,
    *,
    reason: str = "",
    temperature: Temperature = Temperature.HOT,
    group: str = "workflow",
    pss: int | None = 3 * MIB,
    port: int = 10460,
    last_exit: Exit | None = None,
) -> AgentStatus:
    """One agent, with one instance where it has memory."""
    one = InstanceStatus(
        instance=f"{name}-1", pid=4711, state=state, since=NOW, version="v", pss=pss
    )
    return AgentStatus(
        name=name,
        kind=Kind.AGENT,
        runtime=Runtime.PYTHON,
        temperature=temperature,
        state=state,
        reason=reason,
        since=NOW,
        instances=() if pss is None else (one,),
        last_exit=last_exit,
        description=f"The {name}.",
        group=group,
        rank="worker",
        tier="standard",
        priority="medium",
        port=port,
    )


def plane(name: str, state: State = State.HEALTHY, reason: str = "") -> UnitStatus:
    """One of our own processes."""
    return UnitStatus(
        name=name,
        kind=Kind.PLANE,
        runtime=Runtime.COMMAND,
        temperature=Temperature.HOT,
        state=state,
        reason=reason,
        since=NOW,
    )


def fleet_status(*agents: AgentStatus, problems: tuple[str, ...] = ()) -> FleetStatus:
    """A fleet of these agents, or of four that cover most cases."""
    agents = agents or (
        agent("planner"),
        agent("executor", State.FAILED, reason="exited with status 1", pss=None, port=10461),
        agent("reviewer", State.ASLEEP, temperature=Temperature.WARM, pss=None, port=10462),
        agent("aider", State.NOT_INSTALLED, reason="aider is not on this machine",
              temperature=Temperature.COLD, group="development", pss=None, port=10355),
    )  # fmt: skip
    return FleetStatus(
        fleet="sutazai",
        revision=3,
        started=NOW - 90,
        state="/home/u/.local/state/sutazai/sutazai",
        urls={"control": "http://127.0.0.1:10010", "gateway": "http://127.0.0.1:10104"},
        agents=agents,
        planes=(plane("gateway"), plane("control")),
        pools={
            Temperature.HOT: PoolTotals(declared=2, healthy=1, instances=1, pss=3 * MIB),
            Temperature.WARM: PoolTotals(declared=1),
            Temperature.COLD: PoolTotals(declared=1),
        },
        llm=LlmStatus(
            source="embedded", backends=("embedded",), models=("smollm2-135m-instruct",),
            healthy=True, slots=2, running=1, queued=4,
        ),
        limits="accounting", limits_why="cgroup v2: no memory controller is delegated",
        problems=problems,
    )  # fmt: skip
