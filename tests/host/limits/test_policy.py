"""What instances may take, how reservations grow, and how an end is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.fleet.declared import Priority
from sutazai.fleet.desired import Kind, Standing
from sutazai.host.instances.exits import Ending
from sutazai.host.limits import Usage, judge, limit_of, reservation
from sutazai.host.limits.reservation import STEP, grown
from tests.host.machine import agent, command

MIB = 1024**2


def test_an_agent_may_take_what_its_class_allows_and_one_core() -> None:
    limit = limit_of(agent("one", memory_limit=512 * MIB, cpu=0.1))
    assert (limit.memory, limit.reservation) == (512 * MIB, 128 * MIB)
    assert limit.cores == 1.0
    assert limit.processes is not None and limit.open_files is not None


def test_who_declares_more_cores_gets_them() -> None:
    assert limit_of(agent("one", cpu=4.0)).cores == 4.0


def test_a_small_class_is_reserved_as_a_whole_and_so_is_a_service() -> None:
    assert limit_of(agent("one", memory_limit=64 * MIB)).reservation == 64 * MIB
    assert limit_of(command("db", "db", memory_limit=2048 * MIB)).reservation == 2048 * MIB


def test_planes_go_first_and_nothing_undeclared_bounds_them() -> None:
    plane = limit_of(agent("gateway", kind=Kind.PLANE, standing=Standing.PROTECTED))
    assert (plane.memory, plane.cores, plane.processes, plane.open_files) == (None,) * 4
    agents = [limit_of(agent("one", priority=priority)).weight for priority in Priority]
    assert agents == sorted(agents, reverse=True) and len(set(agents)) == len(agents)
    assert plane.weight > limit_of(command("db", "db")).weight > max(agents)


@pytest.mark.parametrize(
    ("peak", "reserved"),
    [(0, 128), (102, 128), (103, 384), (307, 384), (308, 640), (820, 1024), (1024, 1024)],
)
def test_a_reservation_follows_what_was_used(peak: int, reserved: int) -> None:
    unit = agent("one", memory_limit=1024 * MIB)
    assert reservation(unit, peak * MIB) == reserved * MIB


@given(st.integers(1, 2**40), st.integers(0, 2**33), st.integers(1, 2**33) | st.none())
def test_a_reservation_grows_by_steps_up_to_the_maximum(
    reserved: int, used: int, maximum: int | None
) -> None:
    more = grown(reserved, used, maximum)
    if maximum is not None and reserved >= maximum:
        assert more == maximum
        return
    assert more >= reserved
    assert more == maximum or (more - reserved) % STEP == 0
    assert more == maximum or used <= 0.8 * more
    assert grown(more, used, maximum) == more


FULL = Usage(memory=0, peak=512 * MIB, limit=512 * MIB, cpu=1.0, oom_kills=1)


@pytest.mark.parametrize(
    ("ending", "last", "reason"),
    [
        (Ending(signal="SIGKILL"), FULL, "out of memory: peak 512MiB of 512MiB"),
        (Ending(status=137), FULL, "out of memory: peak 512MiB of 512MiB"),
        (
            Ending(status=1),
            FULL,
            "exited with status 1; a process in it was killed, out of memory: "
            "peak 512MiB of 512MiB",
        ),
        (
            Ending(signal="SIGKILL"),
            Usage(peak=80 * MIB, limit=512 * MIB, oom_kills=1),
            "out of memory: the machine had none left; peak 80MiB of 512MiB",
        ),
        (
            Ending(signal="SIGKILL"),
            Usage(peak=80 * MIB, oom_kills=1),
            "out of memory: the machine had none left; peak 80MiB",
        ),
    ],
)
def test_an_end_for_want_of_memory_is_told_with_its_figures(
    ending: Ending, last: Usage, reason: str
) -> None:
    verdict = judge(ending, last)
    assert (verdict.reason, verdict.out_of_memory) == (reason, True)


@pytest.mark.parametrize(
    ("ending", "last"),
    [
        (Ending(signal="SIGKILL"), Usage(peak=512 * MIB, limit=512 * MIB)),
        (Ending(signal="SIGKILL"), None),
        (Ending(status=0), FULL),
    ],
)
def test_every_other_end_is_told_as_it_was(ending: Ending, last: Usage | None) -> None:
    verdict = judge(ending, last)
    assert (verdict.reason, verdict.out_of_memory) == (ending.reason, False)


def test_a_tool_that_was_killed_long_before_is_not_the_reason() -> None:
    assert not judge(Ending(signal="SIGKILL"), FULL, survived=1).out_of_memory
    again = Usage(peak=512 * MIB, limit=512 * MIB, oom_kills=2)
    assert judge(Ending(signal="SIGKILL"), again, survived=1).out_of_memory
