"""Keeps web pages out: who calls over TCP must mean this machine and come from it.

A page that a browser loaded from anywhere can send requests to loopback ports (CSRF), and by
letting its own name point to 127.0.0.1 it can read the answers too (DNS rebinding). The first shows
in `Origin`, the second in `Host`. Programs send no `Origin` and the right `Host`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Collection
from urllib.parse import urlsplit

from sutazai.fleet.errors import Refused
from sutazai.wire import Handler, Headers, Request, Response

WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104 (to be recognised)


HOSTS_MAX = 64
"""Good hosts that are remembered, so that they need not be taken apart each time."""


def guarded(handler: Handler, listeners: Collection[str], own_hosts: Collection[str]) -> Handler:
    """``handler`` behind the check, which holds for all but the Unix ``listeners`` named.

    ``own_hosts`` are the addresses that the TCP listeners are bound to. What is made raises Refused
    when it is called, before anything is awaited.
    """

    good: set[str | None] = set()  # hosts that were found ours; clients say few different ones

    def guard(request: Request) -> Awaitable[Response]:
        if request.listener not in listeners:
            headers = request.headers
            host = headers.get("host")
            if host not in good or "origin" in headers:
                check(headers, own_hosts)
                if len(good) < HOSTS_MAX:
                    good.add(host)
        return handler(request)

    return guard


def check(headers: Headers, own_hosts: Collection[str]) -> None:
    """Raises Refused for a request that does not mean this machine or does not come from it."""
    host = headers.get("host")
    if host is None or not _is_ours(_host_of(f"//{host}"), own_hosts):
        raise Refused(
            f"the host {host!r} is not this machine",
            hint="call the gateway as 127.0.0.1 or localhost",
        )
    for origin in headers.getall("origin"):
        if not _is_ours(_host_of(origin), own_hosts):
            raise Refused(
                f"calls from web pages of {origin!r} are refused",
                hint="only pages served from this machine may call; programs send no Origin",
            )


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_ours(host: str, own_hosts: Collection[str]) -> bool:
    if host == "localhost" or host.endswith(".localhost") or host in own_hosts:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # Whoever listens on all addresses is meant by each of them; no name can be rebound to a number.
    return address.is_loopback or not WILDCARDS.isdisjoint(own_hosts)
