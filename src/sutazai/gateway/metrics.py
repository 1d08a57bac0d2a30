"""Counts the gateway's calls for Prometheus, at their end.

The number of series is bounded, whatever is called: an agent is not told apart by models, what goes
to backends is told without agents, and how long calls take by what was asked for alone. So it is
the sum of them all and nowhere a product: 17 an agent, 10 a way and 39 a tier. Callers that nobody
declared count under their names while there are few, then as `OTHER`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import NamedTuple

from sutazai.fleet.labelling import OTHER, labelled
from sutazai.gateway.cells import PLACE, AgentCell, Gauges, TierCell, WayCell
from sutazai.gateway.exposition import AGENTS, BACKENDS, NOW, TIERS, WAYS
from sutazai.gateway.records.call import CallRecord, fields
from sutazai.gateway.stats import Counters
from sutazai.wire.exposition import families, labels
from sutazai.wire.process import own_families

UNDECLARED = 4
"""Callers that nobody declared and that are told apart."""

WAY_CELLS, TIER_CELLS = 10, 5
"""Most ways, and most tiers and models, that are told apart."""

_DONE, _REJECTED = PLACE["done"], PLACE["rejected"]

_kind = fields("tier", "model", "version", "backend", "outcome", "cache")


class _Columns(NamedTuple):
    """Figures of calls that went one way and ended alike, a figure at a time."""

    caller: tuple[str, ...]
    prompt_tokens: tuple[int, ...]
    completion_tokens: tuple[int, ...]
    cached_tokens: tuple[int, ...]
    queued: tuple[float, ...]
    first_token: tuple[float, ...]
    total: tuple[float, ...]
    bytes_in: tuple[int, ...]
    bytes_out: tuple[int, ...]


_figures = fields(*_Columns._fields)


class Metrics:
    """Counts calls, an `Observer`, and tells it."""

    __slots__ = ("_agents", "_cells", "_declared", "_tiers", "_undeclared", "_ways")

    def __init__(self) -> None:
        self._declared: Mapping[str, tuple[str, str]] = {}
        self._undeclared: set[str] = set()
        self._agents: dict[tuple[str, str], AgentCell] = {}
        self._cells: dict[str, AgentCell] = {}
        self._ways: dict[tuple[str, ...], WayCell] = {}
        self._tiers: dict[str, TierCell] = {}

    def declare(self, callers: Mapping[str, str]) -> None:
        """The agents and clients that there are, each with its group. What is counted of those
        that are gone is let go."""
        self._declared = labelled(callers)
        self._cells.clear()
        told = {*self._declared.values(), *(("agent", name) for name in (*self._undeclared, OTHER))}
        self._agents = {label: cell for label, cell in self._agents.items() if label in told}

    def observe(self, records: Iterable[CallRecord]) -> None:
        """Calls ended. Those that are alike are counted together."""
        alike: defaultdict[tuple[str, ...], list[CallRecord]] = defaultdict(list)
        for call in records:
            alike[_kind(call)].append(call)
        for kind, some in alike.items():
            self._count(kind, _Columns(*zip(*map(_figures, some), strict=True)))

    def totals(self) -> Counters:
        """What went all ways together."""
        ways = self._ways.values()
        outcomes = {name: sum(way.outcomes[place] for way in ways) for name, place in PLACE.items()}
        return Counters(
            **outcomes,
            tokens_in=sum(way.prompt for way in ways),
            tokens_out=sum(way.completion for way in ways),
        )

    def render(self, gauges: Gauges) -> Iterator[bytes]:
        """The text, a family of metrics at a time, so that calls can go on in between."""
        return chain(
            families(AGENTS, list(self._agents.values())),
            families(WAYS, list(self._ways.values())),
            families(TIERS, list(self._tiers.values())),
            families(NOW, [gauges]),
            families(BACKENDS, list(gauges.backends)),
            own_families("gateway"),
        )

    def _count(self, kind: tuple[str, ...], calls: _Columns) -> None:
        tier, model, version, backend, outcome, cache = kind
        # A client can ask for any model; only what some backend has becomes a label.
        model = model if backend else ""
        agents = [self._cells.get(caller) or self._agent(caller) for caller in calls.caller]
        way = self._way(tier, model, version, backend)
        times = self._tier(tier or model)
        place = PLACE[outcome]
        _count_ends(place, agents, way, calls)
        if place != _REJECTED:
            _count_waits(agents, times, calls)
        if not cache:
            _count_computed(agents, way, times, calls)
        if place == _DONE:
            times.duration.add(calls.total)
        if place == _DONE and not cache:
            _count_durations(agents, calls)

    def _agent(self, caller: str) -> AgentCell:
        label = self._declared.get(caller)
        if label is None:
            if caller not in self._undeclared and len(self._undeclared) < UNDECLARED:
                self._undeclared.add(caller)
            label = ("agent", caller if caller in self._undeclared else OTHER)
        cell = self._agents.get(label)
        if cell is None:
            cell = self._agents[label] = AgentCell(labels(**dict([label])))
        if label[1] != OTHER:  # of those there may be any number
            self._cells[caller] = cell
        return cell

    def _way(self, *names: str) -> WayCell:
        cell = self._ways.get(names)
        if cell is None:
            names = names if len(self._ways) < WAY_CELLS else (OTHER,) * 4
            tier, model, version, backend = names
            told = labels(tier=tier, model=model, version=version, backend=backend)
            cell = self._ways.setdefault(names, WayCell(told))
        return cell

    def _tier(self, asked: str) -> TierCell:
        cell = self._tiers.get(asked)
        if cell is None:
            asked = asked if len(self._tiers) < TIER_CELLS else OTHER
            cell = self._tiers.setdefault(asked, TierCell(labels(gen_ai_request_model=asked)))
        return cell


def _count_ends(place: int, agents: list[AgentCell], way: WayCell, calls: _Columns) -> None:
    for agent in agents:
        agent.outcomes[place] += 1
    way.outcomes[place] += len(agents)
    way.bytes_in += sum(calls.bytes_in)
    way.bytes_out += sum(calls.bytes_out)


def _count_waits(agents: list[AgentCell], tier: TierCell, calls: _Columns) -> None:
    tier.queued.add(calls.queued)
    for agent, queued in zip(agents, calls.queued, strict=True):
        agent.queued += queued


def _count_computed(agents: list[AgentCell], way: WayCell, tier: TierCell, calls: _Columns) -> None:
    """What no cache has answered."""
    way.prompt += sum(calls.prompt_tokens)
    way.completion += sum(calls.completion_tokens)
    way.cached += sum(calls.cached_tokens)
    tier.first_token.add(filter(None, calls.first_token))
    tokens = zip(agents, calls.prompt_tokens, calls.completion_tokens, strict=True)
    for agent, prompt, completion in tokens:
        agent.prompt += prompt
        agent.completion += completion


def _count_durations(agents: list[AgentCell], calls: _Columns) -> None:
    for agent, total, queued in zip(agents, calls.total, calls.queued, strict=True):
        agent.duration.add_one(total - queued)
