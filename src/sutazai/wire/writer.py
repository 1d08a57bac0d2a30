"""The sending side of a connection, with back-pressure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from sutazai.fleet.errors import PeerClosed

LAST_CHUNK = b"0\r\n\r\n"

COALESCED_MAX = 16 * 1024
"""Bytes up to which parts are joined: one copy is then cheaper than one more buffer."""


class Stalled(Exception):
    """The other side takes nothing."""


class WrongLength(Exception):
    """A body is shorter or longer than was declared."""


class Writer:
    """Writes to a transport and waits while the peer is slow.

    The owner passes the transport's `pause_writing`, `resume_writing` and `connection_lost` on.

    Attributes:
        posted: waits in an `Outbox`.
    """

    __slots__ = ("_waiter", "lost", "paused", "posted", "transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.posted = b""
        self.paused = self.lost = False
        self._waiter: asyncio.Future[None] | None = None

    def pause(self) -> None:
        """The peer takes less than was written."""
        self.paused = True

    def lose(self) -> None:
        """The connection is lost: what is written from now on goes nowhere."""
        self.lost = True
        self.posted = b""
        self.resume()

    def resume(self) -> None:
        self.paused = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def flush(self) -> None:
        """Write what is posted, if it is not written or lost by now."""
        if self.posted:
            message, self.posted = self.posted, b""
            if not self.transport.is_closing():
                self.transport.write(message)

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def write_all(self, head: bytes, body: bytes) -> None:
        """A head and its body in one go."""
        if len(body) <= COALESCED_MAX:
            self.transport.write(head + body)
        else:
            self.transport.writelines((head, body))

    def write_chunk(self, piece: bytes) -> None:
        """One chunk of a chunked body; ``piece`` is not empty."""
        if len(piece) <= COALESCED_MAX:
            self.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        else:
            self.transport.writelines((b"%x\r\n" % len(piece), piece, b"\r\n"))

    async def drain(self, stall: float | None) -> None:
        """Wait until the peer took enough. Raises Stalled after ``stall`` seconds."""
        while self.paused:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(stall):
                    await self._waiter
            except TimeoutError as cause:
                raise Stalled(f"the other side took nothing for {stall:g} s") from cause
            finally:
                self._waiter = None


async def send_pieces(
    writer: Writer,
    body: AsyncIterator[bytes],
    *,
    chunked: bool,
    length: int | None,
    stall: float | None,
) -> None:
    """Send an iterated body in its frame, no faster than the peer takes it.

    Raises Stalled, PeerClosed, WrongLength where it does not come to ``length`` bytes, and what it
    raises.
    """
    sent = 0
    async for piece in body:
        if not piece:
            continue  # an empty chunk would end the body
        sent += len(piece)
        if chunked:
            writer.write_chunk(piece)
        elif length is None or sent <= length:
            writer.write(piece)
        else:
            break
        if writer.paused:
            await writer.drain(stall)
        # Some loops tell of a loss only in their next round, which an eager body never lets come.
        if writer.lost or writer.transport.is_closing():
            raise PeerClosed("the other side is gone")
    if length is not None and sent != length:
        raise WrongLength(f"a body has {sent} bytes, and {length} were declared")
    if chunked:
        writer.write(LAST_CHUNK)


async def close_body(body: object) -> None:
    """Let a body that was not used to its end give up what it holds."""
    close = getattr(body, "aclose", None)
    if close is not None:
        await close()
