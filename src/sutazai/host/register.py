"""All units of a machine as metrics tell of them, at a cost that goes by those that are awake: of
ten thousand most sleep, and nothing of them changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sutazai.fleet.desired import DesiredUnit, Kind
from sutazai.fleet.labelling import labelled
from sutazai.fleet.spec import Pool, Temperature
from sutazai.fleet.status import State
from sutazai.host.consumption import Taken
from sutazai.host.units.unit import Unit
from sutazai.wire.exposition import labels

UP = (State.HEALTHY, State.EXTERNAL)
DOWN = (State.WAITING, State.STARTING, State.UNHEALTHY, State.BACKING_OFF, State.FAILED)
"""Due to be up, and not. Other states are neither: nobody wants these units now."""

Place = tuple[State, Temperature, Pool]


@dataclass(slots=True)
class UnitFigures:
    """One unit, or several under one label: ``up`` counts those that are, None where none is due;
    ``memory`` in bytes, None where nothing is known, ``cpu`` in seconds."""

    label: str
    up: int | None = None
    memory: int | None = None
    cpu: float = 0.0
    restarts: int = 0

    def take(self, taken: Taken) -> None:
        """Counts in what one unit took."""
        self.cpu += taken.cpu
        if taken.memory is not None:
            self.memory = (self.memory or 0) + taken.memory

    def stand(self, unit: Unit) -> None:
        """Counts in where a unit stands that is awake."""
        self.restarts += unit.restarts
        if (state := unit.state) in UP + DOWN:
            self.up = (self.up or 0) + (state in UP)


@dataclass(frozen=True)
class Register:
    """What is declared.

    Args:
        labels: of each unit, by kind and name.
        places: how many agents there are, as if all of them slept.
    """

    labels: Mapping[Kind, Mapping[str, str]]
    places: Mapping[Place, int]

    def agents(self, awake: Iterable[Unit]) -> Mapping[Place, int]:
        """How many agents there are of each state, temperature and pool."""
        found = Counter(self.places)
        for unit in awake:
            if unit.spec.name in self.labels[Kind.AGENT]:
                found[_asleep(unit.spec)] -= 1
                found[unit.state, unit.spec.temperature, unit.spec.pool] += 1
        return +found

    def services(self, awake: Iterable[Unit]) -> Mapping[State, int]:
        """How many services there are of each state."""
        services = self.labels[Kind.SERVICE]
        states = Counter(unit.state for unit in awake if unit.spec.name in services)
        return +(states + Counter({State.ASLEEP: len(services) - states.total()}))

    def figures(
        self, kind: Kind, awake: Iterable[Unit], taken: Mapping[str, Taken]
    ) -> list[UnitFigures]:
        """The figures of the units of one kind, by label; ``taken`` of those that took anything."""
        known = self.labels[kind]
        found = {label: UnitFigures(label) for label in known.values()}
        for name, took in taken.items():
            if name in known:
                found[known[name]].take(took)
        for unit in awake:
            if unit.spec.name in known:
                found[known[unit.spec.name]].stand(unit)
        for label in {label for name, label in known.items() if name not in taken}:
            found[label].memory = found[label].memory or 0
        return list(found.values())


def register_of(units: Iterable[DesiredUnit]) -> Register:
    """What metrics need of them."""
    by_kind: dict[Kind, dict[str, str]] = {kind: {} for kind in Kind}
    places: Counter[Place] = Counter()
    for unit in units:
        by_kind[unit.kind][unit.name] = unit.group
        places[_asleep(unit)] += unit.kind is Kind.AGENT
    return Register({kind: _labels(kind, groups) for kind, groups in by_kind.items()}, +places)


def _asleep(unit: DesiredUnit) -> Place:
    return State.ASLEEP, unit.temperature, unit.pool


def _labels(kind: Kind, groups: Mapping[str, str]) -> dict[str, str]:
    """By name; one text for all that share it."""
    told = labelled(groups)
    texts = {each: _label(kind, *each) for each in set(told.values())}
    return {name: texts[each] for name, each in told.items()}


def _label(kind: Kind, what: str, value: str) -> str:
    return labels(**{kind.value if what == "agent" else what: value})
