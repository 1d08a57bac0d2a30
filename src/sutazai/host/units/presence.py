"""How many instances of one unit are wanted, as time goes by. Pure: the time comes in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sutazai.fleet.desired import DesiredUnit
from sutazai.fleet.spec import Temperature
from sutazai.fleet.status import State
from sutazai.host.demand import Told
from sutazai.host.units.scaling import Load, Scale, rescaled, told
from sutazai.host.units.temperature import Need, is_awake, may_sleep, quiet_for


@dataclass(frozen=True, kw_only=True)
class Here:
    """One instance: what it tells of its work (``idle`` in seconds, None where it does not tell),
    and whether the gateway saw a call in its hands (``busy``)."""

    instance: str
    state: State
    idle: float | None
    busy: bool

    @property
    def works(self) -> bool:
        return self.busy or self.idle == 0.0


LOOKS = 5.0
"""Seconds between two looks at whether an awake unit may go to sleep."""
ASLEEP = "idle, goes to sleep"
FEWER = "fewer are needed"
"""Why an instance ends that has nothing to do."""


class Presence:
    """Whether one unit is awake, and with how many instances.

    Attributes:
        woken_at: when somebody called for it last, None where nobody did since it slept.
        callers: how many wait for an instance at this moment.
    """

    def __init__(self) -> None:
        self.woken_at: float | None = None
        self.callers = 0
        self._scale: Scale | None = None

    def wake(self, now: float) -> None:
        """Somebody calls for it."""
        self.woken_at = now

    def sleep(self) -> None:
        """Nobody needs it any more."""
        self.woken_at = self._scale = None

    def keep(self, number: int, now: float) -> None:
        """One that was to end has work after all: so many are needed."""
        self.woken_at, self._scale = now, Scale(number, now)

    def wanted(
        self, spec: DesiredUnit, here: Sequence[Here], told_of: Told | None, now: float
    ) -> int:
        """Instances that should run."""
        if not is_awake(self._need(spec, here, told_of, now)):
            return 0
        if spec.scale is None or self._scale is None:
            return spec.replicas
        return min(max(spec.replicas, self._scale.target), spec.scale.most)

    def rescale(
        self, spec: DesiredUnit, here: Sequence[Here], told_of: Told | None, now: float
    ) -> str:
        """Looks at the work of an awake unit; what it changes, in words. Empty for nothing."""
        if spec.scale is None or told_of is None or not spec.concurrency:
            return ""
        load, before = _load(spec, here, told_of, now), self._scale or Scale(spec.replicas)
        self._scale = after = rescaled(before, load, spec.scale)
        return "" if before.target == after.target else told(before, after, load, spec.scale)

    def look(self, spec: DesiredUnit) -> float | None:
        """Seconds to the next look, at whether fewer instances are needed; None where the fewest
        are there in any case."""
        if spec.temperature is not Temperature.HOT:
            return min(LOOKS, spec.idle_after)
        if spec.scale is None or self._scale is None or self._scale.target <= spec.replicas:
            return None
        return min(LOOKS, spec.scale.cooldown)

    def idle(
        self, spec: DesiredUnit, here: Sequence[Here], told_of: Told | None, now: float
    ) -> float | None:
        """Seconds for which it has had nothing to do; None where it has, or nobody can tell."""
        need = self._need(spec, here, told_of, now)
        return quiet_for(need) if may_sleep(need) else None

    def _need(
        self, spec: DesiredUnit, here: Iterable[Here], told_of: Told | None, now: float
    ) -> Need:
        idles = [one.idle for one in here]
        known = [idle for idle in idles if idle is not None]
        return Need(
            now=now,
            temperature=spec.temperature,
            stopped=spec.stopped,
            woken_at=self.woken_at,
            idle=min(known) if known and len(known) == len(idles) else None,
            told=Told(calls=self.callers) if self.callers else told_of,
            idle_after=spec.idle_after,
        )


def in_order(here: Iterable[Here]) -> list[Here]:
    """Those that are to stay first: who works, then who takes calls."""
    return sorted(here, key=lambda one: (not one.works, one.state is not State.HEALTHY))


def _load(spec: DesiredUnit, here: Sequence[Here], told_of: Told, now: float) -> Load:
    ready = [one for one in here if one.state is State.HEALTHY]
    return Load(
        now=now,
        least=spec.replicas,
        concurrency=spec.concurrency,
        ready=len(ready),
        idle=sum(not one.works for one in ready),
        calls=told_of.calls,
        waiting=told_of.waiting,
        wait=told_of.wait,
    )
