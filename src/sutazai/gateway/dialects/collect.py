"""From a streamed answer to a whole one, and back.

A backend may be asked for a stream although the client wants a whole answer, for some notice that
a client left only while they stream; and an answer that was kept may be wanted as a stream.
"""

from __future__ import annotations

from collections.abc import Iterable

from sutazai.fleet.errors import BadPeer, SutazaiError
from sutazai.gateway.dialects.neutral import Answer, Delta, End, Event, JsonObject, ToolCall
from sutazai.gateway.dialects.streams import Decoder, Encoder, backend_speaks, cut_short

ANSWER_MAX = 64 * 1024 * 1024
"""The longest answer that is put together, in bytes of its stream."""


class Collector:
    """Puts a whole answer together. Unlike a pipe it raises what goes wrong, for nothing has been
    given out yet."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._size = 0
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._tool_calls: list[ToolCall] = []
        self._logprobs: list[JsonObject] = []
        self._end: End | None = None

    def feed(self, data: bytes) -> None:
        """The next bytes of the backend. Raises BackendFailed or BadPeer."""
        self._size += len(data)
        if self._size > ANSWER_MAX:
            raise BadPeer(f"the backend's answer is longer than {ANSWER_MAX} bytes")
        self._take(self._decoder.feed(data))

    def finish(self) -> Answer:
        """The answer, at the end of the backend's bytes. Raises BackendFailed or BadPeer."""
        self._take(self._decoder.finish())
        if self._end is None:
            raise cut_short()
        whole = Delta(
            text="".join(self._text),
            thinking="".join(self._thinking),
            tool_calls=tuple(self._tool_calls),
            logprobs=tuple(self._logprobs),
        )
        return Answer(whole, self._end)

    def _take(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, End):
                self._end = event
            elif isinstance(event, str):
                self._text.append(event)
            else:
                self._text.append(event.text)
                self._thinking.append(event.thinking)
                self._tool_calls += event.tool_calls
                self._logprobs += event.logprobs
        error: SutazaiError | None = self._decoder.error
        if error is not None:
            raise error


def replay(answer: Answer, encoder: Encoder, elapsed: float) -> bytes:
    """``answer`` as a whole stream. Raises BadPeer for what the encoder's dialect cannot say."""
    with backend_speaks:
        return encoder.encode(answer.delta, elapsed) + encoder.encode(answer.end, elapsed)
