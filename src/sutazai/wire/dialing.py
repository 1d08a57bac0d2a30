"""How connections to servers are opened: over Unix sockets, TCP, TLS, and through HTTP proxies."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, cast

from sutazai.fleet.errors import BadInput, ConnectFailed
from sutazai.wire.address import Address
from sutazai.wire.heads import END, BadHead, parse_response

if TYPE_CHECKING:  # each instance would hold what it imports
    from pathlib import Path
    from ssl import SSLContext

    from sutazai.wire.proxies import Proxies, Proxy

_ANSWER_MAX = 16 * 1024


@dataclass(frozen=True)
class TlsOptions:
    """How servers are known over TLS.

    Args:
        ca: a file of certificates (PEM); who is signed by none of them is a stranger. Without it
            the machine's usual authorities count.
    """

    ca: Path | None = None


class Route(NamedTuple):
    """What requests to one address begin with.

    Args:
        base: put before the target.
        host: the Host header's line.
        server: put before all of that, where a proxy has to be told whose it is.
        more: further lines, for a proxy.
    """

    base: str
    host: str
    server: str = ""
    more: str = ""


class Dialer:
    """Opens connections of one client.

    Args:
        tls: for all addresses but those that `trust` was told of.
        proxies: None to go straight everywhere.

    Raises BadInput where ``tls`` cannot be used.
    """

    def __init__(self, tls: TlsOptions, proxies: Proxies | None) -> None:
        self._usual = None if tls.ca is None else tls_context(tls)
        self._proxies = proxies
        self._contexts: dict[Address, SSLContext] = {}

    def trust(self, address: Address, options: TlsOptions) -> None:
        """Use ``options`` for ``address``. Raises BadInput where they cannot be used."""
        self._contexts[address] = tls_context(options)

    def route(self, address: Address) -> Route:
        """How requests to ``address`` begin. Raises BadInput where its proxy cannot be used."""
        proxy = self._proxy(address)
        host = f"host: {address.authority}\r\n"
        if proxy is None or address.scheme == "https":
            return Route(address.base, host)
        return Route(address.base, host, f"http://{address.authority}", proxy.authorization)

    async def dial(self, address: Address, protocol: asyncio.Protocol) -> None:
        """Connect ``protocol`` with ``address``. Raises ConnectFailed."""
        try:
            await self._dial(address, protocol)
        except OSError as cause:
            raise ConnectFailed(
                f"no connection to {address}: {cause.strerror or cause}",
                hint="is the server running there?",
            ) from cause

    async def _dial(self, address: Address, protocol: asyncio.Protocol) -> None:
        loop = asyncio.get_running_loop()
        if address.scheme == "unix":
            await loop.create_unix_connection(lambda: protocol, address.socket)
            return
        proxy = self._proxy(address)
        tls = self._context(address) if address.scheme == "https" else None
        if proxy is None:
            await loop.create_connection(lambda: protocol, address.host, address.port, ssl=tls)
        elif tls is None:
            await loop.create_connection(lambda: protocol, proxy.host, proxy.port)
        else:
            await _through(proxy, address, tls, protocol)

    def _proxy(self, address: Address) -> Proxy | None:
        return None if self._proxies is None else self._proxies.of(address)

    def _context(self, address: Address) -> SSLContext:
        return self._contexts.get(address) or self._usual or tls_context(TlsOptions())


def tls_context(options: TlsOptions) -> SSLContext:
    """What ``options`` mean to TLS. Raises BadInput where the file cannot be used."""
    if options.ca is None:
        return _usual_context()
    try:
        return _make_context(options.ca)
    except OSError as cause:  # SSLError is one
        raise BadInput(
            f"the file of authorities cannot be used: {options.ca}: {cause.strerror or cause}",
            hint="name a file of certificates in PEM",
        ) from cause


@lru_cache(maxsize=1)
def _usual_context() -> SSLContext:
    return _make_context(None)


def _make_context(ca: Path | None) -> SSLContext:
    # Imported here because few processes speak TLS, and the certificates take a megabyte.
    from ssl import create_default_context

    context = create_default_context(cafile=ca)
    context.set_alpn_protocols(["http/1.1"])
    return context


# tunnels


async def _through(
    proxy: Proxy, address: Address, tls: SSLContext, protocol: asyncio.Protocol
) -> None:
    """TLS with ``address`` through a tunnel that ``proxy`` opens. Raises OSError, ConnectFailed."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bytes] = loop.create_future()
    transport, _ = await loop.create_connection(
        lambda: _Greeting(address, proxy, answer), proxy.host, proxy.port
    )
    try:
        _check(await answer, proxy)
        secured = await loop.start_tls(transport, protocol, tls, server_hostname=address.host)
    except BaseException:  # the tunnel is closed, whatever stopped it
        transport.abort()
        raise
    protocol.connection_made(cast("asyncio.Transport", secured))


class _Greeting(asyncio.Protocol):
    """Asks a proxy for a tunnel, and waits for the head of its answer."""

    def __init__(self, address: Address, proxy: Proxy, answer: asyncio.Future[bytes]) -> None:
        host = f"[{address.host}]" if ":" in address.host else address.host
        self._place = f"{host}:{address.port}"
        self._proxy = proxy
        self._answer = answer
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        head = f"CONNECT {self._place} HTTP/1.1\r\nhost: {self._place}\r\n"
        text = f"{head}{self._proxy.authorization}\r\n"
        cast("asyncio.Transport", transport).write(text.encode("latin-1"))

    def data_received(self, data: bytes) -> None:
        self._data += data
        if (END in self._data or len(self._data) > _ANSWER_MAX) and not self._answer.done():
            self._answer.set_result(self._data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("it closed the connection"))


def _check(answer: bytes, proxy: Proxy) -> None:
    """Raises ConnectFailed unless the tunnel is open."""
    head, _, rest = answer.partition(END)
    try:
        status = parse_response(head + END).status
    except BadHead as cause:
        raise ConnectFailed(f"the proxy {proxy} does not speak HTTP: {cause}") from cause
    if not 200 <= status < 300 or rest:
        hint = "user and password stand in the proxy's URL" if status == 407 else None
        raise ConnectFailed(f"the proxy {proxy} opened no tunnel: it answered {status}", hint=hint)
