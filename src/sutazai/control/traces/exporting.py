"""Sends the traces of tasks that have ended to an OpenTelemetry collector.

Beside everything else and from what is recorded anyway: no call, task or agent knows of it. What
the collector does not take is read again later from the database.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sutazai import __version__
from sutazai.control.feed import EventFeed
from sutazai.control.peers import GatewayPeer
from sutazai.control.settings import Settings
from sutazai.fleet.errors import SutazaiError, Unavailable
from sutazai.fleet.files import replace_file
from sutazai.fleet.span_ids import is_chosen
from sutazai.fleet.trace_ids import trace_id
from sutazai.fleet.traces import Span
from sutazai.fleet.work import Task
from sutazai.gateway.records.redaction import redact
from sutazai.observe.traces.assembling import trace_of
from sutazai.observe.traces.otlp import Sender, count, request_of
from sutazai.observe.traces.sending import (
    BATCH,
    EVERY,
    KEEP,
    RETRYABLE,
    SETTLE,
    SPANS,
    Mark,
    next_try,
)
from sutazai.store import Tasks
from sutazai.wire import Address, Client, ClientResponse, Timeout

TARGET = "/v1/traces"
TIMEOUT = Timeout(connect=5.0, headers=10.0, idle=10.0)
SAID_MAX = 200
_HEADERS = (("content-type", "application/json"),)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ends:
    """What it reads from and writes to; ``mark`` is the file that keeps how far it is."""

    tasks: Tasks
    gateway: GatewayPeer
    client: Client
    feed: EventFeed
    mark: Path


class Exporter:
    """Sends to the collector at ``address``.

    Args:
        share: of all traces.
        every, settle: seconds; see `sending`.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        address: Address,
        ends: Ends,
        sender: Sender,
        *,
        share: float = 1.0,
        every: float = EVERY,
        settle: float = SETTLE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._address = address
        self._ends = ends
        self._sender = sender
        self._share = share
        self._every = every
        self._settle = settle
        self._clock = clock
        self._mark = _read(ends.mark) or Mark(clock())
        self._well = True
        self._sent = self._dropped = 0

    @property
    def counts(self) -> tuple[int, int]:
        """Traces that were taken, and that were given up."""
        return self._sent, self._dropped

    async def run(self) -> None:
        """Sends what has ended, until cancelled."""
        await self._move(self._mark)  # what ends from now on is sent, whatever becomes of us
        failures = 0
        while True:
            try:
                pause = 0.0 if await self._round() else self._every
                failures = 0
            except SutazaiError as error:
                failures += 1
                await self._tell(False, f"traces are sent later: {error.message}")
                pause = next_try(failures, random.random(), error.data.get("retry_after"))  # noqa: S311 (no secret)
            await asyncio.sleep(pause)

    async def _round(self) -> bool:
        """Sends one batch; whether there is more. Raises SutazaiError where it is to be tried
        again."""
        now = self._clock()
        await self._give_up(now - KEEP)
        after = (self._mark.ended, self._mark.id)
        tasks = await self._ends.tasks.ended(after, now - self._settle, limit=BATCH)
        traces, read = await self._assembled(tasks)
        if traces:
            await self._send(traces)
        if read:
            await self._move(Mark(read[-1].ended or now, read[-1].id))
        return len(read) < len(tasks) or len(tasks) == BATCH

    async def _assembled(self, tasks: Sequence[Task]) -> tuple[list[Span], Sequence[Task]]:
        """The traces of as many tasks as one request takes, and the tasks that were looked at."""
        traces: list[Span] = []
        spans = 0
        for number, task in enumerate(tasks):
            if not is_chosen(trace_id(task.id), self._share):
                continue
            trace = trace_of(task, await self._ends.gateway.calls(task))
            traces.append(_without_secrets(trace))
            spans += count(trace)
            if spans >= SPANS:
                return traces, tasks[: number + 1]
        return traces, tasks

    async def _send(self, traces: Sequence[Span]) -> None:
        body = await asyncio.to_thread(_body, traces, self._sender)
        response = await self._ends.client.request(
            "POST", self._address, TARGET, headers=_HEADERS, body=body, timeout=TIMEOUT
        )
        async with response:
            answer = await response.read()
        if response.status in RETRYABLE:
            raise Unavailable(
                f"the collector answered {response.status}", retry_after=_asked(response)
            )
        if response.status >= 300:
            self._dropped += len(traces)
            said = answer[:SAID_MAX].decode(errors="replace")
            why = f"the collector refused {len(traces)} traces: {response.status} {said}"
            await self._tell(False, why)
            return
        self._sent += len(traces)
        _warn_of_parts(answer)
        await self._tell(True, "traces are sent again")

    async def _give_up(self, before: float) -> None:
        """What is too old is not sent any more."""
        if self._mark.ended >= before:
            return
        ids = await self._ends.tasks.ended_ids((self._mark.ended, self._mark.id), before)
        lost = sum(is_chosen(trace_id(each), self._share) for each in ids)
        self._dropped += lost
        await self._move(Mark(before))
        if lost:
            log.warning("%d traces were given up: nobody took them within %g s", lost, KEEP)

    async def _move(self, mark: Mark) -> None:
        self._mark = mark
        text = json.dumps({"ended": mark.ended, "id": mark.id})
        try:
            await asyncio.to_thread(replace_file, self._ends.mark, text)
        except OSError as error:  # after a restart some traces are sent once more
            log.warning("%s cannot be written: %s", self._ends.mark, error)

    async def _tell(self, well: bool, message: str) -> None:
        """Once, when it changes."""
        if well == self._well:
            return
        self._well = well
        log.log(logging.INFO if well else logging.WARNING, "%s", message)
        try:
            await self._ends.feed.add("tracing", message)
        except SutazaiError as error:
            log.warning("no event could be kept: %s", error)


def exporter_of(
    settings: Settings, tasks: Tasks, gateway: GatewayPeer, client: Client, feed: EventFeed
) -> Exporter | None:
    """The one that the fleet file asks for."""
    fleet = settings.fleet
    if fleet.tracing.otlp is None:
        return None
    ends = Ends(tasks, gateway, client, feed, settings.places.traces)
    sender = Sender(fleet.name, __version__, socket.gethostname())
    address = Address.parse(fleet.tracing.otlp)
    return Exporter(address, ends, sender, share=fleet.tracing.share)


def _body(traces: Sequence[Span], sender: Sender) -> bytes:
    return json.dumps(request_of(traces, sender)).encode()


def _without_secrets(span: Span) -> Span:
    inner = tuple(map(_without_secrets, span.spans))
    return span.model_copy(update={"note": redact(span.note), "spans": inner})


def _asked(response: ClientResponse) -> float | None:
    """Seconds that the collector asks to wait."""
    text = response.headers.get("retry-after", "")
    return float(text) if text.isdecimal() else None


def _warn_of_parts(answer: bytes) -> None:
    """A collector may take a request but for some of its spans, which are not to be sent again."""
    try:
        found = json.loads(answer or b"{}")
    except (ValueError, RecursionError):
        return
    part = found.get("partialSuccess") if isinstance(found, dict) else None
    if isinstance(part, dict) and part.get("errorMessage"):
        refused, why = part.get("rejectedSpans"), part["errorMessage"]
        log.warning("the collector refused %s spans: %.200s", refused, why)


def _read(path: Path) -> Mark | None:
    """How far an earlier control was; None where nobody knows."""
    try:
        kept = json.loads(path.read_bytes())
        return Mark(float(kept["ended"]), str(kept["id"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        log.warning("%s cannot be used, going on from now: %s", path, error)
        return None
