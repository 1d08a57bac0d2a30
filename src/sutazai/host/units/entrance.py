"""Whether one more instance of a unit may start, as admission says; else what it waits for."""

from __future__ import annotations

from sutazai.fleet.desired import DesiredUnit
from sutazai.host.units.running import Running
from sutazai.host.units.surroundings import Surroundings


class Entrance:
    """One unit at the desk of admission.

    Attributes:
        waits_for: what it waits for there, in words; empty where it does not.
    """

    def __init__(self, around: Surroundings, running: Running) -> None:
        self.waits_for = ""
        self._around = around
        self._running = running

    def ask(self, spec: DesiredUnit, *, called: bool) -> bool:
        """Whether an instance of ``spec`` may start now; ``called``, whether somebody waits for it.

        Instances of another version are on their way out, and what they hold counts as free.
        """
        outdated = [one for one in self._running.instances if one.record.version != spec.version]
        self.waits_for = self._around.admission.ask(
            spec, called=called, instead_of=[self._running.seats[one.name] for one in outdated]
        )
        return not self.waits_for

    def ask_again(self, spec: DesiredUnit) -> None:
        """Others may have become idle enough to make room since somebody called for it."""
        if self.waits_for:
            self.ask(spec, called=True)

    def leave(self, unit: str) -> None:
        """It would start no instance any more."""
        self.waits_for = ""
        self._around.admission.give_up(unit)
