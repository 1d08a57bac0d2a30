"""What all streamed answers have in common, whatever their dialect.

A pipe takes the bytes that a backend sends and gives the bytes that the client gets. It never
raises: what goes wrong is kept in ``error`` with everything before it given out, so that nothing
already said is lost, and the edge decides how to tell the client. `Relay` passes bytes on in the
same dialect, `Translation` goes through the neutral form.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

from sutazai.fleet.errors import BadInput, BadPeer, SutazaiError
from sutazai.gateway.dialects.moulds import Mould, mould_of, text_of
from sutazai.gateway.dialects.neutral import End, Event, Usage
from sutazai.gateway.dialects.reading import NoObject, read_object

_to_text = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

FRAME_MAX = 16 * 1024 * 1024
"""The longest frame a backend may send, in bytes."""


Around = Callable[[float], tuple[bytes, bytes] | None]
"""What a client's frame has before and after the JSON of a text, for the age of the call in
seconds; None where it needs to be made in another way."""


class Pipe(Protocol):
    """From a backend's bytes to a client's."""

    @property
    def error(self) -> SutazaiError | None:
        """What went wrong, if anything did."""

    @property
    def ended(self) -> bool:
        """Whether the answer's last frame has come."""

    @property
    def usage(self) -> Usage:
        """The tokens so far, as the backend tells them or, before it does, as frames."""

    @property
    def mould(self) -> Mould | None:
        """Of what was fed last, where that was one frame that says a text and nothing else.

        Frames that fit need not be fed: `around` tells what the client gets for them, and each is
        counted in ``pieces``.
        """

    pieces: int

    @property
    def around(self) -> Around | None:
        """What stands around such a text for the client, None where that is what stood there."""

    def feed(self, data: bytes, elapsed: float) -> bytes:
        """What the client gets for ``data``; ``elapsed`` is the age of the call in seconds."""

    def finish(self, elapsed: float) -> bytes:
        """What the client gets at the end of the stream; sets ``error`` if it was early."""


class Relay:
    """Passes a stream on as it is, whole frames at a time, looking at each line of them.

    Until the backend tells the usage, each piece of the answer counts as one token.
    """

    around = None

    def __init__(self) -> None:
        self.error: SutazaiError | None = None
        self.ended = False
        self.mould: Mould | None = None
        self.pieces = 0
        self._rest = b""
        self._told: Usage | None = None

    @property
    def usage(self) -> Usage:
        return Usage(0, self.pieces) if self._told is None else self._told

    def feed(self, data: bytes, elapsed: float) -> bytes:
        """The frames that ``data`` completes; the last part of a frame waits for its end."""
        if not self._rest and self._is_plain(data):
            self.pieces += 1
            self.mould = mould_of(data)
            return data
        self.mould = None
        data = self._rest + data
        cut = self._end_of_frames(data)
        self._rest = data[cut:]
        if len(self._rest) > FRAME_MAX:
            self.error = BadPeer(f"the backend sent a frame of more than {FRAME_MAX} bytes")
        return self._passed(data[:cut])

    def finish(self, elapsed: float) -> bytes:
        """A last frame may lack its end; any other part of a frame is of no use."""
        rest, self._rest = self._rest, b""
        try:
            looks = [self._look(line) for line in rest.split(b"\n") if line]
            is_last = any(looks)
        except BadPeer:
            self.error, is_last = cut_short(), False  # a part of a frame means nothing
        except SutazaiError as error:
            self.error, is_last = error, False
        if self.error is None and not self.ended:
            self.error = cut_short()
        return rest if is_last else b""

    def _passed(self, frames: bytes) -> bytes:
        """``frames`` up to the first that is an error or nonsense."""
        position = 0
        try:
            for line in frames.split(b"\n"):
                if line:
                    self._look(line)
                position += len(line) + 1
        except SutazaiError as error:
            self.error = error
            return frames[: self._end_of_frames(frames[:position])]
        return frames

    @abstractmethod
    def _end_of_frames(self, data: bytes) -> int:
        """Where the last whole frame in ``data`` ends."""

    @abstractmethod
    def _is_plain(self, data: bytes) -> bool:
        """Whether ``data`` is one frame that only has a piece of the answer, as nearly all are:
        then nothing else is done about it."""

    @abstractmethod
    def _look(self, line: bytes) -> bool:
        """Notes the pieces, the usage, and the end in ``ended``; whether the line is an end.

        Raises BackendFailed or BadPeer.
        """


class Decoder(Protocol):
    """From a backend's bytes to events; ``error``, ``ended`` and ``mould`` as in `Pipe`."""

    error: SutazaiError | None
    ended: bool
    mould: Mould | None

    def feed(self, data: bytes) -> list[Event]:
        """The events that ``data`` completes."""

    def finish(self) -> list[Event]:
        """The events that the end of the stream completes."""


class LineDecoder:
    """A decoder whose backend sends each frame on a line."""

    def __init__(self) -> None:
        self.error: SutazaiError | None = None
        self.ended = False
        self.mould: Mould | None = None
        self._rest = b""

    def feed(self, data: bytes) -> list[Event]:
        """The events that ``data`` completes, up to what is an error or nonsense."""
        events: list[Event] = []
        lines = (self._rest + data if self._rest else data).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > FRAME_MAX:
            self.error = BadPeer(f"the backend sent a frame of more than {FRAME_MAX} bytes")
        try:
            for line in lines:
                stripped = line.strip()
                if stripped and not self.ended:
                    self._line(stripped, events)
        except SutazaiError as error:
            self.error = blamed(error)
        plain = self._is_plain(data) and events == [text_of(data)]
        self.mould = mould_of(data) if plain else None
        return events

    def finish(self) -> list[Event]:
        """The last line may lack its end; any other part of a line means nothing."""
        if self.error is not None:
            return []
        events = self.feed(b"\n")
        if isinstance(self.error, BadPeer):
            self.error = cut_short()
        return events

    @abstractmethod
    def _is_plain(self, data: bytes) -> bool:
        """Whether ``data`` is one frame, and nothing that came before makes it mean more."""

    @abstractmethod
    def _line(self, line: bytes, events: list[Event]) -> None:
        """Adds what ``line`` says to ``events``; it has no space around it, and is not empty.

        Raises BackendFailed, BadPeer or BadInput.
        """


class Encoder(Protocol):
    """From events to a client's bytes."""

    def encode(self, event: Event, elapsed: float) -> bytes:
        """The bytes that say ``event``. Raises BadInput for what this dialect cannot say."""

    def around(self, elapsed: float) -> tuple[bytes, bytes] | None:
        """See `Around`."""


class Translation:
    """Goes from one dialect to another through the neutral form."""

    def __init__(self, decoder: Decoder, encoder: Encoder) -> None:
        self._decoder = decoder
        self._encoder = encoder
        self._told: Usage | None = None
        self.error: SutazaiError | None = None
        self.ended = False
        self.pieces = 0
        self.around = encoder.around

    @property
    def mould(self) -> Mould | None:
        return self._decoder.mould

    @property
    def usage(self) -> Usage:
        return Usage(0, self.pieces) if self._told is None else self._told

    def feed(self, data: bytes, elapsed: float) -> bytes:
        return self._encoded(self._decoder.feed(data), elapsed)

    def finish(self, elapsed: float) -> bytes:
        encoded = self._encoded(self._decoder.finish(), elapsed)
        if self.error is None and not self.ended:
            self.error = cut_short()
        return encoded

    def _encoded(self, events: list[Event], elapsed: float) -> bytes:
        self.error = self._decoder.error
        encoded = b""
        try:
            for event in events:
                encoded += self._encoder.encode(event, elapsed)
                if isinstance(event, End):
                    self.ended, self._told = True, event.usage
                else:
                    self.pieces += 1
        except SutazaiError as error:
            self.error = blamed(error)
        return encoded


def is_one(data: bytes, begin: bytes, end: bytes) -> bool:
    """Whether ``data`` is one frame that begins and ends so, and has no other line ends."""
    lines = begin.count(b"\n") + end.count(b"\n")
    return data.startswith(begin) and data.endswith(end) and data.count(b"\n") == lines


def blamed(error: SutazaiError) -> SutazaiError:
    """``error``, where it is in the words: then it is the backend's fault, not the client's."""
    if not isinstance(error, BadInput):
        return error
    fault = BadPeer(f"the backend's answer cannot be used: {error.message}")
    fault.__cause__ = error
    return fault


class _BackendSpeaks:
    """See `backend_speaks`."""

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
            raise blamed(value) from value


backend_speaks = _BackendSpeaks()
"""A context in which errors are `blamed` on the backend."""


def cut_short() -> BadPeer:
    """The backend's stream ended before its last frame."""
    return BadPeer(
        "the backend's answer ended before it was complete",
        hint="ask again; if it happens often, look at the backend's log",
    )


def read_frame(data: bytes) -> dict[str, Any]:
    """One frame of JSON, with no space around it. Raises BadPeer."""
    try:
        return read_object(data)
    except NoObject as cause:
        raise BadPeer("the backend sent a frame that is not a JSON object") from cause
    except (ValueError, RecursionError) as cause:
        raise BadPeer("the backend sent a frame that is not JSON") from cause


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
