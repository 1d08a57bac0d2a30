"""Counts the gateway's calls for Prometheus, at their end.

The number of series is bounded, whatever is called: an agent is not told apart by models, what goes
to backends is told without agents, and how long calls take by what was asked for alone. So it is
the sum of them all and nowhere a product: 17 an agent, 10 a way and 39 a tier. Callers that nobody
declared count under their names while there are few, then as `OTHER`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from sutazai.fleet.labelling import OTHER, labelled
from sutazai.gateway.cells import PLACE, AgentCell, Gauges, TierCell, WayCell
from sutazai.gateway.exposition import AGENTS, BACKENDS, NOW, TIERS, WAYS
from sutazai.gateway.records.call import CallRecord
from sutazai.wire.exposition import families, labels
from sutazai.wire.process import own_families

UNDECLARED = 4
"""Callers that nobody declared and that are told apart."""

WAY_CELLS, TIER_CELLS = 10, 5
"""Most ways, and most tiers and models, that are told apart."""

_DONE, _REJECTED = PLACE["done"], PLACE["rejected"]


class Metrics:
    """Counts calls, an `Observer`, and tells it."""

    __slots__ = ("_agents", "_cells", "_declared", "_tiers", "_undeclared", "_ways")

    def __init__(self) -> None:
        self._declared: Mapping[str, tuple[str, str]] = {}
        self._undeclared: set[str] = set()
        self._agents: dict[tuple[str, str], AgentCell] = {}
        self._cells: dict[str, AgentCell] = {}
        self._ways: dict[tuple[str, str, str, str], WayCell] = {}
        self._tiers: dict[str, TierCell] = {}

    def declare(self, callers: Mapping[str, str]) -> None:
        """The agents and clients that there are, each with its group. What is counted of those
        that are gone is let go."""
        self._declared = labelled(callers)
        self._cells.clear()
        told = {*self._declared.values(), *(("agent", name) for name in (*self._undeclared, OTHER))}
        self._agents = {label: cell for label, cell in self._agents.items() if label in told}

    def observe(self, record: CallRecord) -> None:
        """A call ended."""
        agent = self._cells.get(record.caller) or self._agent(record.caller)
        backend = record.backend
        # A client can ask for any model; only what some backend has becomes a label.
        model = record.model if backend else ""
        way = self._ways.get((record.tier, model, record.version, backend))
        if way is None:
            way = self._new_way(record.tier, model, record.version, backend)
        asked = record.tier or model
        tier = self._tiers.get(asked) or self._new_tier(asked)
        place = PLACE[record.outcome]
        agent.outcomes[place] += 1
        way.outcomes[place] += 1
        way.bytes_in += record.bytes_in
        way.bytes_out += record.bytes_out
        if place != _REJECTED:
            agent.queued += record.queued
            tier.queued.add(record.queued)
        if not record.cache:
            _count_computed(record, agent, way, tier)
        if place == _DONE:
            tier.duration.add(record.total)
            if not record.cache:
                agent.duration.add(record.total - record.queued)

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

    def _new_way(self, *names: str) -> WayCell:
        if len(self._ways) >= WAY_CELLS:
            names = (OTHER,) * 4
        tier, model, version, backend = names
        cell = WayCell(labels(tier=tier, model=model, version=version, backend=backend))
        return self._ways.setdefault((tier, model, version, backend), cell)

    def _new_tier(self, asked: str) -> TierCell:
        if len(self._tiers) >= TIER_CELLS:
            asked = OTHER
        return self._tiers.setdefault(asked, TierCell(labels(gen_ai_request_model=asked)))


def _count_computed(record: CallRecord, agent: AgentCell, way: WayCell, tier: TierCell) -> None:
    """What no cache has answered."""
    agent.prompt += record.prompt_tokens
    agent.completion += record.completion_tokens
    way.prompt += record.prompt_tokens
    way.completion += record.completion_tokens
    way.cached += record.cached_tokens
    if record.first_token:
        tier.first_token.add(record.first_token)
