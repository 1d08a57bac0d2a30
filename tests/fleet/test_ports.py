"""Ports are stable, never clash, keep out of what is reserved, and move together."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sutazai.fleet.errors import BadFleet, BadInput
from sutazai.fleet.ports import (
    GROWTH,
    RESERVED,
    RUNTIME_POOLS,
    assigned,
    listeners,
    local_port,
    moved,
)
from sutazai.fleet.serving import Backend
from sutazai.fleet.spec import Agent, Fleet, Ports, Runtime, Service
from tests.fleet.fleets import fleet_of


def _ports_of(fleet: Fleet) -> dict[str, int | None]:
    return {name: agent.port for name, agent in fleet.agents.items()}


def _agents(count: int) -> dict[str, Agent]:
    return {f"agent-{number}": Agent() for number in range(count)}


def test_an_agent_keeps_its_port_and_the_others_get_the_lowest_free_ones() -> None:
    fleet = fleet_of(
        """
name: x
agents: {a: {}, b: {port: 10300}, c: {}, d: {port: 10302}, e: {}}
services:
  off: {command: [x], port: 10303, enabled: false}
backends: {o: {url: "http://localhost:10304"}}
"""
    )

    assert _ports_of(fleet) == {"a": 10301, "b": 10300, "c": 10305, "d": 10302, "e": 10306}


def test_remote_agents_have_doors_too_and_nobody_gets_the_port_they_run_on() -> None:
    fleet = fleet_of(
        "name: x\nagents: {a: {runtime: remote, url: 'http://127.0.0.1:10300/x'}, b: {}}\n"
    )

    assert _ports_of(fleet) == {"a": 10301, "b": 10302}


def test_the_range_has_284_ports_and_grows_where_a_fleet_needs_more() -> None:
    fleet = assigned(Fleet(name="x", agents=_agents(400)))

    ports = [agent.port for agent in fleet.agents.values() if agent.port]
    assert ports[:284] == [*range(10300, 10500), *range(10516, 10600)]
    assert ports[284:] == [*range(GROWTH, GROWTH + 116)]


def test_ports_kept_for_others_are_not_given_even_where_the_file_names_them() -> None:
    ports = Ports(agents_first=10490, agents_last=11010)

    fleet = assigned(Fleet(name="x", ports=ports, agents=_agents(120)))

    given_out = [agent.port for agent in fleet.agents.values()]
    assert not {*RUNTIME_POOLS, *RESERVED} & {*given_out}
    assert given_out[-1] == 11025


def test_a_range_of_one_s_own_grows_above_itself() -> None:
    ports = Ports(agents_first=20000, agents_last=20001)

    fleet = assigned(Fleet(name="x", ports=ports, agents=_agents(4)))

    assert [*_ports_of(fleet).values()] == [20000, 20001, 20002, 20003]


def test_a_fleet_that_finds_no_port_is_refused() -> None:
    ports = Ports(agents_first=65534, agents_last=65535)

    with pytest.raises(BadFleet, match="no port is left for agent `agent-2`"):
        assigned(Fleet(name="x", ports=ports, agents=_agents(3)))


@settings(max_examples=60, deadline=None)
@given(
    wanted=st.lists(
        st.one_of(st.none(), st.integers(10290, 10320), st.integers(10490, 10610)), max_size=40
    ),
    first=st.integers(10290, 10600),
    size=st.integers(0, 40),
)
def test_what_is_given_out_never_clashes(wanted: list[int | None], first: int, size: int) -> None:
    agents = {f"agent-{at}": Agent(port=port) for at, port in enumerate(wanted)}
    services = {"db": Service(command=("x",), port=first)}
    ports = Ports(agents_first=first, agents_last=first + size)

    fleet = assigned(Fleet(name="x", ports=ports, agents=agents, services=services))

    free = [fleet.agents[name].port for name, agent in agents.items() if agent.port is None]
    kept = {10010, 10011, 10104, first, *(port for port in wanted if port)}
    assert len(set(free)) == len(free)
    assert not kept & set(free)
    assert not {*RUNTIME_POOLS, *RESERVED} & set(free)
    assert all(
        fleet.agents[name].port == agent.port for name, agent in agents.items() if agent.port
    )
    assert assigned(fleet) == fleet


def test_a_fleet_moves_as_a_whole() -> None:
    fleet = fleet_of(
        """
name: x
agents: {a: {}, far: {runtime: remote, url: "http://127.0.0.1:9000"}}
services: {db: {command: [x], port: 10000}}
backends: {o: {url: "http://127.0.0.1:11434"}}
"""
    )

    there = moved(fleet, 20010)

    assert (there.ports.control, there.ports.gateway) == (20010, 20104)
    assert (there.ports.agents_first, there.ports.agents_last) == (20300, 20599)
    ports = [listener.port for listener in listeners(there)]
    assert ports == [20010, 20011, 20104, 20300, 20301, 20000]
    assert there.backends == fleet.backends
    assert there.agents["far"].url == "http://127.0.0.1:9000"
    assert moved(there, 10010) == fleet


def test_control_lands_on_the_base_wherever_it_was() -> None:
    fleet = Fleet(name="x", ports=Ports(control=12345, gateway=12346))

    assert moved(fleet, 20010).ports.control == 20010
    assert moved(fleet, 20010).ports.gateway == 20011


@pytest.mark.parametrize(("base", "choose"), [(5, "from 11 to"), (65000, "to 64946")])
def test_a_base_that_leaves_no_room_says_which_do(base: int, choose: str) -> None:
    fleet = Fleet(name="x", services={"db": Service(command=("x",), port=10000)})

    with pytest.raises(BadInput) as caught:
        moved(fleet, base)

    assert choose in (caught.value.hint or "")


def test_the_bounds_of_the_base_are_those_that_work() -> None:
    fleet = Fleet(name="x", services={"db": Service(command=("x",), port=10000)})

    assert moved(fleet, 11).services["db"].port == 1
    assert moved(fleet, 64946).ports.agents_last == 65535


def test_who_listens_once_all_of_it_runs() -> None:
    fleet = Fleet(
        name="x",
        agents={"a": Agent(port=10300)},
        services={
            "db": Service(command=("x",), port=10000),
            "off": Service(command=("x",), port=10001, enabled=False),
            "far": Service(runtime=Runtime.REMOTE, url="http://far:1", port=10002),
        },
    )

    assert [(each.owner, each.port) for each in listeners(fleet)] == [
        ("the control plane", 10010),
        ("the dashboard", 10011),
        ("the gateway", 10104),
        ("agent `a`", 10300),
        ("service `db`", 10000),
    ]


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://127.0.0.1:11434", 11434),
        ("http://localhost", 80),
        ("https://[::1]/path", 443),
        ("http://127.1.2.3:5", 5),
        ("http://example.com:5", None),
        ("unix:/run/x.sock", None),
        ("http://localhost:99999", None),
        ("http://[bad", None),
        ("localhost:11434", None),
        (None, None),
    ],
)
def test_which_port_of_this_machine_a_url_means(url: str | None, port: int | None) -> None:
    assert local_port(url) == port


def test_backends_may_share_a_port_with_the_service_that_serves_them() -> None:
    fleet = Fleet(
        name="x",
        backends={"o": Backend(url="http://127.0.0.1:10300")},
        services={"ollama": Service(command=("x",), port=10300)},
        agents={"a": Agent()},
    )

    assert assigned(fleet).agents["a"].port == 10301
