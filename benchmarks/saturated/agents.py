"""A thousand agents and their requests, with a ledger of what became of each.

Agents of medium priority are always backlogged: each keeps some requests under way, and asks again
as soon as one was answered or given up. One of them is greedy: it has as many under way as all the
others together. Agents of high and of low priority ask at random moments, each to a share of what
the slots can do. One request in ten is given up by its client, in the queue or during its answer.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, cast

from sutazai.fleet.declared import Priority

UNDER_WAY = 4
"""Requests that each agent of medium priority has under way."""

HIGH_SHARE, LOW_SHARE = 0.3, 0.05
"""Of what the slots can do."""

LEAVE = 0.1
"""Share of requests that are given up."""

LEAVE_WITHIN = 60.0
"""Seconds within which those do who give up in the queue."""

CONNECT_AT_ONCE = 200
PAUSE = 0.5
"""Seconds before an agent that was refused asks again."""

_TAIL = 32


class Outcome(StrEnum):
    OPEN = "open"
    DONE = "done"
    LEFT = "left"
    REFUSED = "refused"
    WRONG = "wrong"


@dataclass(slots=True)
class Asked:
    """One request of an agent. Times in seconds of the monotonic clock."""

    key: str
    agent: str
    sent: float
    ended: float = 0.0
    outcome: Outcome = Outcome.OPEN


@dataclass(frozen=True)
class Agent:
    name: str
    secret: str
    priority: Priority
    under_way: int  # requests at any time; nought for those that ask at random moments


@dataclass(frozen=True)
class Work:
    """What a request looks like: tokens of each part, from and to."""

    system: int = 120
    user: tuple[int, int] = (40, 120)
    answer: tuple[int, int] = (8, 24)

    def seconds(self, read_rate: float, write_rate: float) -> float:
        """What a request takes on a slot in the mean, where its prompt is read from its begin."""
        return (self.system + sum(self.user) / 2) / read_rate + sum(self.answer) / 2 / write_rate


def fleet(agents: int) -> list[Agent]:
    """One in twenty has high priority, one in fifty low; the first of the others is greedy."""
    high, low = agents // 20, agents // 50
    medium = agents - high - low
    under_way = [UNDER_WAY * (medium - 1), *[UNDER_WAY] * (medium - 1)]
    found = [_agent("m", number, Priority.MEDIUM, count) for number, count in enumerate(under_way)]
    found += [_agent("h", number, Priority.HIGH, 0) for number in range(high)]
    return found + [_agent("l", number, Priority.LOW, 0) for number in range(low)]


def _agent(letter: str, number: int, priority: Priority, under_way: int) -> Agent:
    name = f"{letter}{number:04}"
    return Agent(name, f"{name}-0123456789abcdef0123456789abcdef", priority, under_way)


class Load:
    """The agents' requests to one server. Use as ``async with``."""

    def __init__(self, port: int, agents: list[Agent], *, work: Work, capacity: float) -> None:
        self._port = port
        self._agents = agents
        self._work = work
        self._capacity = capacity  # requests a second
        self._tasks: set[asyncio.Task[None]] = set()
        self._lines: set[Line] = set()
        self._idle: dict[str, list[Line]] = {}
        self.chance = random.Random(7)
        self.asked: list[Asked] = []
        self.stopped = False

    async def __aenter__(self) -> Load:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stopped = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for line in list(self._lines):
            line.abort()
        await asyncio.sleep(0)

    @property
    def open(self) -> int:
        """Requests under way."""
        return sum(1 for asked in self.asked if asked.outcome is Outcome.OPEN)

    async def begin(self) -> None:
        """Until everybody who is to be backlogged has asked."""
        steady = [agent for agent in self._agents for _ in range(agent.under_way)]
        self.chance.shuffle(steady)
        for first in range(0, len(steady), CONNECT_AT_ONCE):
            batch = steady[first : first + CONNECT_AT_ONCE]
            await asyncio.gather(*map(self._ask_on_new_line, batch))
        for priority, share in ((Priority.HIGH, HIGH_SHARE), (Priority.LOW, LOW_SHARE)):
            members = [agent for agent in self._agents if agent.priority is priority]
            self._spawn(self._ask_at_random(members, share * self._capacity))

    def counts_since(self, since: float) -> dict[str, int]:
        """Whole answers that each backlogged agent got since then."""
        counts = {agent.name: 0 for agent in self._agents if agent.under_way}
        for asked in self.asked:
            if asked.outcome is Outcome.DONE and asked.ended >= since and asked.agent in counts:
                counts[asked.agent] += 1
        return counts

    # of lines

    def next(self, line: Line, *, refused: bool = False) -> None:
        """A line has its answer."""
        if self.stopped:
            return
        if not line.agent.under_way:
            self._idle.setdefault(line.agent.name, []).append(line)
        elif refused:
            asyncio.get_running_loop().call_later(PAUSE, line.ask)
        else:
            line.ask()

    def lost(self, line: Line) -> None:
        """A line is closed; its agent asks on another one where it is always to ask."""
        self._lines.discard(line)
        if not self.stopped and line.agent.under_way:
            self._spawn(self._ask_on_new_line(line.agent))

    def enter(self, agent: Agent) -> tuple[Asked, bytes]:
        """A new request of ``agent``, in the ledger, and its bytes."""
        key = f"request-{len(self.asked):07}"
        asked = Asked(key, agent.name, time.monotonic())
        self.asked.append(asked)
        return asked, _request(agent, key, self._work, self.chance)

    async def _ask_on_new_line(self, agent: Agent) -> None:
        (await self._connect(agent)).ask()

    async def _ask_at_random(self, members: list[Agent], rate: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += self.chance.expovariate(rate)
            await asyncio.sleep(max(due - loop.time(), 0))
            agent = self.chance.choice(members)
            (self._idle_line(agent) or await self._connect(agent)).ask()

    def _idle_line(self, agent: Agent) -> Line | None:
        idle = self._idle.get(agent.name, [])
        while idle:
            line = idle.pop()
            if not line.closed:
                return line
        return None

    async def _connect(self, agent: Agent) -> Line:
        loop, line = asyncio.get_running_loop(), Line(self, agent)
        await loop.create_connection(lambda: line, "127.0.0.1", self._port)
        self._lines.add(line)
        return line

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="agents")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@dataclass(eq=False)
class Line(asyncio.Protocol):
    """One connection of an agent, with one request at a time."""

    load: Load
    agent: Agent
    closed: bool = False
    _asked: Asked | None = None
    _status: bytes = b""
    _tail: bytes = b""
    _named: bool = False  # whether the answer was to this request
    _words: int = 0
    _leave_after: int = 0  # words of the answer, nought for never
    _timer: asyncio.TimerHandle | None = None
    _transport: asyncio.Transport = field(init=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._over(Outcome.WRONG)
        self.load.lost(self)

    def ask(self) -> None:
        if self.closed or self.load.stopped:
            return
        self._status, self._tail, self._named, self._words = b"", b"", False, 0
        self._asked, data = self.load.enter(self.agent)
        self._plan_leaving()
        self._transport.write(data)

    def abort(self) -> None:
        self.closed = True
        self._over(Outcome.OPEN)
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._asked is None:
            return
        self._status = self._status or data[9:12]
        seen = self._tail + data
        self._tail = seen[-_TAIL:]
        if self._status != b"200":
            self._refused(seen)
            return
        self._named = self._named or self._asked.key.encode() in seen
        self._words += data.count(b'"content"')
        if self._leave_after and self._words >= self._leave_after:
            self._leave()
        elif seen.endswith(b"0\r\n\r\n"):
            self._over(Outcome.DONE if self._named and b"[DONE]" in seen else Outcome.WRONG)
            self.load.next(self)

    def _refused(self, seen: bytes) -> None:
        if seen.endswith((b"}", b"0\r\n\r\n")):
            self._over(Outcome.REFUSED)
            self.load.next(self, refused=True)

    def _plan_leaving(self) -> None:
        chance, self._leave_after = self.load.chance, 0
        if chance.random() >= LEAVE:
            return
        if chance.random() < 0.5:
            self._leave_after = chance.randint(1, 8)
        else:
            loop, wait = asyncio.get_running_loop(), chance.uniform(0, LEAVE_WITHIN)
            self._timer = loop.call_later(wait, self._leave)

    def _leave(self) -> None:
        self._over(Outcome.LEFT)
        self.closed = True
        self._transport.abort()

    def _over(self, outcome: Outcome) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._asked is not None:
            self._asked.ended, self._asked.outcome = time.monotonic(), outcome
            self._asked = None


def _request(agent: Agent, key: str, work: Work, chance: random.Random) -> bytes:
    system = f"You are {agent.name}. Answer in few words and never guess. " * 20
    user = f"{key} " + "What is next in the plan? " * 40
    value = {
        "model": "standard",
        "messages": [
            {"role": "system", "content": system[: 4 * work.system]},
            {"role": "user", "content": user[: 4 * chance.randint(*work.user)]},
        ],
        "max_tokens": chance.randint(*work.answer),
        "temperature": 0.7,
        "stream": True,
    }
    body = json.dumps(value).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        f"authorization: Bearer {agent.secret}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
