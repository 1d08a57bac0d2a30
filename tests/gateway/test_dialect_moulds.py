"""Frames that come one at a time, alike but for their words: they say what they say all at once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sutazai.fleet.declared import Dialect
from sutazai.gateway.calls.account import Account
from sutazai.gateway.calls.splicing import Splice
from sutazai.gateway.dialects import CODECS
from sutazai.gateway.dialects.anthropic.messages import MessagesRelay
from sutazai.gateway.dialects.moulds import Mould, mould_of, text_of
from sutazai.gateway.dialects.neutral import Chat, Envelope, Form, Message
from sutazai.gateway.dialects.streams import Pipe, Translation
from sutazai.gateway.records.ledger import Ledger

CALL = Chat((Message("user", "hi"),), stream=True)
ENVELOPE = Envelope("call-1", "m", 1000.0)
AGE = 1.0


def relay(dialect: Dialect) -> Callable[[], Pipe]:
    return lambda: CODECS[dialect].relay(Form.CHAT)


def translation(backend: Dialect, client: Dialect) -> Callable[[], Pipe]:
    def pipe() -> Pipe:
        encoder = CODECS[client].encoder(Form.CHAT, ENVELOPE, CALL)
        return Translation(CODECS[backend].decoder(Form.CHAT), encoder)

    return pipe


def openai(delta: dict[str, Any], **more: Any) -> bytes:
    value = {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": None, **more}]}
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def ollama(message: dict[str, Any], at: str = "2026-01-02T03:04:05.6Z", **more: Any) -> bytes:
    said = {"role": "assistant", **message}
    value = {"model": "m", "created_at": at, "message": said, "done": False, **more}
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def anthropic(delta: dict[str, Any], index: int = 0) -> bytes:
    value = {"type": "content_block_delta", "index": index, "delta": delta}
    return b"event: content_block_delta\ndata: " + json.dumps(value).encode() + b"\n\n"


def raw(text: bytes) -> bytes:
    """A frame as `openai` makes it, whatever stands between the quotes of its text."""
    return openai({"content": "TEXT"}).replace(b"TEXT", text)


texts = st.sampled_from(
    [" word", "Grüß", "two\nlines", 'a "quoted" one', "error", "", "\x7f\u2028"]
)
tool_call = {"index": 0, "id": "1", "function": {"name": "f", "arguments": "{}"}}
from_openai = st.one_of(
    texts.map(lambda text: openai({"content": text})),
    texts.map(lambda text: openai({"content": text}, logprobs={"content": []})),
    texts.map(lambda text: openai({"content": text, "reasoning_content": text})),
    texts.map(lambda text: openai({"content": text, "text": text})),
    texts.map(lambda text: openai({"content": text, "tool_calls": [tool_call]})),
    texts.map(lambda text: openai({"content": text}, finish_reason="stop")),
    texts.map(lambda text: openai({"content": text}, usage={"completion_tokens": 1})),
    st.sampled_from(
        [
            openai({"role": "assistant"}),
            openai({"content": None, "refusal": "no"}),
            raw(b"a\nb"),
            raw(b'a"'),
            raw(b'","x":"'),
            raw(b"\\"),
            raw(b"\\ud83d"),
            raw(b"\xff"),
            b": a comment\n\n",
            b"event: error\n",
            b'data: {"error": {"message": "broken"}}\n\n',
            b"data: [DONE]\n\n",
            b"data: ",
        ]
    ),
)
from_ollama = st.one_of(
    texts.map(lambda text: ollama({"content": text})),
    texts.map(lambda text: ollama({"content": text}, "2026-01-02T03:04:06.123456789Z")),
    texts.map(lambda text: ollama({"content": text, "thinking": text})),
    texts.map(lambda text: ollama({"content": text}, done=True, eval_count=3)),
    st.sampled_from(
        [
            ollama({"content": "x"}).replace(b"x", b"\xff"),
            ollama({"content": "x"}).replace(b'"x"', b'"x", "content": "y"'),
            ollama({"content": "x"}).replace(b"2026", b"\\u0032026"),
            b'{"error": "broken"}\n',
            b"{}\n",
            b"{",
        ]
    ),
)
from_anthropic = st.one_of(
    texts.map(lambda text: anthropic({"type": "text_delta", "text": text})),
    texts.map(lambda text: anthropic({"type": "text_delta", "text": text}, index=1)),
    st.sampled_from(
        [
            anthropic({"type": "input_json_delta", "partial_json": "{}"}),
            b'event: message_stop\ndata: {"type": "message_stop"}\n\n',
            b'event: error\ndata: {"type": "error", "error": {"message": "broken"}}\n\n',
        ]
    ),
)
PIPES = [
    (relay(Dialect.OPENAI), openai({"content": "first"}), from_openai),
    (relay(Dialect.OLLAMA), ollama({"content": "first"}), from_ollama),
    (MessagesRelay, anthropic({"type": "text_delta", "text": "first"}), from_anthropic),
    (translation(Dialect.OPENAI, Dialect.OLLAMA), openai({"content": "first"}), from_openai),
    (translation(Dialect.OPENAI, Dialect.OPENAI), openai({"content": "first"}), from_openai),
    (translation(Dialect.OLLAMA, Dialect.OPENAI), ollama({"content": "first"}), from_ollama),
]


class Client:
    """What a splice sends to, once `Splice` is asked to take a piece."""

    def __init__(self, pipe: Pipe) -> None:
        self.over = False
        self.out = b""
        now = time.monotonic()
        self._account = Account("call-1", Ledger(), lambda: now + AGE, lambda: 0.0, False, now, 0.0)
        self._pipe = pipe
        self._splice = Splice(self._account, pipe, self, self._write, 60.0)  # type: ignore[arg-type]
        self._fits = False
        self._size = 0
        self.taken = 0

    def give(self, *pieces: bytes) -> None:
        """Chunks of the backend's that come together."""
        data = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        if self._fits and self._splice.take(data):
            self.taken += len(pieces)
            return
        self.out += self._pipe.feed(b"".join(pieces), AGE)
        self._fits = self._pipe.mould is not None and len(pieces) == 1
        if self._pipe.mould is not None and self._fits:
            self._splice.fit(self._pipe.mould)

    def _write(self, data: bytes) -> None:
        while data:
            line, _, rest = data.partition(b"\r\n")
            size = int(line, 16)
            assert rest[size : size + 2] == b"\r\n"
            self._size += size
            self.out += rest[:size]
            data = rest[size + 2 :]
        assert self._account.bytes_out == self._size


def heard(pipe: Pipe, *lumps: list[bytes]) -> tuple[object, ...]:
    client = Client(pipe)
    for pieces in lumps:
        if pipe.error is None and pieces:
            client.give(*pieces)
    if pipe.error is None:
        client.out += pipe.finish(AGE)
    return _read(client.out), type(pipe.error), pipe.ended, pipe.usage


def _read(out: bytes) -> list[object]:
    """The frames, whatever the spelling of their JSON."""
    frames: list[object] = []
    for line in out.decode(errors="replace").splitlines():
        mark, _, data = line.partition("{")
        try:
            frames.append((mark, json.loads("{" + data)))
        except ValueError:
            frames.append(line)
    return [frame for frame in frames if frame]


@pytest.mark.parametrize("at", range(len(PIPES)))
@given(data=st.data())
@settings(max_examples=100)
def test_it_does_not_matter_whether_frames_come_alone(at: int, data: st.DataObject) -> None:
    make, first, frames = PIPES[at]
    said = data.draw(st.lists(st.one_of(st.just(first), frames), max_size=8))
    assert heard(make(), *([piece] for piece in said)) == heard(make(), [b"".join(said)])


@pytest.mark.parametrize("at", range(len(PIPES)))
@given(data=st.data())
@settings(max_examples=100)
def test_it_does_not_matter_how_many_chunks_come_together(at: int, data: st.DataObject) -> None:
    make, first, frames = PIPES[at]
    lump = st.lists(st.one_of(st.just(first), frames), min_size=1, max_size=4)
    lumps = [[first], *data.draw(st.lists(lump, max_size=4))]
    together = [b"".join(piece for pieces in lumps for piece in pieces)]
    assert heard(make(), *lumps) == heard(make(), together)


@pytest.mark.parametrize(("make", "first", "_"), PIPES)
def test_what_is_like_the_frame_before_is_taken(
    make: Callable[[], Pipe], first: bytes, _: object
) -> None:
    pipe = make()
    client = Client(pipe)
    for words in (b"first", b"second", rb"th\"ird", b"fourth\\\\", "fünfte".encode()):
        client.give(first.replace(b"first", words).replace(b"05.6Z", b"05.61Z"))
    assert client.taken >= 3 and pipe.usage.completion_tokens == 5
    assert client.out.count(b'th\\"ird') == 1 and "fünfte".encode() in client.out


@pytest.mark.parametrize(("make", "first", "_"), PIPES)
def test_what_comes_together_is_taken_together(
    make: Callable[[], Pipe], first: bytes, _: object
) -> None:
    pipe = make()
    client = Client(pipe)
    for frame in (first, first.replace(b"05.6Z", b"05.61Z")):  # also times are learned
        client.give(frame)
    taken = client.taken
    client.give(*(first.replace(b"first", b"%d" % number) for number in range(5)))
    assert client.taken == taken + 5 and pipe.usage.completion_tokens == 7
    assert [client.out.count(b'"%d"' % number) for number in range(5)] == [1] * 5


def test_nothing_is_taken_for_who_is_gone_or_after_the_time_is_over() -> None:
    pipe = CODECS[Dialect.OPENAI].relay(Form.CHAT)
    client = Client(pipe)
    client.give(raw(b"one"))
    client.over = True
    client.give(raw(b"two"))
    assert client.taken == 0
    late = Client(CODECS[Dialect.OPENAI].relay(Form.CHAT))
    late._splice._until = 0.0
    late.give(raw(b"one"))
    late.give(raw(b"two"))
    assert late.taken == 0


def test_a_mould_is_what_stands_around_the_text() -> None:
    before, after = raw(b"TEXT").split(b'"TEXT"')
    assert mould_of(raw(b"one")) == Mould(before, after)
    assert text_of(raw(b"one")) == "one"
    before, between, after = ollama({"content": "TIME"}, "TIME").split(b"TIME")
    assert mould_of(ollama({"content": "one"})) == Mould(before, after[1:], between[:-1])


@pytest.mark.parametrize(
    "unclear",
    [
        openai({"content": "one", "text": "one"}),
        openai({"content": 'a "quoted" one'}),
        openai({"refusal": "no"}),
        b"",
    ],
)
def test_there_is_none_where_the_text_is_not_clear(unclear: bytes) -> None:
    assert mould_of(unclear) is None
