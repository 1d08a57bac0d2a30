"""Speaks with a fleet's keeper: one line of JSON there, one line back."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from typing import Any

from sutazai.fleet.errors import (
    BadPeer,
    ConnectFailed,
    DeadlineExceeded,
    PeerClosed,
    from_dict,
)
from sutazai.fleet.places import Places

TICK = 0.2
ANSWER_MAX = 1 << 20


def ask_keeper(
    places: Places,
    request: dict[str, Any],
    *,
    deadline: float,
    tick: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """The keeper's answer to ``request``.

    Args:
        deadline: seconds to wait for the whole answer.
        tick: called a few times a second while waiting.

    Raises ConnectFailed, PeerClosed, DeadlineExceeded, BadPeer, or what the keeper itself raised.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(TICK)
        try:
            peer.connect(str(places.keeper_socket))
            peer.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise ConnectFailed(
                "the keeper does not answer", socket=str(places.keeper_socket)
            ) from error
        return _decoded(_line(peer, time.monotonic() + deadline, tick))


def _line(peer: socket.socket, until: float, tick: Callable[[], None]) -> bytes:
    answer = b""
    while b"\n" not in answer and len(answer) < ANSWER_MAX:
        if time.monotonic() > until:
            raise DeadlineExceeded("the keeper did not answer in time")
        try:
            piece = peer.recv(65536)
        except TimeoutError:
            tick()
            continue
        except OSError as error:
            raise PeerClosed("the keeper went away before it answered") from error
        if not piece:
            raise PeerClosed("the keeper went away before it answered")
        answer += piece
    return answer


def _decoded(line: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(line)
    except ValueError as error:
        raise BadPeer("the keeper's answer is not JSON") from error
    if not isinstance(answer, dict):
        raise BadPeer("the keeper's answer is not an object")
    if "error" in answer:
        raise from_dict(answer["error"])
    return answer
