"""What the keeper is told at its start, checked."""

from __future__ import annotations

import json
import os
import socket

from sutazai.keeper.errors import BadInput

LISTENERS_PER_REQUEST = 200  # their sockets travel in one message, which holds 253 at most
STOP_TIMEOUT = 60.0
END_TIMEOUT = 5.0
_FAMILIES = (socket.AF_INET, socket.AF_INET6)


class ListenerSpec:
    """One address to listen on, under a name. Port 0 lets the system choose."""

    __slots__ = ("host", "name", "port")

    def __init__(self, name: str, host: str, port: int) -> None:
        self.name = name
        self.host = host
        self.port = port

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    def same_address(self, other: ListenerSpec) -> bool:
        return (self.host, self.port) == (other.host, other.port)


class Config:
    """The keeper's configuration.

    ``runtime`` and ``log`` are absolute paths; ``host`` is the host's command line;
    ``environment`` is added to the keeper's own for the host, and so is ``mark``, a ``NAME=value``
    by which every process of this fleet is known; ``stop_timeout`` (seconds) bounds the host's
    own orderly stop, ``end_timeout`` what the rest has between SIGTERM and SIGKILL.
    """

    __slots__ = (
        "end_timeout",
        "environment",
        "host",
        "listeners",
        "log",
        "mark",
        "runtime",
        "stop_timeout",
    )

    def __init__(self, value: dict[str, object]) -> None:
        self.runtime = _path(value, "runtime")
        self.log = _path(value, "log")
        self.host = _command(value.get("host"))
        self.environment = _environment(value.get("environment", {}))
        self.mark = _mark(value.get("mark"))
        self.listeners = listener_specs(value.get("listeners", []))
        self.stop_timeout = _seconds("stop_timeout", value.get("stop_timeout", STOP_TIMEOUT))
        self.end_timeout = _seconds("end_timeout", value.get("end_timeout", END_TIMEOUT))


def load(path: str) -> Config:
    """The configuration in the JSON file ``path``. Raises BadInput."""
    try:
        with open(path, "rb") as file:
            value = json.load(file)
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"the configuration {path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise _wrong("configuration", "an object")
    return Config(value)


def listener_specs(value: object) -> tuple[ListenerSpec, ...]:
    """Listeners from ``[{"name", "host", "port"}, …]``, no name and no address twice."""
    if not isinstance(value, list) or len(value) > LISTENERS_PER_REQUEST:
        raise _wrong("listeners", f"a list of at most {LISTENERS_PER_REQUEST}")
    specs = tuple(_listener(item) for item in value)
    names = {spec.name for spec in specs}
    fixed = [(spec.host, spec.port) for spec in specs if spec.port]
    if len(names) < len(specs) or len(set(fixed)) < len(fixed):
        raise BadInput("two listeners have the same name or the same address")
    return specs


def _listener(value: object) -> ListenerSpec:
    if not isinstance(value, dict):
        raise _wrong("listener", 'an object {"name", "host", "port"}')
    name, port = value.get("name"), value.get("port")
    if not isinstance(name, str) or not 0 < len(name) <= 200:
        raise _wrong("name of a listener", "a text of at most 200 characters")
    if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= 65535:
        raise _wrong(f"port of listener {name!r}", "a number from 0 to 65535")
    return ListenerSpec(name, _host(name, value.get("host")), port)


def _host(name: str, value: object) -> str:
    # No names other than localhost: to resolve one may block the root process for half a minute.
    host = "127.0.0.1" if value == "localhost" else value
    if isinstance(host, str) and any(_is_address(family, host) for family in _FAMILIES):
        return host
    raise BadInput(
        f"the host of listener {name!r} must be an IP address, not {value!r}",
        hint="use 127.0.0.1 or ::1 for this machine only, 0.0.0.0 or :: for every network",
    )


def _is_address(family: int, text: str) -> bool:
    try:
        socket.inet_pton(family, text)
    except (OSError, ValueError):
        return False
    return True


def _path(value: dict[str, object], key: str) -> str:
    path = value.get(key)
    if not isinstance(path, str) or not os.path.isabs(path) or "\0" in path:
        raise _wrong(key, "an absolute path")
    return path


def _command(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(_is_argument(item) for item in value):
        raise _wrong("host", "a command line: a list of texts, not empty")
    return tuple(value)


def _environment(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(_is_argument(item) for item in value.values()):
        raise _wrong("environment", "an object of texts")
    return value


def _is_argument(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value


def _mark(value: object) -> str:
    if not _is_argument(value) or not isinstance(value, str) or value.find("=") < 1:
        raise _wrong("mark", "an environment variable NAME=value")
    return value


def _seconds(what: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 86400:
        raise _wrong(what, "a number of seconds")
    return float(value)


def _wrong(what: str, wanted: str) -> BadInput:
    return BadInput(f"{what} must be {wanted}")
