"""What the policy sees of the units that run here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from sutazai.fleet.declared import Priority
from sutazai.fleet.desired import Kind
from sutazai.fleet.spec import Temperature
from sutazai.fleet.status import State
from sutazai.host.instances.instance import Instance
from sutazai.host.pressure.choice import Candidate, highest
from sutazai.host.pressure.growth import Growth
from sutazai.host.pressure.policy import Withheld
from sutazai.host.units.unit import Unit


def candidates_of(
    units: Iterable[Unit], memory: Mapping[str, int], growth: Growth
) -> tuple[Candidate, ...]:
    """Every running instance; ``memory`` is bytes by instance, as far as it was measured."""
    units = tuple(units)
    waiting = _waiting(units)
    return tuple(
        Candidate(
            instance=one.name,
            unit=unit.spec.name,
            priority=unit.spec.priority,
            standing=unit.spec.standing,
            hot=unit.spec.temperature is Temperature.HOT,
            memory=memory.get(one.name, 0),
            growth=growth.of(one.name),
            idle=one.idle,
            serves=highest([*waiting[unit.spec.name], *([one.serves] if one.serves else ())]),
            ending=one.state is State.STOPPING,
        )
        for unit in units
        for one in unit.instances
    )


def withheld_of(units: Iterable[Unit]) -> tuple[Withheld, ...]:
    """The units that run fewer instances than they should, for want of memory."""
    return tuple(
        Withheld(
            unit=unit.spec.name,
            priority=unit.spec.priority,
            standing=unit.spec.standing,
            wakes=unit.spec.kind is Kind.AGENT,
        )
        for unit in units
        if unit.withheld
    )


def _waiting(units: tuple[Unit, ...]) -> defaultdict[str, list[Priority]]:
    """By unit, the priorities of the work that is done by those who depend on it."""
    needs = {unit.spec.name: unit.spec.depends_on for unit in units}
    found: defaultdict[str, list[Priority]] = defaultdict(list)
    for unit in units:
        for one in unit.instances:
            if _works(one):
                for name in _reached(unit.spec.depends_on, needs):
                    found[name].append(one.serves or unit.spec.priority)
    return found


def _works(one: Instance) -> bool:
    return one.idle == 0.0 or one.serves is not None


def _reached(names: Iterable[str], needs: Mapping[str, tuple[str, ...]]) -> set[str]:
    """Those names, and all that they need in turn."""
    found: set[str] = set()
    ahead = list(names)
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += needs.get(name, ())
    return found
