"""Which agent gets a task: able, well, not full, and likely to be done soonest. Pure.

Owns what it learns: how long each agent takes, as a moving mean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sutazai.fleet.spec import Agent, Fleet
from sutazai.store.turns import Candidate

SMOOTHING = 0.2
"""What the newest duration weighs in the mean."""
USUAL = 1.0
"""Seconds that an agent of which nothing is known is taken to need."""
FETCHES = "fetches its tasks itself, and has not asked for this one yet"


@dataclass(frozen=True)
class Doer:
    """What routing knows of an agent. ``capacity`` is how many tasks all its ``instances`` take at
    once; ``pull`` says that it fetches them itself, whether it has registered or not."""

    name: str
    capacity: int
    weight: float
    lanes: tuple[str, ...]
    instances: int = 1
    pull: bool = False


def doers(fleet: Fleet) -> dict[str, Doer]:
    """The agents of a fleet, by name."""
    return {name: _doer(name, agent) for name, agent in fleet.agents.items()}


class Crew:
    """Who can do what, and who does how much of it."""

    def __init__(self, members: Mapping[str, Doer]) -> None:
        self._members: Mapping[str, Doer] = {}
        self._lanes: dict[str, list[Doer]] = {}
        self._unable: Mapping[str, str] = {}
        self._fetching: frozenset[str] = frozenset()
        self._registered: frozenset[str] = frozenset()
        self._seconds: dict[str, float] = {}
        self.staff(members)

    def staff(self, members: Mapping[str, Doer]) -> None:
        """Who is there from now on."""
        self._members = members
        self._lanes = {}
        for doer in members.values():
            for lane in doer.lanes:
                self._lanes.setdefault(lane, []).append(doer)
        self.fetch(self._registered)

    def fetch(self, registered: Iterable[str]) -> None:
        """Who has registered to fetch tasks; they are given none, nor are those declared so."""
        self._registered = frozenset(registered)
        declared = {name for name, doer in self._members.items() if doer.pull}
        self._fetching = self._registered | declared

    def member(self, name: str) -> Doer | None:
        """What is known of an agent; None where the fleet has none of this name."""
        return self._members.get(name)

    def rest(self, unable: Mapping[str, str]) -> None:
        """Who cannot work now, each with the reason."""
        self._unable = unable

    def learn(self, agent: str, seconds: float) -> None:
        """How long an attempt took."""
        known = self._seconds.get(agent, seconds)
        self._seconds[agent] = known + SMOOTHING * (seconds - known)

    @property
    def unable(self) -> Mapping[str, str]:
        """Who cannot work now, each with the reason."""
        return self._unable

    @property
    def lanes(self) -> Collection[str]:
        """What somebody in the fleet can do."""
        return self._lanes.keys()

    def fetches(self, name: str) -> bool:
        """Whether an agent fetches its tasks, so that it is given none."""
        return name in self._fetching

    def who(self, lane: str) -> tuple[str, ...]:
        """All that a task of ``lane`` may go to."""
        return tuple(doer.name for doer in self._lanes.get(lane, ()))

    def closed(self, running: Mapping[str, int]) -> set[str]:
        """Lanes of those who are full or unable, where nobody else can be given a task."""
        busy = {*self._unable, *self._fetching, *running}
        affected = {lane for name in busy if name in self._members for lane in self._of(name)}
        return {lane for lane in affected if not any(self._free(lane, running))}

    def assign(
        self, candidates: Sequence[Candidate], running: Mapping[str, int]
    ) -> list[tuple[Candidate, str]]:
        """Agents for as many of ``candidates``, in their order, as can be taken now."""
        load = Counter(running)
        assigned = []
        for candidate in candidates:
            free = [*self._free(candidate.lane, load)]
            if free:
                agent = self._best(free, candidate.before, load)
                load[agent] += 1
                assigned.append((candidate, agent))
        return assigned

    def obstacle(self, lane: str, running: Mapping[str, int]) -> str:
        """Why a task of ``lane`` has to wait, in words; empty where nothing hinders it."""
        members = self._lanes.get(lane, [])
        if not members:
            return f"the fleet has no {lane.replace(':', ' ')}"
        if any(self._free(lane, running)):
            return ""
        return "; ".join(f"{doer.name} {self._reason(doer.name, running)}" for doer in members[:3])

    def _reason(self, name: str, running: Mapping[str, int]) -> str:
        if name in self._unable:
            return self._unable[name]
        return FETCHES if name in self._fetching else _busy(running.get(name, 0))

    def _of(self, name: str) -> tuple[str, ...]:
        return self._members[name].lanes

    def _free(self, lane: str, running: Mapping[str, int]) -> Iterator[Doer]:
        return (
            doer
            for doer in self._lanes.get(lane, ())
            if doer.name not in self._unable
            and doer.name not in self._fetching
            and running.get(doer.name, 0) < doer.capacity
        )

    def _best(self, free: Sequence[Doer], before: str | None, load: Mapping[str, int]) -> str:
        if any(doer.name == before for doer in free):
            return str(before)
        return min(free, key=lambda doer: (self._wait(doer, load), doer.name)).name

    def _wait(self, doer: Doer, load: Mapping[str, int]) -> float:
        """Seconds in which it will be done, as far as one can tell."""
        seconds = self._seconds.get(doer.name, USUAL)
        return (load.get(doer.name, 0) + 1) * seconds / (doer.capacity * doer.weight)


def _busy(count: int) -> str:
    return f"works on {count} task{'s' * (count != 1)}, its bound"


def _doer(name: str, agent: Agent) -> Doer:
    lanes = (
        f"agent:{name}",
        f"group:{agent.group}",
        *(f"capability:{each}" for each in agent.capabilities),
    )
    instances = max(1, agent.replicas, agent.scale.max if agent.scale else 0)
    return Doer(name, agent.concurrency * instances, agent.weight, lanes, instances, agent.pull)
