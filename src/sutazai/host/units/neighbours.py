"""All units of one machine as admission sees them: who might sleep, and who may try again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from sutazai.fleet.errors import NotFound
from sutazai.fleet.spec import Temperature
from sutazai.fleet.status import State
from sutazai.host.admission.desk import Idler
from sutazai.host.units.supervisor import Supervisor


class Neighbours:
    """The units of ``supervisor``."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def idlers(self) -> Iterable[Idler]:
        """Units that are awake and not hot, and do nothing or end already."""
        for unit in self._supervisor.awake:
            if unit.instances and unit.spec.temperature is not Temperature.HOT:
                leaving = all(one.state is State.STOPPING for one in unit.instances)
                yield Idler(spec=unit.spec, idle=unit.idle, leaving=leaving)

    def put_to_sleep(self, unit: str) -> None:
        """It ends until somebody calls for it again."""
        with contextlib.suppress(NotFound):
            self._supervisor.unit(unit).sleep()

    def try_again(self, units: Iterable[str]) -> None:
        """They may start now, as far as can be told."""
        for name in units:
            with contextlib.suppress(NotFound):
                self._supervisor.unit(name).try_again()
