"""What metrics need of units that all sleep: the rest is shown by a real host in `test_metrics`."""

from __future__ import annotations

from collections.abc import Iterable

from sutazai.fleet.desired import DesiredUnit, Kind
from sutazai.fleet.labelling import AGENTS_MAX
from sutazai.fleet.spec import Pool, Runtime, Temperature
from sutazai.fleet.status import State
from sutazai.host.consumption import Taken
from sutazai.host.register import Register, register_of


def unit(name: str, kind: Kind = Kind.AGENT, group: str = "") -> DesiredUnit:
    return DesiredUnit(
        name=name,
        kind=kind,
        version="1",
        runtime=Runtime.PYTHON,
        temperature=Temperature.WARM,
        group=group,
    )


def told(register: Register, **taken: Taken) -> dict[str, int | None]:
    return {one.label: one.memory for one in register.figures(Kind.AGENT, (), taken)}


def crowd(*groups: str) -> Iterable[DesiredUnit]:
    """More than are told one by one."""
    each = AGENTS_MAX // len(groups) + 1
    return [unit(f"{group}-{n}", group=group) for group in groups for n in range(each)]


def test_agents_that_sleep_are_counted_where_they_are() -> None:
    register = register_of([unit("tea"), unit("coffee"), unit("cups", Kind.SERVICE)])
    assert register.agents(()) == {(State.ASLEEP, Temperature.WARM, Pool.STANDARD): 2}
    assert register.services(()) == {State.ASLEEP: 1}


def test_what_one_of_them_took_is_told_of_it_alone() -> None:
    register = register_of([unit("tea"), unit("coffee")])
    assert told(register, tea=Taken(5, 1.0), gone=Taken(7, 1.0)) == {
        'agent="tea"': 5,
        'agent="coffee"': 0,
    }


def test_nothing_is_told_of_memory_that_nobody_knows() -> None:
    assert told(register_of([unit("tea")]), tea=Taken(None, 1.0)) == {'agent="tea"': None}


def test_a_crowd_is_told_by_its_groups() -> None:
    register = register_of(crowd("red", "blue"))
    took = {"red-1": Taken(5, 1.0), "red-2": Taken(6, 1.0)}
    assert told(register, **took) == {'group="red"': 11, 'group="blue"': 0}
