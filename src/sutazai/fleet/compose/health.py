"""A Compose healthcheck as a fleet tells health: by an HTTP path, in seconds."""

from __future__ import annotations

import re
from typing import Any

from sutazai.fleet.compose.around import Around, scalar
from sutazai.fleet.compose.interpolation import guessed
from sutazai.fleet.compose.quantities import duration_text, parse_count, parse_seconds
from sutazai.fleet.compose.source import ComposeService, Node

_ASKED = re.compile(
    r"http://(?P<host>[A-Za-z0-9_.-]+|\[::1\])(?::(?P<port>\d+))?"
    r"(?P<path>/[^\s\"'|;&)<>$]*)?"
)
_ITSELF = ("localhost", "127.0.0.1", "0.0.0.0", "[::1]")  # noqa: S104 (compared, never bound)
_DURATIONS = {"interval": "interval", "timeout": "timeout", "start_period": "grace"}
_INSTEAD = "let it answer 200 on an HTTP path, and set `health.path`; until then running is healthy"


def health_of(service: ComposeService, target: int | None, around: Around) -> dict[str, Any]:
    """What the fleet file says under ``health``.

    Args:
        target: the port within the container whose published port is the unit's, or None.
    """
    test = service.find("healthcheck", "test")
    if test is None or _is_off(service, test):
        return {}
    path = _path(service, test, target, around)
    return {**({"path": path} if path else {}), **_times(service, around)}


def _is_off(service: ComposeService, test: Node) -> bool:
    off = service.find("healthcheck", "disable")
    is_none = test.value == "NONE" or (isinstance(test.value, list) and test.value[:1] == ["NONE"])
    return is_none or (off is not None and off.value is True)


def _path(service: ComposeService, test: Node, target: int | None, around: Around) -> str | None:
    words = test.value if isinstance(test.value, list) else [test.value]
    text = guessed(" ".join(scalar(word) for word in words))
    asked = _ASKED.search(text)
    if asked is None or not _asks_itself(asked["host"], service, around):
        around.findings.note(test.path, "a healthcheck by command is not carried over", _INSTEAD)
    elif target is None or int(asked["port"] or 80) != target:
        message = "this healthcheck asks a port that is not the unit's `port`"
        around.findings.note(test.path, message, _INSTEAD)
    else:
        return asked["path"] or "/"
    return None


def _asks_itself(host: str, service: ComposeService, around: Around) -> bool:
    return host in _ITSELF or around.hosts.get(host) == service.name


def _times(service: ComposeService, around: Around) -> dict[str, Any]:
    times: dict[str, Any] = {}
    for key, ours in _DURATIONS.items():
        if (node := service.find("healthcheck", key)) is not None:
            seconds = seconds_at(node, around)
            if seconds:
                times[ours] = duration_text(seconds)
    if (node := service.find("healthcheck", "retries")) is not None:
        failures = _count(node, around)
        if failures:
            times["failures"] = failures
    return times


def seconds_at(node: Node, around: Around) -> float | None:
    """The duration at ``node``, at least a millisecond; nothing and what cannot be read is None."""
    try:
        seconds = parse_seconds(around.plain(node))
    except ValueError as error:
        around.findings.note(node.path, f"this is left out: {error}", "write it as 30s")
        return None
    return seconds if seconds >= 0.001 else None


def _count(node: Node, around: Around) -> int | None:
    try:
        return parse_count(around.plain(node))
    except ValueError as error:
        around.findings.note(node.path, f"this is left out: {error}", "write it as 3")
        return None
