"""What a start needs to know: the environment, the listeners, the machine, how far it has come."""

from __future__ import annotations

from pathlib import Path

from sutazai.cli.folder import LISTENERS_AT_ONCE, environment_of, listener_batches
from sutazai.cli.readiness import ENDS_ENOUGH, hot_agents, progress
from sutazai.fleet.load import parse_fleet
from sutazai.fleet.places import Places
from sutazai.fleet.status import HostStatus, State, UnitStatus
from tests.cli.examples import agent, fleet_status, plane

PLACES = Places(state=Path("/s/tiny"), runtime=Path("/r/tiny"))
HOT = frozenset({"planner", "executor"})


def host(*planes: UnitStatus) -> HostStatus:
    return HostStatus(pid=1, revision=1, keeper=True, units=planes, limits="accounting")


def test_a_fleet_sees_only_what_it_should_of_the_environment() -> None:
    fleet = parse_fleet(
        "name: x\nagents: {a: {environment: {KEY: 'Bearer ${MY_KEY}'}}}\n", file="fleet.yaml"
    )
    ours = {
        "PATH": "/bin",
        "HOME": "/home/u",
        "OLLAMA_HOST": "gpu:11434",
        "https_proxy": "http://proxy",
        "SUTAZAI_LOG_LEVEL": "DEBUG",
        "MY_KEY": "s3cret",
        "AWS_SECRET_ACCESS_KEY": "not for agents",
    }

    found = environment_of(PLACES, fleet, ours)

    assert found == {
        **{name: value for name, value in ours.items() if not name.startswith("AWS")},
        "SUTAZAI_STATE": "/s/tiny",
        "SUTAZAI_MARK": "/s/tiny",
    }


def test_every_stable_port_is_listened_on_in_requests_that_the_keeper_takes() -> None:
    agents = "".join(f"  a{number}: {{}}\n" for number in range(250))
    fleet = parse_fleet(f"name: x\nagents:\n{agents}", file="fleet.yaml")

    batches = listener_batches(fleet)

    assert [len(batch) for batch in batches] == [LISTENERS_AT_ONCE, 253 - LISTENERS_AT_ONCE]
    assert [each["name"] for each in batches[0][:3]] == ["control", "web", "gateway"]
    ports = [each["port"] for batch in batches for each in batch]
    assert len(set(ports)) == len(ports)


def test_hot_agents_are_those_that_should_run() -> None:
    fleet = parse_fleet(
        "name: x\nagents: {a: {temperature: hot}, b: {}, c: {temperature: hot, replicas: 0}}\n",
        file="fleet.yaml",
    )

    assert hot_agents(fleet) == {"a"}


def test_a_start_is_settled_once_the_model_answers_and_every_hot_agent_is_well() -> None:
    starting = fleet_status(agent("planner"), agent("executor", State.STARTING))
    ready = fleet_status(agent("planner"), agent("executor"))

    assert not progress(None, None, hot=HOT).settled
    assert not progress(starting, None, hot=HOT).settled
    assert progress(starting, None, hot=HOT).healthy == 1
    assert progress(ready, None, hot=HOT).settled


def test_an_agent_that_failed_holds_nobody_up_and_is_told() -> None:
    seen = progress(fleet_status(agent("planner"), agent("executor", State.FAILED)), None, hot=HOT)

    assert seen.settled
    assert [unit.name for unit in seen.failed] == ["executor"]
    assert not seen.broken


def test_agents_that_sleep_are_not_waited_for() -> None:
    status = fleet_status(agent("planner"), agent("executor"), agent("aider", State.ASLEEP))

    assert progress(status, None, hot=HOT).settled


def test_a_control_that_ends_again_and_again_is_given_up() -> None:
    ended = plane("control", State.BACKING_OFF, "exited with status 1")
    once = progress(None, host(plane("gateway"), ended), hot=HOT)
    often = progress(
        None,
        host(plane("gateway"), ended.model_copy(update={"restarts": ENDS_ENOUGH})),
        hot=HOT,
    )

    assert not once.broken
    assert [unit.name for unit in once.late] == ["control"]
    assert often.broken
