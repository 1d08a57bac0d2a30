"""A streamed answer on its way to the client."""

from __future__ import annotations

from collections.abc import Callable

from sutazai.fleet.errors import DeadlineExceeded, SutazaiError
from sutazai.gateway.calls.account import Account
from sutazai.gateway.calls.splicing import Splice
from sutazai.gateway.calls.work import Work, end
from sutazai.gateway.dialects.moulds import Mould
from sutazai.gateway.dialects.neutral import Usage
from sutazai.gateway.dialects.streams import Pipe
from sutazai.gateway.records.call import Outcome
from sutazai.wire import ClientResponse, Sink

KEPT_MAX = 64 * 1024
"""Bytes of an answer that are kept for the record, where answers are kept."""


class Keeping:
    """A pipe that keeps the beginning of what ``pipe`` gives, for the record."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._pieces: list[bytes] = []
        self._size = 0
        self.pieces = 0
        self.around = None

    @property
    def error(self) -> SutazaiError | None:
        return self._pipe.error

    @property
    def ended(self) -> bool:
        return self._pipe.ended

    @property
    def usage(self) -> Usage:
        return self._pipe.usage

    @property
    def mould(self) -> None:
        """What is kept has to be fed."""
        return

    @property
    def kept(self) -> bytes:
        return b"".join(self._pieces)

    def feed(self, data: bytes, elapsed: float) -> bytes:
        return self._keep(self._pipe.feed(data, elapsed))

    def finish(self, elapsed: float) -> bytes:
        return self._keep(self._pipe.finish(elapsed))

    def _keep(self, piece: bytes) -> bytes:
        self._size += len(piece)
        if self._size < KEPT_MAX:
            self._pieces.append(piece)
        return piece


class AnswerStream:
    """The body of a streamed answer, written as the backend sends it.

    Ends the call exactly once, however it ends.

    Args:
        response: what the backend sends.
        pipe: makes of it what the client gets.
        tell: the frame that tells the client of an error after the first byte.
        ended: told of the usage when the answer came to its natural end, if anybody is.
    """

    __slots__ = (
        "_account", "_ahead", "_ended", "_error", "_last_age", "_outcome", "_pipe", "_response",
        "_sink", "_splice", "_tell", "_work",
    )  # fmt: skip

    _sink: Sink

    def __init__(
        self,
        account: Account,
        work: Work,
        response: ClientResponse,
        pipe: Pipe,
        *,
        tell: Callable[[SutazaiError], bytes],
        ended: Callable[[Usage], None] | None,
    ) -> None:
        self._account = account
        self._work = work
        self._response = response
        self._pipe = pipe
        self._tell = tell
        self._ended = ended
        self._last_age = account.age + work.way.backend.route.timeouts.total
        self._ahead = b""
        self._outcome: Outcome | None = None
        self._error: SutazaiError | None = None
        self._splice: Splice | None = None

    async def begin(self) -> None:
        """Wait for the first piece. Raises what goes wrong before it, while there is a status."""
        pipe, account = self._pipe, self._account
        while not self._ahead:
            data = await self._response.next_piece()
            self._ahead = pipe.feed(data, account.age) if data else pipe.finish(account.age)
            if pipe.error is not None and not self._ahead:
                raise pipe.error
            if not data:
                self._outcome = Outcome.DONE if pipe.error is None else None
                return

    # what the client's connection calls

    def attach(self, sink: Sink) -> None:
        self._sink = sink
        self._account.bytes_out += len(self._ahead)
        if self._outcome is Outcome.DONE:
            sink.close(self._ahead)
            return
        sink.write(self._ahead)
        if self._pipe.error is not None:
            self._fail(self._pipe.error)
        else:
            self._response.deliver(self)

    def hold(self) -> None:
        self._response.hold()

    def go_on(self) -> None:
        self._response.go_on()

    async def aclose(self) -> None:
        """The client has it all, or is gone."""
        outcome = self._outcome or (Outcome.DONE if self._complete else Outcome.CANCELLED)
        self._outcome = outcome  # what the backend is heard to say from now on changes nothing
        if isinstance(self._pipe, Keeping):
            self._account.answer = self._pipe.kept
        if outcome is Outcome.DONE:
            self._done()
        end(self._work, self._account, outcome, self._pipe.usage, self._error)

    def _done(self) -> None:
        if self._work.held:
            if self._ended is not None:
                self._ended(self._pipe.usage)
            self._work.done(self._pipe.usage)

    @property
    def _complete(self) -> bool:
        return self._pipe.ended and self._pipe.error is None

    # what the backend's connection calls

    def received(self, data: bytes) -> Splice | None:
        pipe, account = self._pipe, self._account
        age = account.clock() - account.begun
        piece = pipe.feed(data, age)
        account.bytes_out += len(piece)
        self._sink.write(piece)
        if pipe.error is not None:
            self._fail(pipe.error)
        elif age > self._last_age:
            self._fail(DeadlineExceeded("the backend took too long for a whole answer"))
        elif pipe.mould is not None:
            return self._spliced(pipe.mould)
        return None

    def _spliced(self, mould: Mould) -> Splice | None:
        if self._splice is None:
            write = self._sink.splice
            if write is None:
                return None
            self._splice = Splice(self._account, self._pipe, self._sink, write, self._last_age)
        return self._splice.fit(mould)

    def ended(self, last: bytes) -> None:
        pipe, age = self._pipe, self._account.age
        piece = (pipe.feed(last, age) if last else b"") + pipe.finish(age)
        self._account.bytes_out += len(piece)
        if pipe.error is not None:
            self._sink.write(piece)
            self._fail(pipe.error)
        elif self._outcome is None:
            self._outcome = Outcome.DONE
            self._done()  # the backend is free, however long the client takes
            self._sink.close(piece)

    def failed(self, error: Exception) -> None:
        self._fail(error if isinstance(error, SutazaiError) else DeadlineExceeded(str(error)))

    def _fail(self, error: SutazaiError) -> None:
        if self._outcome is None:
            self._outcome, self._error = Outcome.FAILED, error
            self._sink.close(self._tell(error))
