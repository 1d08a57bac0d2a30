"""What a container is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sutazai.fleet.desired import Container, DesiredUnit, Kind
from sutazai.fleet.mounts import Mount, parse_mount
from sutazai.fleet.spec import MIB, Network, Runtime
from sutazai.host.containers.plan import NPROC, Hard, Plan, binds_of, plan_of, shares_of
from sutazai.host.limits import limit_of


def planned(hard: Hard | None = None, **changes: Any) -> Plan:
    container = Container(**{"image": "acme/crawler", "port": 8080, **changes})
    unit = DesiredUnit(
        name="crawler",
        kind=Kind.AGENT,
        version="1",
        runtime=Runtime.CONTAINER,
        memory_limit=64 * MIB,
        cpu=2.0,
    )
    return plan_of(
        unit,
        container,
        limit_of(unit),
        name="sutazai-crawler-x",
        command=("run",),
        environment={},
        labels={},
        outer="40001",
        network="sutazai-abc",
        hard=hard or Hard(),
    )


def test_on_the_fleets_bridge_its_own_port_is_reached_by_another_one() -> None:
    plan = planned()

    assert (plan.published, plan.network, plan.alias) == ((8080, 40001), "sutazai-abc", "crawler")


def test_a_program_that_is_told_its_port_listens_at_the_outer_one() -> None:
    assert planned(port=None).published == (40001, 40001)


def test_in_the_machines_network_nothing_is_published() -> None:
    plan = planned(network=Network.HOST)

    assert (plan.published, plan.network, plan.alias) == (None, "host", None)


def test_limits_are_those_of_every_instance() -> None:
    plan = planned()

    assert (plan.memory, plan.shares, plan.quota) == (64 * MIB, 1024, 200_000)
    assert (plan.processes, plan.ulimits) == (512, {"nofile": 4096})


def test_nothing_is_asked_for_that_the_machine_would_refuse() -> None:
    plan = planned(Hard(open_files=1024, processes=100_000))

    assert plan.ulimits == {"nofile": 1024, "nproc": NPROC}


def test_the_share_of_the_cores_can_be_changed() -> None:
    unit = DesiredUnit(name="a", kind=Kind.AGENT, version="1", runtime=Runtime.CONTAINER)

    assert shares_of(limit_of(unit)) == {"CpuShares": 1024}


def test_volumes_without_a_name_are_the_engines_own() -> None:
    assert binds_of(("data:/data", "/conf:/conf:ro", "/scratch")) == (
        ["data:/data", "/conf:/conf:ro"],
        ["/scratch"],
    )


@pytest.mark.parametrize(
    "text", ["", "data", "data:relative", "a b:/x", "d:/x:z", "a:/b:ro:c", ":/x:", "../x"]
)
def test_what_is_no_volume(text: str) -> None:
    with pytest.raises(ValueError):
        parse_mount(text)


def test_a_relative_folder_counts_from_the_fleet_file() -> None:
    assert parse_mount("./conf:/conf:ro").anchored(Path("/srv")) == Mount(
        "/srv/conf", "/conf", "ro"
    )
    assert parse_mount("data:/data").anchored(Path("/srv")) == Mount("data", "/data")
