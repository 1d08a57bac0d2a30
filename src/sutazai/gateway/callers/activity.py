"""What agents have in hand, and when they last had: through their doors, and to models. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import islice

from sutazai.fleet.facts import AgentDemand
from sutazai.gateway.records.call import CallRecord

TOLD_FOR = 30.0
"""Seconds for which an agent is told of that does nothing any more: long enough that each end is
heard of, also where some messages are lost."""

Room = Callable[[str], int | None]
"""How many calls the ready instances of an agent take at once, None where nobody can tell."""


class _Agent:
    """One agent: the calls through its door in the order in which they came, with their times."""

    __slots__ = ("asking", "calls", "last_asked", "last_called")

    def __init__(self) -> None:
        self.calls: dict[int, float] = {}
        self.asking = 0
        self.last_called: float | None = None
        self.last_asked: float | None = None


class Activity:
    """What each agent has in hand. ``clock`` is in seconds, monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._agents: dict[str, _Agent] = {}
        self._calls = 0

    def begin(self, agent: str) -> Callable[[], None]:
        """A call came through its door; what is given is called once, at its end."""
        one, self._calls = self._of(agent), self._calls + 1
        number, one.calls[self._calls] = self._calls, self._clock()

        def end() -> None:
            del one.calls[number]
            one.last_called = self._clock()

        return end

    def ask(self, agent: str) -> None:
        """It has called a model. `observe` hears of the end."""
        self._of(agent).asking += 1

    def observe(self, records: Iterable[CallRecord]) -> None:
        """Calls to models have ended."""
        now = self._clock()
        for record in records:
            if record.agent:
                one = self._of(record.caller)
                one.asking -= 1
                one.last_asked = now

    def demand(self, room: Room) -> tuple[AgentDemand, ...]:
        """Every agent that did something lately."""
        now = self._clock()
        for name in [name for name, one in self._agents.items() if _is_quiet(one, now)]:
            del self._agents[name]
        return tuple(_demand(name, one, room(name), now) for name, one in self._agents.items())

    def _of(self, agent: str) -> _Agent:
        one = self._agents.get(agent)
        if one is None:
            one = self._agents[agent] = _Agent()
        return one


def _is_quiet(one: _Agent, now: float) -> bool:
    last = max(one.last_called or 0.0, one.last_asked or 0.0)
    return not one.calls and not one.asking and now > last + TOLD_FOR


def _demand(name: str, one: _Agent, room: int | None, now: float) -> AgentDemand:
    """Those that came first have the room, so the first beyond it waits longest."""
    served = len(one.calls) if room is None else room
    longest = next(islice(one.calls.values(), served, None), now)
    return AgentDemand(
        agent=name,
        calls=len(one.calls),
        waiting=max(0, len(one.calls) - served),
        wait=round(now - longest, 3),
        since_call=_since(len(one.calls), one.last_called, now),
        since_llm=_since(one.asking, one.last_asked, now),
    )


def _since(in_hand: int, last: float | None, now: float) -> float | None:
    if in_hand:
        return 0.0
    return None if last is None else round(now - last, 3)
