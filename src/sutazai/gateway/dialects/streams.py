"""What all streamed answers have in common, whatever their dialect.

A pipe takes the bytes that a backend sends and gives the bytes that the client gets. It never
raises: what goes wrong is kept in ``error`` with everything before it given out, so that nothing
already said is lost, and the edge decides how to tell the client. `Relay` passes bytes on in the
same dialect, `Translation` goes through the neutral form.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from types import TracebackType
from typing import Any, Protocol

from sutazai.fleet.errors import BadInput, BadPeer, SutazaiError
from sutazai.gateway.dialects.neutral import End, Event, Usage

_to_text = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

FRAME_MAX = 16 * 1024 * 1024
"""The longest line a backend may send, in bytes."""


class Pipe(Protocol):
    """From a backend's bytes to a client's."""

    error: SutazaiError | None
    ended: bool
    usage: Usage

    def feed(self, data: bytes, elapsed: float) -> bytes:
        """What the client gets for ``data``; ``elapsed`` is the age of the call in seconds."""

    def finish(self, elapsed: float) -> bytes:
        """What the client gets at the end of the stream; sets ``error`` if it was early."""


class Relay:
    """Passes a stream on as it is, whole lines at a time, looking at each of them."""

    def __init__(self) -> None:
        self.error: SutazaiError | None = None
        self.ended = False
        self.usage = Usage()
        self._rest = b""

    def feed(self, data: bytes, elapsed: float) -> bytes:
        """The lines that ``data`` completes; the last part of a line waits for its end."""
        cut = data.rfind(b"\n") + 1
        whole = self._rest + data[:cut] if cut else b""
        self._rest = data[cut:] if cut else self._rest + data
        if len(self._rest) > FRAME_MAX:
            self.error = BadPeer(f"the backend sent a line of more than {FRAME_MAX} bytes")
        return self._passed(whole)

    def finish(self, elapsed: float) -> bytes:
        """A last frame may lack its line's end; any other part of a line is no frame."""
        rest, self._rest = self._rest, b""
        try:
            is_last = self._look(rest)
        except SutazaiError as error:
            self.error, is_last = error, False
        if self.error is None and not self.ended:
            self.error = cut_short()
        return rest if is_last else b""

    def _passed(self, whole: bytes) -> bytes:
        """``whole`` up to the first line that is an error or nonsense."""
        position = 0
        try:
            for line in whole.split(b"\n"):
                if line:
                    self._look(line)
                position += len(line) + 1
        except SutazaiError as error:
            self.error = error
            return whole[:position]
        return whole

    @abstractmethod
    def _look(self, line: bytes) -> bool:
        """Notes the counts, and the end in ``ended``; whether the line is an end.

        Raises BackendFailed or BadPeer.
        """


class Decoder(Protocol):
    """From a backend's bytes to events; ``error`` and ``ended`` as in `Pipe`."""

    error: SutazaiError | None
    ended: bool

    def feed(self, data: bytes) -> list[Event]:
        """The events that ``data`` completes."""

    def finish(self) -> list[Event]:
        """The events that the end of the stream completes."""


class Encoder(Protocol):
    """From events to a client's bytes."""

    def encode(self, event: Event, elapsed: float) -> bytes:
        """The bytes that say ``event``."""


class Translation:
    """Goes from one dialect to another through the neutral form."""

    def __init__(self, decoder: Decoder, encoder: Encoder) -> None:
        self._decoder = decoder
        self._encoder = encoder
        self.error: SutazaiError | None = None
        self.ended = False
        self.usage = Usage()

    def feed(self, data: bytes, elapsed: float) -> bytes:
        return self._encoded(self._decoder.feed(data), elapsed)

    def finish(self, elapsed: float) -> bytes:
        encoded = self._encoded(self._decoder.finish(), elapsed)
        if self.error is None and not self.ended:
            self.error = cut_short()
        return encoded

    def _encoded(self, events: list[Event], elapsed: float) -> bytes:
        self.error = self._decoder.error
        pieces = []
        for event in events:
            try:
                with backend_speaks:
                    pieces.append(self._encoder.encode(event, elapsed))
            except SutazaiError as error:
                self.error = error
                break
            self._note(event)
        return b"".join(pieces)

    def _note(self, event: Event) -> None:
        if isinstance(event, End):
            self.ended = True
            self.usage = event.usage


class _BackendSpeaks:
    """See `backend_speaks`. No generator: every frame of every stream passes through here."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(value, BadInput):
            raise BadPeer(f"the backend's answer cannot be used: {value.message}") from value


backend_speaks = _BackendSpeaks()
"""A context in which what is wrong with the words is the backend's fault, not the client's."""


def cut_short() -> BadPeer:
    """The backend's stream ended before its last frame."""
    return BadPeer(
        "the backend's answer ended before it was complete",
        hint="ask again; if it happens often, look at the backend's log",
    )


def read_frame(data: bytes | str) -> dict[str, Any]:
    """One frame of JSON. Raises BadPeer."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as cause:
        raise BadPeer("the backend sent a frame that is not JSON") from cause
    if not isinstance(value, dict):
        raise BadPeer("the backend sent a frame that is not a JSON object")
    return value


def write_json(value: Any) -> bytes:
    """Compact JSON in UTF-8."""
    try:
        return _to_text(value).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON allows and UTF-8 does not
        return json.dumps(value, separators=(",", ":")).encode()


def count(value: Any) -> int:
    """A count of tokens; whatever is not one is nought."""
    return value if isinstance(value, int) else 0


def text(value: Any) -> str:
    """A piece of text; whatever is not one is empty."""
    return value if isinstance(value, str) else ""
