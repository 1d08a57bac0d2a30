"""A saturated backend in virtual time: many agents that always ask for more, and one that floods.

What the benchmark of saturation does with real processes, with the scheduler alone: agents of
medium priority keep some requests in the queue each, one of them as many as all others together;
agents of high priority come at random, to a share of what the slots can do; some clients leave
while they wait or while they are served.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from heapq import heappop, heappush

from sutazai.gateway.queue.entries import Decision, Entry, Limits, Start
from sutazai.gateway.queue.lanes import Backend
from sutazai.gateway.queue.scheduler import Scheduler
from tests.gateway.queue.stories import HIGH, MEDIUM, NEVER

SLOTS = 4
PREFILL, DECODE = 0.35, 0.65
"""Mean seconds; what a slot remembers is not read again."""

LEAVE = 0.1
OUTSTANDING = 3


@dataclass
class Saturation:
    """Run it; its figures are of the time in which everybody was backlogged."""

    agents: int
    rounds: int  # requests that each agent of medium priority gets at least
    seed: int = 1
    high_share: float = 0.3
    now: float = 0.0
    served: dict[str, float] = field(default_factory=dict)  # seconds of service, by client
    counts: Counter[str] = field(default_factory=Counter)
    high_waits: list[float] = field(default_factory=list)
    starts: int = 0
    warm: int = 0
    busy: float = 0.0
    ended: Counter[str] = field(default_factory=Counter)  # how often each entry ended

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.scheduler = Scheduler(Limits(entries=20_000))
        backend = Backend("one", SLOTS, 1.0, True, {"standard": "m"})
        self.scheduler.update_backends(0.0, [backend])
        high = self.agents // 10
        self.high = [f"high{number}" for number in range(high)]
        self.equal = ["greedy", *(f"agent{number}" for number in range(self.agents - high - 1))]
        self.entries: dict[str, Entry] = {}
        self.submitted: dict[str, float] = {}
        self.slots: dict[int, str] = {}  # slot → prefix that it ran last
        self.running: dict[str, tuple[float, float]] = {}  # id → since when, service
        self.events: list[tuple[float, int, str, str]] = []
        self.number = 0

    def run(self) -> None:
        for client in self.equal:
            for _ in range(self._outstanding(client)):
                self._submit(client)
        self._later(0.0, "arrive", "")
        while min(self.counts[client] for client in self.equal) < self.rounds:
            self.now, _, what, key = heappop(self.events)
            getattr(self, f"_{what}")(key)

    @property
    def utilisation(self) -> float:
        return self.busy / (SLOTS * self.now)

    def _outstanding(self, client: str) -> int:
        return OUTSTANDING * (len(self.equal) - 1) if client == "greedy" else OUTSTANDING

    def _submit(self, client: str) -> None:
        self.number += 1
        priority = HIGH if client.startswith("high") else MEDIUM
        entry = Entry(f"{client}:{self.number}", client, priority, "standard", NEVER, client)
        self.entries[entry.id] = entry
        self.submitted[entry.id] = self.now
        if self.chance.random() < LEAVE / 2:
            self._later(self.chance.expovariate(1 / 60.0), "leave", entry.id)
        self._carry_out(self.scheduler.submit(self.now, entry))

    def _carry_out(self, decisions: list[Decision]) -> None:
        for start in decisions:
            assert isinstance(start, Start), f"nothing is refused here: {start}"
            client = self.entries[start.id].client
            is_warm = self.slots.get(start.slot) == client
            self.slots[start.slot] = client
            self.starts += 1
            self.warm += is_warm
            prefill = 0.0 if is_warm else PREFILL
            service = prefill + self.chance.uniform(0.5, 1.5) * DECODE
            if self.chance.random() < LEAVE / 2:  # its client leaves, and the backend notices
                service *= self.chance.random()
            self.running[start.id] = self.now, service
            if client.startswith("high"):
                self.high_waits.append(self.now - self.submitted[start.id])
            self._later(service, "finish", start.id)

    def _later(self, seconds: float, what: str, key: str) -> None:
        self.number += 1
        heappush(self.events, (self.now + seconds, self.number, what, key))

    # events

    def _arrive(self, _: str) -> None:
        """One of high priority asks; the next one follows at random."""
        service = PREFILL + DECODE
        self._later(self.chance.expovariate(self.high_share * SLOTS / service), "arrive", "")
        self._submit(self.chance.choice(self.high))

    def _leave(self, key: str) -> None:
        if self.ended[key] or key in self.running:
            return
        self._end(key, self.scheduler.cancel(self.now, key))

    def _finish(self, key: str) -> None:
        _, service = self.running.pop(key)
        client = self.entries[key].client
        self.served[client] = self.served.get(client, 0.0) + service
        self.counts[client] += 1
        self.busy += service
        self._end(key, self.scheduler.finish(self.now, key))

    def _end(self, key: str, decisions: list[Decision]) -> None:
        self.ended[key] += 1
        client = self.entries.pop(key).client
        self._carry_out(decisions)
        if not client.startswith("high"):
            self._submit(client)
