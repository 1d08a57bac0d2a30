"""What a collector checks of a request: the fields of OTLP's messages in their JSON form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

TRACE, SPAN = re.compile(r"(?!0+$)[0-9a-f]{32}"), re.compile(r"(?!0+$)[0-9a-f]{16}")
DECIMAL = re.compile(r"\d{1,20}")
VALUES = {"stringValue": str, "boolValue": bool, "intValue": str, "doubleValue": float}
SPAN_FIELDS = {
    *("traceId", "spanId", "parentSpanId", "name", "kind", "startTimeUnixNano"),
    *("endTimeUnixNano", "attributes", "status"),
}


def check_request(body: dict[str, Any]) -> None:
    """Raises AssertionError where it is no `ExportTraceServiceRequest`."""
    assert body.keys() == {"resourceSpans"}
    for about, span in spans_of(body):
        assert about["service.name"]
        _check_span(span)
    ids = {span["spanId"] for _, span in spans_of(body)}
    assert all(span.get("parentSpanId") in {*ids, None} for _, span in spans_of(body))


def spans_of(body: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each span, with the attributes of its resource."""
    for resource in body["resourceSpans"]:
        assert resource.keys() == {"resource", "scopeSpans"}
        about = attributes(resource["resource"]["attributes"])
        for scope in resource["scopeSpans"]:
            assert scope["scope"]["name"] == "sutazai"
            for span in scope["spans"]:
                yield about, span


def attributes(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    """A list of attributes by name; each has one value of one kind."""
    found: dict[str, Any] = {}
    for pair in pairs:
        assert pair.keys() == {"key", "value"} and pair["key"] not in found
        ((kind, value),) = pair["value"].items()
        assert isinstance(value, VALUES[kind])
        found[pair["key"]] = int(str(value)) if kind == "intValue" else value
    return found


def _check_span(span: dict[str, Any]) -> None:
    assert span.keys() <= SPAN_FIELDS
    assert TRACE.fullmatch(span["traceId"]) and SPAN.fullmatch(span["spanId"])
    assert SPAN.fullmatch(span.get("parentSpanId", span["spanId"]))
    assert span["name"] and span["kind"] in range(1, 6)
    started, ended = span["startTimeUnixNano"], span["endTimeUnixNano"]
    assert DECIMAL.fullmatch(started) and DECIMAL.fullmatch(ended) and int(started) <= int(ended)
    assert span["status"].keys() <= {"code", "message"}
    assert span["status"].get("code", 0) in (0, 1, 2)
    attributes(span["attributes"])
