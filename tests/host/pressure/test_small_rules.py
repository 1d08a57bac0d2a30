"""Starts that wait, growth, and the host's own cap."""

from __future__ import annotations

import pytest

from sutazai.fleet.desired import DesiredUnit, Kind, Standing
from sutazai.fleet.spec import Runtime, Temperature
from sutazai.fleet.status import Level
from sutazai.host.pressure.growth import Growth
from sutazai.host.pressure.own import AT_LEAST_UP, cap_of, should_leave
from sutazai.host.pressure.starts import is_held


def unit(temperature: Temperature = Temperature.HOT, **changes: object) -> DesiredUnit:
    fields = {"name": "one", "kind": Kind.AGENT, "version": "1", "runtime": Runtime.PYTHON}
    return DesiredUnit.model_validate({**fields, "temperature": temperature, **changes})


@pytest.mark.parametrize(
    ("temperature", "asked", "held_from"),
    [
        (Temperature.COLD, True, Level.WARNING),
        (Temperature.WARM, True, Level.EMERGENCY),
        (Temperature.HOT, True, Level.EMERGENCY),
        (Temperature.HOT, False, Level.CRITICAL),
    ],
)
def test_agents_are_held_by_temperature(
    temperature: Temperature, asked: bool, held_from: Level
) -> None:
    held = [level for level in Level if is_held(unit(temperature), level, asked=asked)]
    assert held == list(Level)[list(Level).index(held_from) :]


def test_a_service_starts_again_until_the_emergency_and_what_is_protected_always() -> None:
    service = unit(kind=Kind.SERVICE)
    assert not is_held(service, Level.CRITICAL, asked=False)
    assert is_held(service, Level.EMERGENCY, asked=False)
    assert not is_held(unit(standing=Standing.PROTECTED), Level.EMERGENCY, asked=False)


def test_growth_is_bytes_a_second_of_the_last_half_minute() -> None:
    growth = Growth()
    for now in range(0, 101, 5):
        growth.note(now, {"leaks": 1000 * now, "rests": 7, "jumped": 0 if now < 60 else 500})
    assert growth.of("leaks") == 1000
    assert growth.of("rests") == 0
    assert growth.of("jumped") == 0, "it jumped long ago"
    growth.note(105, {"leaks": 0})
    assert growth.of("rests") == 0
    assert growth.of("leaks") < 0
    assert growth.of("nobody") == 0


def test_a_host_over_its_cap_leaves_unless_it_has_only_begun() -> None:
    cap = cap_of(200)
    assert not should_leave(cap, units=200, uptime=AT_LEAST_UP)
    assert should_leave(cap + 1, units=200, uptime=AT_LEAST_UP)
    assert not should_leave(cap + 1, units=200, uptime=AT_LEAST_UP - 1)
    assert not should_leave(cap + 1, units=201, uptime=AT_LEAST_UP)
