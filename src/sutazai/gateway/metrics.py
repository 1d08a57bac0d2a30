"""What Prometheus reads of the gateway.

Calls are counted in plain numbers at their end, and become text when somebody reads them.

The number of series is bounded. Agents are told apart by what they ask for, and what happens on
backends is told without the agents, so it is their sum and not their product: about 16 an agent and
55 a way. Callers that nobody declared count under their names while there are few, then as `OTHER`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from sutazai.gateway.exposition import Sample, Spread, counter, gauge, histogram, labels
from sutazai.gateway.records.call import CallRecord, Outcome

WAY_EDGES = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0)
"""Upper bounds of the buckets of a way's durations, in seconds."""

AGENT_EDGES = (0.5, 2.0, 5.0, 30.0, 120.0)
"""Those of an agent's durations, of which there may be a thousand."""

AGENT_CELLS, WAY_CELLS = 4_096, 512
"""Most combinations that are told apart; what comes on top is counted as `OTHER`."""

UNDECLARED = 64
"""Callers that nobody declared and that are told apart."""

OTHER = "other"

_OUTCOMES = tuple(outcome.value for outcome in Outcome)
_PLACE = {name: place for place, name in enumerate(_OUTCOMES)}
_DONE, _REJECTED = _PLACE["done"], _PLACE["rejected"]
_ERRORS = (_PLACE["failed"], _PLACE["rejected"], _PLACE["expired"])
_BREAKER = {"closed": 0, "half-open": 1, "open": 2}


@dataclass(frozen=True, slots=True)
class BackendGauges:
    """One backend now. ``breakers`` gives by model the state of its circuit."""

    name: str
    available: bool
    running: int
    slots: int
    breakers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauges:
    """How things stand: times in seconds, ``queued`` by priority.

    ``cache_hits``, ``cache_misses`` and ``records_dropped`` count since the start.
    """

    revision: int
    uptime: float
    paused: bool
    queued: Mapping[str, int]
    oldest_wait: float
    backends: Collection[BackendGauges]
    cache_bytes: int
    cache_hits: int
    cache_misses: int
    dead_letters: int
    records_dropped: int


class _Durations:
    """How many there were in each bucket, and their sum."""

    __slots__ = ("counts", "edges", "total")

    def __init__(self, edges: tuple[float, ...]) -> None:
        self.edges = edges
        self.counts = [0] * (len(edges) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(self.edges, seconds)] += 1
        self.total += seconds


class _AgentCell:
    """What one agent or client asked of one tier or model."""

    __slots__ = ("completion", "duration", "labels", "outcomes", "prompt", "queued")

    def __init__(self, labels: str) -> None:
        self.labels = labels
        self.outcomes = [0] * len(_OUTCOMES)
        self.prompt = self.completion = 0
        self.queued = 0.0
        self.duration = _Durations(AGENT_EDGES)


class _WayCell:
    """What went one way: for one tier, by one version and model, to one backend."""

    __slots__ = (
        *("bytes_in", "bytes_out", "cached", "completion", "duration", "first_token"),
        *("labels", "outcomes", "prompt", "queued"),
    )

    def __init__(self, labels: str) -> None:
        self.labels = labels
        self.outcomes = [0] * len(_OUTCOMES)
        self.prompt = self.completion = self.cached = 0
        self.bytes_in = self.bytes_out = 0
        self.queued = _Durations(WAY_EDGES)
        self.first_token = _Durations(WAY_EDGES)
        self.duration = _Durations(WAY_EDGES)


class Metrics:
    """Counts calls, an `Observer`, and tells it."""

    __slots__ = ("_agents", "_declared", "_undeclared", "_ways")

    def __init__(self) -> None:
        self._declared: frozenset[str] = frozenset()
        self._undeclared: set[str] = set()
        self._agents: dict[tuple[str, str], _AgentCell] = {}
        self._ways: dict[tuple[str, str, str, str], _WayCell] = {}

    def declare(self, callers: Iterable[str]) -> None:
        """The agents and clients that there are; each is told apart."""
        self._declared = frozenset(callers)

    def observe(self, record: CallRecord) -> None:
        """A call ended."""
        backend = record.backend
        # A client can ask for any model; only what some backend has becomes a label.
        model = record.model if backend else ""
        way = self._ways.get((record.tier, model, record.version, backend))
        if way is None:
            way = self._new_way(record.tier, model, record.version, backend)
        asked = record.tier or model
        agent = self._agents.get((record.caller, asked))
        if agent is None:
            agent = self._new_agent(record.caller, asked)
        place = _PLACE[record.outcome]
        agent.outcomes[place] += 1
        way.outcomes[place] += 1
        way.bytes_in += record.bytes_in
        way.bytes_out += record.bytes_out
        if place != _REJECTED:
            agent.queued += record.queued
            way.queued.add(record.queued)
        if not record.cache:
            _count_computed(record, agent, way)
        if place == _DONE:
            way.duration.add(record.total)
            if not record.cache:
                agent.duration.add(record.total - record.queued)

    def render(self, gauges: Gauges) -> Iterator[bytes]:
        """The text, a family of metrics at a time, so that calls can go on in between."""
        agents, ways = list(self._agents.values()), list(self._ways.values())
        for family in chain(
            _of_agents(agents), _of_ways(ways), _of_now(gauges), _of_backends(gauges)
        ):
            yield family.encode()

    def _new_agent(self, caller: str, asked: str) -> _AgentCell:
        if caller not in self._declared and caller not in self._undeclared:
            if len(self._undeclared) < UNDECLARED:
                self._undeclared.add(caller)
            else:
                caller = OTHER
        if len(self._agents) >= AGENT_CELLS:
            caller = asked = OTHER
        cell = _AgentCell(labels(agent=caller, model=asked))
        return self._agents.setdefault((caller, asked), cell)

    def _new_way(self, *names: str) -> _WayCell:
        if len(self._ways) >= WAY_CELLS:
            names = (OTHER,) * 4
        tier, model, version, backend = names
        cell = _WayCell(labels(tier=tier, model=model, version=version, backend=backend))
        return self._ways.setdefault((tier, model, version, backend), cell)


def _count_computed(record: CallRecord, agent: _AgentCell, way: _WayCell) -> None:
    """What no cache has answered."""
    agent.prompt += record.prompt_tokens
    agent.completion += record.completion_tokens
    way.prompt += record.prompt_tokens
    way.completion += record.completion_tokens
    way.cached += record.cached_tokens
    if record.first_token:
        way.first_token.add(record.first_token)


def _of_agents(cells: Collection[_AgentCell]) -> Iterator[str]:
    yield counter("sutazai_gateway_agent_requests_total", "Calls that ended.", _outcomes(cells))
    yield counter(
        "sutazai_gateway_agent_tokens_total", "Tokens that were computed.", _tokens(cells)
    )
    yield counter(
        "sutazai_gateway_agent_queue_seconds_total",
        "Time spent in the queue.",
        ((cell.labels, cell.queued) for cell in cells),
    )
    yield histogram(
        "ai_inference_duration_seconds",
        "Time that answered calls took, without the queue.",
        AGENT_EDGES,
        (_spread(cell.labels, cell.duration) for cell in cells),
    )
    yield counter(
        "ai_tokens_processed_total",
        "Tokens that were computed, of prompts and answers.",
        ((cell.labels, cell.prompt + cell.completion) for cell in cells),
    )
    yield counter(
        "ai_errors_total",
        "Calls that failed, were rejected or waited too long.",
        ((cell.labels, sum(cell.outcomes[place] for place in _ERRORS)) for cell in cells),
    )


def _of_ways(cells: Collection[_WayCell]) -> Iterator[str]:
    yield counter("sutazai_gateway_requests_total", "Calls that ended.", _outcomes(cells))
    yield counter("sutazai_gateway_tokens_total", "Tokens that were computed.", _tokens(cells))
    yield counter(
        "sutazai_gateway_prompt_tokens_cached_total",
        "Of the tokens of prompts, those that the backend still had.",
        ((cell.labels, cell.cached) for cell in cells),
    )
    yield counter(
        "sutazai_gateway_request_bytes_total",
        "Bodies of requests.",
        ((cell.labels, cell.bytes_in) for cell in cells),
    )
    yield counter(
        "sutazai_gateway_response_bytes_total",
        "Bodies of answers.",
        ((cell.labels, cell.bytes_out) for cell in cells),
    )
    yield histogram(
        "sutazai_gateway_queue_wait_seconds",
        "Time in the queue of calls that were not rejected.",
        WAY_EDGES,
        (_spread(cell.labels, cell.queued) for cell in cells),
    )
    yield histogram(
        "sutazai_gateway_first_token_seconds",
        "Time until the first piece of the answer, with the queue.",
        WAY_EDGES,
        (_spread(cell.labels, cell.first_token) for cell in cells),
    )
    yield histogram(
        "sutazai_gateway_request_duration_seconds",
        "Time until the end of the answer, with the queue.",
        WAY_EDGES,
        (_spread(cell.labels, cell.duration) for cell in cells),
    )


def _of_now(now: Gauges) -> Iterator[str]:
    yield gauge(
        "sutazai_gateway_queued",
        "Calls that wait.",
        ((labels(priority=name), count) for name, count in now.queued.items()),
    )
    for what, name, meaning, value in (
        (gauge, "oldest_wait_seconds", "Longest wait of those that wait.", now.oldest_wait),
        (gauge, "paused", "Whether agents' calls are held.", int(now.paused)),
        (gauge, "cache_bytes", "Answers in the cache.", now.cache_bytes),
        (counter, "cache_hits_total", "Calls answered by the cache.", now.cache_hits),
        (counter, "cache_misses_total", "Calls that it could not answer.", now.cache_misses),
        (gauge, "dead_letters", "Refused and expired calls that are kept.", now.dead_letters),
        (counter, "records_dropped_total", "Calls without a record.", now.records_dropped),
        (gauge, "uptime_seconds", "Since it was started.", now.uptime),
        (gauge, "routes_revision", "Of the routes in force.", now.revision),
    ):
        yield what(f"sutazai_gateway_{name}", meaning, [("", value)])


def _of_backends(now: Gauges) -> Iterator[str]:
    for name, meaning, value in (
        ("available", "Whether it can be reached.", lambda one: int(one.available)),
        ("running", "Calls that it computes.", lambda one: one.running),
        ("slots", "Calls that it can compute at once.", lambda one: one.slots),
    ):
        yield gauge(
            f"sutazai_gateway_backend_{name}",
            meaning,
            ((labels(backend=one.name), value(one)) for one in now.backends),
        )
    yield gauge(
        "sutazai_gateway_breaker_state",
        "0 closed, 1 half-open, 2 open.",
        (
            (labels(backend=one.name, model=model), _BREAKER[state])
            for one in now.backends
            for model, state in one.breakers.items()
        ),
    )


def _outcomes(cells: Iterable[_AgentCell | _WayCell]) -> Iterator[Sample]:
    """Those that there were: most cells have one or two."""
    for cell in cells:
        for name, count in zip(_OUTCOMES, cell.outcomes, strict=True):
            if count:
                yield f'{cell.labels},outcome="{name}"', count


def _tokens(cells: Iterable[_AgentCell | _WayCell]) -> Iterator[Sample]:
    for cell in cells:
        yield f'{cell.labels},kind="prompt"', cell.prompt
        yield f'{cell.labels},kind="completion"', cell.completion


def _spread(of: str, durations: _Durations) -> Spread:
    return of, durations.counts, durations.total
