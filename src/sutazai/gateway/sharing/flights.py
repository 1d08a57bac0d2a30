"""Equal calls that come together are computed once.

A flight is one computation in a task of its own, which belongs to no client: whoever leaves, the
others get everything from the first byte on, and only when the last one leaves it is cancelled.
An error ends it for all of them, before the answer's head as an exception, after it as the body's
own last words or as an exception.

How fast it goes is up to the foremost reader: at most `AHEAD` bytes are fetched beyond what that
one has read. Whoever falls `EACH_MAX` bytes behind is cut with `TooSlow`, or else the others would
have to wait or memory would grow; a client that is alone is never cut, only waited for. After
`EACH_MAX` bytes of an answer nobody is let in any more.

A call of higher priority does not board a flight that still waits in the queue with a lower one:
it begins a flight of its own, and equal calls board that from then on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from sutazai.fleet.errors import Failed, SutazaiError, Unavailable, drop_traces
from sutazai.gateway.sharing.recording import Recorder
from sutazai.gateway.sharing.tape import Reader, Room, Tape
from sutazai.wire import Response

EACH_MAX = 1024 * 1024
"""Bytes of one answer that are kept for those who come later, or who are slow."""

ALL_MAX = 64 * 1024 * 1024
"""Bytes that all flights together keep. Above it nobody is let in, and the slow are cut early."""

AHEAD = 64 * 1024
"""Bytes that are fetched before anybody has read them."""


class TooSlow(Failed):
    """The client read so slowly that it held the others up, or too much memory."""


class Computation(Protocol):
    """What a flight computes."""

    @property
    def waiting(self) -> bool:
        """Whether it still waits in the queue."""

    async def run(self) -> Response:
        """The answer; what goes wrong before its first byte is raised."""


C = TypeVar("C", bound=Computation)


def _keep_nothing(computation: Computation, body: bytes) -> None:
    pass


class Seat(Generic[C]):
    """One client's place in a flight, and the body of its streamed response.

    Whoever has one leaves it (`aclose` does); a second time does nothing. ``computation`` is the
    one that runs, and ``led`` says whether this client brought it.
    """

    __slots__ = ("_flight", "_left", "_reader", "led")

    def __init__(self, flight: Flight[C], *, led: bool) -> None:
        self._flight = flight
        self._reader = flight.tape.open()
        self._left = False
        self.led = led

    @property
    def computation(self) -> C:
        return self._flight.computation

    async def response(self) -> Response:
        """The answer, to be asked for once: its body is bytes, or this seat.

        Raises what the computation raised.
        """
        flight = self._flight
        while flight.response is None and not flight.over:
            await flight.news()
        if flight.response is None:
            self.leave()
            raise flight.failure()
        response = flight.response
        if not isinstance(response.body, bytes):
            return Response(response.status, response.headers, self)
        self.leave()
        return Response(response.status, response.headers, response.body)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        flight, reader = self._flight, self._reader
        while not self._left:
            if reader.cut:
                self.leave()
                raise TooSlow(
                    "the answer was read too slowly while others read it too",
                    hint="read faster, or switch `cache.share` off",
                )
            if flight.tape.has_more(reader):
                return flight.take(reader)
            if flight.over:
                self.leave()
                if flight.error is not None:
                    raise flight.failure()
                break
            await flight.news()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.leave()

    def leave(self) -> None:
        """Gives the place up; the last one to leave ends the computation."""
        if not self._left:
            self._left = True
            self._flight.let_off(self._reader)


class Flight(Generic[C]):
    """One computation in its task, and those who wait for it. `Flights` makes them.

    Args:
        key: what calls have in common that may board it.
        landed: told of the whole body when the answer came to its natural end.
        closed: told when nobody can board any more: it ended, or was given up.
    """

    def __init__(
        self,
        key: Hashable,
        computation: C,
        rank: int,
        tape: Tape,
        *,
        landed: Callable[[C, bytes], None],
        closed: Callable[[Flight[C]], None],
    ) -> None:
        self.key = key
        self.computation = computation
        self.tape = tape
        self.response: Response | None = None
        self.error: Exception | None = None
        self.over = False
        self._given_up = False
        self._trace: TracebackType | None = None
        self._rank = rank
        self._landed = landed
        self._closed = closed
        self._news = asyncio.Event()
        self._recorder = Recorder(tape, AHEAD, self._news.set)
        self.task = asyncio.create_task(self._fly(), name="flight")
        self.task.add_done_callback(self._settle)

    def admits(self, rank: int) -> bool:
        """Whether it serves a call of ``rank`` as well as a flight of its own would."""
        overtakes = rank < self._rank and self.computation.waiting
        return not (self.tape.sealed or overtakes)

    async def news(self) -> None:
        """Until there is another piece, or whatever else there is to know."""
        self._news.clear()
        await self._news.wait()

    def take(self, reader: Reader) -> bytes:
        piece = self.tape.take(reader)
        self._recorder.moved()
        return piece

    def let_off(self, reader: Reader) -> None:
        self.tape.close(reader)
        self._recorder.moved()
        if not self.tape.has_readers:
            self.tape.release()
            self.give_up()

    def give_up(self) -> None:
        """Cancels the computation, once: a second time would disturb it while it tidies up."""
        if not (self.over or self._given_up):
            self._given_up = True
            self._closed(self)
            self.task.cancel()

    def failure(self) -> Exception:
        """What it failed of, without what earlier raises left on it: many clients raise it."""
        error = self.error or Failed("the answer ended before it began")
        return error.with_traceback(self._trace)

    async def _fly(self) -> None:
        try:
            await self._pass_on(await self.computation.run())
        except Exception as error:  # noqa: BLE001 (every client's seat raises it)
            self._end(error)

    def _settle(self, task: asyncio.Task[None]) -> None:
        """It was cancelled, perhaps before it ran."""
        if not self.over:
            self._end(Unavailable("the gateway is stopping", hint="try again in a moment"))

    async def _pass_on(self, response: Response) -> None:
        body = response.body
        self.response = Response(response.status, tuple(response.headers), body)
        if isinstance(body, bytes):
            whole: bytes | None = body
        else:
            self._news.set()
            await self._recorder.record(body)
            whole = self.tape.whole()
        if whole is not None:
            self._landed(self.computation, whole)
        self._end(None)

    def _end(self, error: Exception | None) -> None:
        self.over = True
        if error is not None:
            if isinstance(error, SutazaiError):
                drop_traces(error)  # this flight's own among them; a bug's are for the log
            self.error, self._trace = error, error.__traceback__
        self._closed(self)
        self._news.set()


class Flights(Generic[C]):
    """All flights under way. Plain counts: how many calls ``led``, and how many ``joined``.

    Args:
        landed: told of every answer that came to its natural end, with its whole body; not of
            streams longer than ``each``.
        each: see `EACH_MAX`.
        total: see `ALL_MAX`.
    """

    def __init__(
        self,
        landed: Callable[[C, bytes], None] = _keep_nothing,
        *,
        each: int = EACH_MAX,
        total: int = ALL_MAX,
    ) -> None:
        self._landed = landed
        self._each = each
        self._space = Room(total)
        self._by_key: dict[Hashable, Flight[C]] = {}
        self._flights: set[Flight[C]] = set()
        self.led = self.joined = 0

    @property
    def under_way(self) -> int:
        return len(self._flights)

    @property
    def cut(self) -> int:
        """How many clients were too slow."""
        return self._space.cut

    @property
    def held(self) -> int:
        """Bytes that are kept for clients that come later, or are slow."""
        return self._space.held

    def join(self, key: Hashable, computation: C, *, rank: int = 0) -> Seat[C]:
        """A seat in the flight of ``key``; where there is none, ``computation`` begins one.

        ``rank`` is nought for the highest priority. Whoever gets a seat leaves it.
        """
        flight = self._by_key.get(key)
        if flight is not None and flight.admits(rank):
            self.joined += 1
            return Seat(flight, led=False)
        self.led += 1
        return Seat(self._begin(key, computation, rank), led=True)

    async def close(self) -> None:
        """Ends all flights; their clients are told."""
        flights = list(self._flights)
        for flight in flights:
            flight.give_up()
        await asyncio.gather(*(flight.task for flight in flights), return_exceptions=True)

    def _begin(self, key: Hashable, computation: C, rank: int) -> Flight[C]:
        tape = Tape(self._space, self._each, AHEAD)
        flight = Flight(key, computation, rank, tape, landed=self._landed, closed=self._closed)
        self._by_key[key] = flight
        self._flights.add(flight)
        flight.task.add_done_callback(lambda task: self._flights.discard(flight))
        return flight

    def _closed(self, flight: Flight[C]) -> None:
        """Nobody can board it any more."""
        if self._by_key.get(flight.key) is flight:
            del self._by_key[flight.key]
