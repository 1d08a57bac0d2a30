"""HTTP/1.1: a small server and a pooled client, streaming both ways.

Belongs here: the protocol over TCP, TLS (client) and Unix sockets, its bounds and refusals, and the
little formats that travel in it (JSON answers, server-sent events, lines); how a listening socket
is had from the keeper; `Wake`, by which a task goes on in the call that it waits for.
Does not belong here: what any route means, who may call it, retries of work, any policy.
Runs on any asyncio event loop, and holds neither pydantic nor a second HTTP library.
"""

from sutazai.wire.address import Address
from sutazai.wire.client import Client, Sent
from sutazai.wire.client_response import ClientResponse
from sutazai.wire.dialing import TlsOptions
from sutazai.wire.framing import chunk_line
from sutazai.wire.headers import Headers
from sutazai.wire.inbound import Receiver, Splice
from sutazai.wire.limits import ClientLimits, ServerLimits, Timeout
from sutazai.wire.lines import LineSplitter
from sutazai.wire.listeners import ListenerSpec, fetch_listeners
from sutazai.wire.messages import Handler, Pairs, Request, Response, error_response, json_response
from sutazai.wire.proxies import Proxies
from sutazai.wire.pushing import Pushed, Sink
from sutazai.wire.router import Router
from sutazai.wire.server import Server
from sutazai.wire.sse import SseDecoder, SseEvent, sse_event
from sutazai.wire.wake import Wake

__all__ = [
    "Address", "Headers", "Pairs", "Request", "Response", "Handler",
    "json_response", "error_response",
    "Pushed", "Sink", "Splice", "chunk_line", "Wake",
    "Server", "ServerLimits", "Router",
    "Client", "ClientLimits", "ClientResponse", "Sent", "Receiver", "Timeout",
    "TlsOptions", "Proxies",
    "sse_event", "SseDecoder", "SseEvent", "LineSplitter",
    "ListenerSpec", "fetch_listeners",
]  # fmt: skip
