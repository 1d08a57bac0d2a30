"""The gateway's API for people and their tools, on its Unix socket: what waits, what is wrong, what
was called, and the switch that holds agents' calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any

from sutazai.fleet.errors import BadInput
from sutazai.fleet.ports import local_port
from sutazai.gateway.backends.held import held
from sutazai.gateway.backends.registry import Backends
from sutazai.gateway.backends.settings import differences
from sutazai.gateway.backends.state import BackendState
from sutazai.gateway.bypass import Bypass
from sutazai.gateway.queue.admission import Admission
from sutazai.gateway.queue.entries import Row
from sutazai.gateway.records.letter import DeadLetter
from sutazai.gateway.records.search import Query
from sutazai.gateway.records.store import Store
from sutazai.gateway.records.summary import Summary
from sutazai.gateway.sharing.cache import AnswerCache
from sutazai.gateway.state import Switch
from sutazai.wire import Client, Request, Response, Router, json_response
from sutazai.wire.exposition import CONTENT_TYPE

ROWS = 100
"""Rows of a list where a client does not say how many."""

ROWS_MAX = 10_000

Replay = Callable[[DeadLetter], Awaitable[Response]]


class Operations:
    """Answers `sutazai gateway …`, `sutazai pause`, and whoever reads metrics.

    Args:
        replay: makes a dead letter's call once more.
        metrics: the text for Prometheus.
        paused: whether agents' calls are held.
        recent: the figures of the last minutes.
    """

    def __init__(
        self,
        client: Client,
        backends: Backends,
        admission: Admission,
        store: Store,
        bypass: Bypass,
        *,
        replay: Replay,
        metrics: Callable[[], Awaitable[bytes]],
        paused: Switch,
        recent: Callable[[], Summary],
        cache: AnswerCache,
    ) -> None:
        self._client = client
        self._backends = backends
        self._admission = admission
        self._store = store
        self._bypass = bypass
        self._replay = replay
        self._metrics = metrics
        self._paused = paused
        self._recent = recent
        self._cache = cache

    def serve(self, router: Router) -> None:
        """Adds its endpoints to ``router``."""
        router.add("GET", "/queue", self.get_queue)
        router.add("GET", "/backends", self.get_backends)
        router.add("GET", "/backends/held", self.get_held)
        router.add("GET", "/calls", self.get_calls)
        router.add("GET", "/dead", self.get_dead)
        router.add("DELETE", "/dead", self.clear_dead)
        router.add("GET", "/dead/{id}", self.get_letter)
        router.add("DELETE", "/dead/{id}", self.delete_letter)
        router.add("POST", "/dead/{id}/replay", self.replay_letter)
        router.add("POST", "/pause", self.pause)
        router.add("POST", "/resume", self.resume)
        router.add("GET", "/cache", self.get_cache)
        router.add("DELETE", "/cache", self.clear_cache)
        router.add("GET", "/metrics", self.get_metrics)

    async def get_queue(self, request: Request) -> Response:
        """Who waits, in the order in which they are likely to start."""
        rows = self._admission.rows(_limit(request.query))
        return json_response(
            {
                "waiting": sum(self._admission.snapshot().waiting.values()),
                "paused": self._paused.on,
                "entries": [_row(row) for row in rows],
            }
        )

    async def get_backends(self, request: Request) -> Response:
        """Every server: how it does, how it is set, and who speaks to it past the gateway."""
        direct = await self._bypass.found()
        states = self._backends.states
        settings = await asyncio.gather(*(differences(self._client, each) for each in states))
        rates = self._recent().tokens_per_second
        rows = [self._backend(state) for state in states]
        for row, state, found in zip(rows, states, settings, strict=True):
            port = local_port(state.route.address)
            row["tokens_per_second"] = round(rates.get(state.route.name, 0.0), 1)
            row["settings"] = [asdict(each) for each in found]
            row["direct"] = [asdict(each) for each in direct.get(port or 0, ())]
        return json_response(rows)

    async def get_held(self, request: Request) -> Response:
        """What every server really has, for whoever compares that with what is declared."""
        found = await held(self._client, self._backends)
        return json_response([each.model_dump(mode="json") for each in found])

    async def get_calls(self, request: Request) -> Response:
        """The record of calls, searched."""
        found = await self._store.search(_query(request.query))
        return json_response([{**each.call.as_dict(), "number": each.number} for each in found])

    async def get_dead(self, request: Request) -> Response:
        """Calls that the queue refused, the newest first."""
        letters = await self._store.letters.list(_limit(request.query))
        return json_response([_letter(letter) for letter in letters])

    async def get_letter(self, request: Request) -> Response:
        letter = await self._store.letters.get(request.params["id"])
        return json_response({**_letter(letter), "body": letter.body.decode("utf-8", "replace")})

    async def delete_letter(self, request: Request) -> Response:
        await self._store.letters.remove(request.params["id"])
        return json_response({"removed": 1})

    async def clear_dead(self, request: Request) -> Response:
        return json_response({"removed": await self._store.letters.clear()})

    async def replay_letter(self, request: Request) -> Response:
        """The answer to a dead letter's call, made once more by who made it then."""
        return await self._replay(await self._store.letters.get(request.params["id"]))

    async def pause(self, request: Request) -> Response:
        """Holds agents' calls, also after a restart, until `resume`."""
        await self._paused.set(on=True)
        self._admission.pause()
        return json_response({"paused": True})

    async def resume(self, request: Request) -> Response:
        await self._paused.set(on=False)
        self._admission.resume()
        return json_response({"paused": False})

    async def get_cache(self, request: Request) -> Response:
        """How much the kept answers of deterministic calls hold."""
        return json_response({"bytes": self._cache.bytes, "answers": len(self._cache)})

    async def clear_cache(self, request: Request) -> Response:
        """Forgets them; how much they held."""
        answer = await self.get_cache(request)
        self._cache.clear()
        return answer

    async def get_metrics(self, request: Request) -> Response:
        return Response(200, [("content-type", CONTENT_TYPE)], await self._metrics())

    def _backend(self, state: BackendState) -> dict[str, Any]:
        name = state.route.name
        return {
            "name": name,
            "address": state.route.address,
            "dialect": state.route.dialect.value,
            "available": state.available,
            "reason": state.reason,
            "slots": state.slots,
            "running": self._admission.load(name)[0],
            "models": [model.name for model in state.models or ()],
            "resident": None if state.loaded is None else sorted(state.loaded),
            "breakers": [
                {
                    "model": circuit.model,
                    "state": circuit.condition.value,
                    "why": circuit.why,
                    "retry_in": max(round(circuit.until - time.monotonic(), 1), 0.0),
                }
                for circuit in self._backends.circuits()
                if circuit.backend == name
            ],
        }


def _row(row: Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "client": row.client,
        "priority": row.priority.value,
        "target": row.target,
        "waited": round(row.waited, 3),
        "position": row.position.ahead + 1,
        "eta": row.position.eta,
    }


def _letter(letter: DeadLetter) -> dict[str, Any]:
    return {name: value for name, value in asdict(letter).items() if name != "body"}


def _query(query: Mapping[str, str]) -> Query:
    """The search that ``query`` asks for. Raises BadInput."""
    return Query(
        id=query.get("id"),
        agent=query.get("agent"),
        task=query.get("task"),
        run=query.get("run"),
        model=query.get("model"),
        backend=query.get("backend"),
        outcome=query.get("outcome"),
        text=query.get("text"),
        since=_seconds(query, "since"),
        until=_seconds(query, "until"),
        slower_than=_seconds(query, "slow"),
        limit=_limit(query),
        contents=query.get("contents") == "1",
    )


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", str(ROWS))
    if not text.isdecimal() or not 0 < int(text) <= ROWS_MAX:
        raise BadInput(f"limit must be a number from 1 to {ROWS_MAX}")
    return int(text)


def _seconds(query: Mapping[str, str], name: str) -> float | None:
    text = query.get(name)
    try:
        return None if text is None else float(text)
    except ValueError as cause:
        raise BadInput(f"{name} must be a number of seconds") from cause
