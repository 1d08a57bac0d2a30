"""Traces as OpenTelemetry's protocol writes them in JSON: the body of one request. Pure.

By the specification of OTLP 1.x: ids in hexadecimal, 64-bit integers and times (nanoseconds since
1970) as texts, enumerations as numbers, names in lowerCamelCase. No package of OpenTelemetry is
needed for that, and every collector takes it. Attributes of agents and models have the names of its
conventions for generative AI.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sutazai.fleet.span_ids import attempt_span, span_id
from sutazai.fleet.trace_ids import trace_id
from sutazai.fleet.traces import Fact, Span, SpanKind

INTERNAL, CLIENT, PRODUCER, CONSUMER = 1, 3, 4, 5
ERROR = 2

_KINDS = {SpanKind.TASK: PRODUCER, SpanKind.ATTEMPT: CONSUMER, SpanKind.CALL: CLIENT}
"""All others are internal."""
CONTROL, GATEWAY = "control", "gateway"


@dataclass(frozen=True)
class Sender:
    """Who sends: the fleet's name, the version of this program, the machine."""

    fleet: str
    version: str
    machine: str


@dataclass(frozen=True)
class _Placed:
    """A span with its id, that of the span it lies in, and the process that it tells of."""

    span: Span
    id: str
    parent: str
    service: str


def request_of(traces: Iterable[Span], sender: Sender) -> dict[str, Any]:
    """The body for traces of tasks that have ended; each process of the house is a service."""
    by_service: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for trace in traces:
        task = str(trace.facts["sutazai.task"])
        trace_hex = trace_id(task)
        for placed in _placed(trace, _Placed(trace, root_id(task), "", CONTROL)):
            by_service[placed.service].append(_span(placed, trace_hex))
    return {"resourceSpans": [_resource(*item, sender) for item in by_service.items()]}


def root_id(task: str) -> str:
    """The id of the span of a whole task."""
    return span_id(task)


def count(span: Span) -> int:
    """How many spans there are in it, with itself."""
    return 1 + sum(map(count, span.spans))


def _placed(span: Span, here: _Placed) -> Iterator[_Placed]:
    yield here
    for number, each in enumerate(span.spans):
        service = _service(each, here.service)
        yield from _placed(each, _Placed(each, _id(each, here, number), here.id, service))


def _id(span: Span, within: _Placed, number: int) -> str:
    if span.kind is SpanKind.ATTEMPT:
        return attempt_span(
            str(within.span.facts["sutazai.task"]), int(span.facts["sutazai.attempt"])
        )
    return span_id(within.id, number, span.name, span.started)


def _service(span: Span, around: str) -> str:
    if span.kind is SpanKind.ATTEMPT:
        return str(span.facts["gen_ai.agent.name"])
    return GATEWAY if span.kind is SpanKind.CALL else around


def _span(placed: _Placed, trace: str) -> dict[str, Any]:
    span = placed.span
    ended = span.started if span.ended is None else span.ended
    told: dict[str, Any] = {
        "traceId": trace,
        "spanId": placed.id,
        "name": _name(span),
        "kind": _KINDS.get(span.kind, INTERNAL),
        "startTimeUnixNano": _nanoseconds(span.started),
        "endTimeUnixNano": _nanoseconds(max(span.started, ended)),
        "attributes": _attributes(span.facts),
        "status": {"code": ERROR, "message": span.note} if span.failed else {},
    }
    if placed.parent:
        told["parentSpanId"] = placed.parent
    return told


def _name(span: Span) -> str:
    """A name that many spans share."""
    facts = span.facts
    if span.kind is SpanKind.TASK:
        return f"task {facts.get('sutazai.target', '')}".rstrip()
    if span.kind is SpanKind.ATTEMPT:
        return f"{facts['gen_ai.operation.name']} {facts['gen_ai.agent.name']}"
    if span.kind is SpanKind.CALL:
        model = facts.get("gen_ai.request.model", "")
        return f"{facts['gen_ai.operation.name']} {model}".rstrip()
    return span.name


def _resource(service: str, spans: list[dict[str, Any]], sender: Sender) -> dict[str, Any]:
    about = {
        "service.name": service,
        "service.namespace": sender.fleet,
        "service.version": sender.version,
        "host.name": sender.machine,
    }
    scope = {"name": "sutazai", "version": sender.version}
    return {
        "resource": {"attributes": _attributes(about)},
        "scopeSpans": [{"scope": scope, "spans": spans}],
    }


def _attributes(facts: Mapping[str, Fact]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(fact)} for name, fact in facts.items()]


def _value(fact: Fact) -> dict[str, Any]:
    if isinstance(fact, str):
        return {"stringValue": fact}
    return {"intValue": str(fact)} if isinstance(fact, int) else {"doubleValue": fact}


def _nanoseconds(seconds: float) -> str:
    """To the microsecond, which is as exact as a number of seconds since 1970 is."""
    return f"{round(seconds * 1_000_000)}000"
