"""Where units ask whether they may start an instance, take a seat for it, and leave it again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from sutazai.fleet.desired import DesiredUnit, Kind, Plan, Standing
from sutazai.fleet.facts import LlmDemand
from sutazai.fleet.spec import Pool, Temperature
from sutazai.host.admission.evicting import Sleeper, to_sleep
from sutazai.host.admission.line import Line, Wish
from sutazai.host.admission.room import Capacity, Resource, Share, Shortage, room_of, share_of
from sutazai.host.events import Events


class Seat:
    """What one instance holds. Whoever has one leaves it; a second time does nothing."""

    def __init__(self, desk: Desk, number: int, spec: DesiredUnit) -> None:
        self.spec = spec
        self.share = share_of(spec)
        self._desk = desk
        self._number = number

    def use(self, peak: int) -> None:
        """The instance took ``peak`` bytes at most so far."""
        self._hold(replace(share_of(self.spec, peak), cores=self.share.cores))

    def freeze(self, memory: int) -> None:
        """It does nothing now, and holds so many bytes."""
        self._hold(Share(pool=self.share.pool, memory=memory, gpu=self.share.gpu))

    def thaw(self) -> None:
        """It works again."""
        self._hold(share_of(self.spec))

    def leave(self) -> None:
        """It has ended."""
        self._desk.left(self._number)

    def _hold(self, share: Share) -> None:
        if share != self.share:
            self.share = share
            self._desk.holds(self._number, share)


@dataclass(frozen=True, kw_only=True)
class Idler:
    """A unit that is awake and not hot; ``idle`` and ``leaving`` are as `Sleeper` has them."""

    spec: DesiredUnit
    idle: float | None
    leaving: bool


class Units(Protocol):
    """Those who ask."""

    def idlers(self) -> Iterable[Idler]:
        """Units that might sleep."""

    def put_to_sleep(self, unit: str) -> None:
        """It ends until somebody calls for it again."""

    def try_again(self, units: Iterable[str]) -> None:
        """They may start now, as far as can be told."""


class Desk:
    """Admission of one machine.

    Args:
        machine: what there is of it.
        llm: how much of the LLM is free.
    """

    def __init__(self, events: Events, machine: Capacity, llm: Callable[[], LlmDemand]) -> None:
        self._events = events
        self._machine = machine
        self._plan: Plan | None = None
        self._llm = llm
        self._line = Line()
        self._seats: dict[int, Seat] = {}
        self._taken = 0
        self._units: Units | None = None
        self._telling: asyncio.Handle | None = None
        self._for_llm: set[str] = set()

    def meet(self, units: Units) -> None:
        """These are who ask."""
        self._units = units

    def share_out(self, plan: Plan | None) -> None:
        """Memory is shared out so from now on; what runs already stays."""
        self._plan = plan
        self._line.ledger.room = room_of(plan, self._machine)
        self._tell()

    def has_gpu(self, memory: int) -> None:
        """The machine has so many bytes of GPU memory."""
        self._machine = replace(self._machine, gpu=memory)
        self.share_out(self._plan)

    def ask(self, spec: DesiredUnit, *, called: bool, instead_of: Iterable[Seat] = ()) -> str:
        """Why ``spec`` may start no instance now, and then it waits; empty where it may.

        Args:
            called: whether somebody called for it, with work that may need the LLM.
            instead_of: seats that are left as soon as the new instance is well.
        """
        if spec.standing is Standing.PROTECTED or spec.kind is Kind.PLANE:
            return ""
        if called and spec.kind is Kind.AGENT and self._llm().full:
            self._for_llm.add(spec.name)
            return str(_of_llm(self._llm()))
        self._for_llm.discard(spec.name)
        shortages = self._line.ask(_wish(spec, instead_of), time.monotonic())
        if shortages and called:
            self._make_room(spec, shortages)
        return str(shortages[0]) if shortages else ""

    def take(self, spec: DesiredUnit) -> Seat:
        """A seat for an instance of ``spec``, which was let in or runs already."""
        self._taken += 1
        seat = self._seats[self._taken] = Seat(self, self._taken, spec)
        self._line.ledger.put(self._taken, seat.share)
        return seat

    def give_up(self, unit: str) -> None:
        """It would not start any instance any more."""
        self._for_llm.discard(unit)
        if self._line.leave(unit):
            self._tell()

    @property
    def waiting(self) -> int:
        """How many units wait for room, or for the LLM."""
        return len(self._line) + len(self._for_llm)

    @property
    def pools(self) -> Mapping[Pool, tuple[int, int | None]]:
        """Of each pool, bytes that are held and bytes that there are; None is without bound."""
        ledger = self._line.ledger
        return {pool: (ledger.held(pool), ledger.room.pools.get(pool)) for pool in Pool}

    def look_at_llm(self) -> None:
        """The gateway has spoken: who waits for the LLM may try again."""
        if self._for_llm and self._units is not None and not self._llm().full:
            self._units.try_again(sorted(self._for_llm))

    def holds(self, seat: int, share: Share) -> None:
        """To be called by `Seat` alone."""
        if seat in self._seats:
            self._line.ledger.put(seat, share)
            self._tell()

    def left(self, seat: int) -> None:
        """To be called by `Seat` alone."""
        if self._seats.pop(seat, None) is not None:
            self._line.ledger.remove(seat)
            self._tell()

    def _tell(self) -> None:
        """Those who fit now are told, once for all that changes at this moment."""
        if self._telling is None and len(self._line):
            self._telling = asyncio.get_running_loop().call_soon(self._tell_now)

    def _tell_now(self) -> None:
        self._telling = None
        if self._units is not None:
            self._units.try_again(self._line.ready(time.monotonic()))

    def _make_room(self, spec: DesiredUnit, shortages: tuple[Shortage, ...]) -> None:
        if self._units is None:
            return
        chosen = to_sleep(spec.priority, shortages, self._sleepers(self._units.idlers()))
        for one in chosen:
            self._events.add(
                "made-room",
                f"{one.unit}, idle for {one.idle:.0f} s, goes to sleep to make room for "
                f"{spec.name}, which waits for {shortages[0]}",
                unit=one.unit,
                made_for=spec.name,
                idle=one.idle,
            )
            self._units.put_to_sleep(one.unit)

    def _sleepers(self, idlers: Iterable[Idler]) -> list[Sleeper]:
        shares: dict[str, list[Share]] = {}
        for seat in self._seats.values():
            shares.setdefault(seat.spec.name, []).append(seat.share)
        return [
            Sleeper(
                unit=one.spec.name,
                priority=one.spec.priority,
                shares=tuple(shares.get(one.spec.name, ())),
                idle=one.idle,
                leaving=one.leaving,
            )
            for one in idlers
        ]


def _wish(spec: DesiredUnit, instead_of: Iterable[Seat]) -> Wish:
    share = share_of(spec)
    for seat in instead_of:
        share = share.without(seat.share)
    hot = spec.temperature is Temperature.HOT
    return Wish(unit=spec.name, share=share, hot=hot, priority=spec.priority)


def _of_llm(llm: LlmDemand) -> Shortage:
    return Shortage(resource=Resource.LLM, wanted=llm.queued, free=0, bound=llm.bound)
