"""What the head of a request tells of a call."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from sutazai.gateway.callers.handed import TASK
from sutazai.gateway.callers.keys import Caller
from sutazai.gateway.dialects.codec import ClientCodec
from sutazai.wire import Request

Identify = Callable[[Request], Caller]
"""Tells who calls, by the head of the request alone, or raises Refused."""


class Sender(msgspec.Struct, frozen=True):
    """Who calls, and for which ``task``, empty where it says none. ``headers`` belong to the body,
    and go to whoever is relayed to."""

    caller: Caller
    task: str = ""
    headers: tuple[tuple[str, str], ...] = ()


SenderOf = Callable[[Request], Sender]
"""Tells the sender of a request. Raises Refused."""


def read_sender(request: Request, codec: ClientCodec, identify: Identify) -> Sender:
    """The sender of ``request``. Raises Refused."""
    headers = request.headers
    named = ((name, headers.get(name, "")) for name in codec.passed_on)
    passed_on = tuple((name, value) for name, value in named if value)
    return Sender(identify(request), headers.get(TASK, ""), passed_on)
