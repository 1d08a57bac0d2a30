"""What the fake LLM server is told to do, and how it does it with one answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, fields, replace
from itertools import cycle, islice
from typing import Any

from sutazai.fleet.errors import BadInput, PeerClosed
from tests.gateway.fake_engine import Computation, Engine, Entry, Pace
from tests.gateway.fake_frames import Frames, Said

TOOL_CALL = {"name": "look_up", "arguments": {"city": "Zürich"}}


@dataclass(frozen=True)
class Script:
    """How the backend answers.

    Args:
        tokens: the pieces of every answer.
        as_asked: has so many tokens as the call asks for at most, ``tokens`` again and again.
        thinking: what the model thinks before it.
        tool_calls: calls it asks for in the end.
        reason: why it ends.
        usage: prompt and completion tokens; None leaves them out.
        counted: tells what was really read and said, in the place of ``usage``.
        pace: how fast it computes, and how many calls at once.
        delay: seconds before each frame.
        cut: sends streams in pieces of so many bytes, wherever that cuts them.
        status: answers with this status and an error.
        retry_after: the header of such an answer.
        fail_every: answers every so manieth call with status 500.
        error_after: sends an error within a 200 stream after so many tokens.
        drop_after: breaks the connection after so many tokens, -1 even before the headers.
        end_after: ends the stream properly, but after so many tokens and with no last frame.
        nonsense_after: sends something that is no JSON after so many tokens.
        whole: what an answer without a stream is, byte for byte.
        hang_after: sends nothing more after so many tokens; 0 also keeps the headers back.
        hold: waits before it answers at all.
    """

    tokens: tuple[str, ...] = ("Hello", ", ", "wörld", " 🌍")
    as_asked: bool = False
    thinking: str = ""
    tool_calls: tuple[dict[str, Any], ...] = ()
    reason: str = "stop"
    usage: tuple[int, int] | None = (7, 4)
    counted: bool = False
    pace: Pace = Pace()  # noqa: RUF009 (it is frozen)
    delay: float = 0.0
    cut: int = 0
    status: int = 200
    retry_after: int | None = None
    fail_every: int = 0
    error_after: int | None = None
    drop_after: int | None = None
    end_after: int | None = None
    nonsense_after: int | None = None
    whole: bytes | None = None
    hang_after: int | None = None
    hold: asyncio.Event | None = None


def script_of(value: dict[str, Any], before: Script) -> Script:
    """``before`` with the changes of ``value``, whose pace is an object. Raises BadInput."""
    allowed = {each.name for each in fields(Script)} - {"hold", "whole"}
    if unknown := set(value) - allowed:
        raise BadInput(f"a script has no {', '.join(sorted(unknown))}")
    changes: dict[str, Any] = {
        name: tuple(each) if isinstance(each, list) else each for name, each in value.items()
    }
    if "pace" in changes:
        changes["pace"] = replace(before.pace, **changes["pace"])
    return replace(before, **changes)


class Answer:
    """One answer as the script has it."""

    def __init__(self, engine: Engine, frames: Frames, entry: Entry, script: Script) -> None:
        self._engine = engine
        self._frames = frames
        self._entry = entry
        self._script = script
        count = frames.most() if script.as_asked else None
        tokens = script.tokens if count is None else tuple(islice(cycle(script.tokens), count))
        self._tokens = () if frames.embeds else tokens
        self._computation = Computation(engine, entry, frames.prompt(), len(self._tokens))

    async def whole(self) -> dict[str, Any]:
        try:
            async for _ in self._computation.tokens():
                pass
            await asyncio.sleep(self._script.delay)
        except asyncio.CancelledError:
            pace = self._engine.pace
            self._computation.leave(None if pace.deaf else pace.notice)
            raise
        self._computation.end("done")
        return self._frames.whole(self._said(self._tokens))

    def leave(self, *, complete: bool) -> None:
        """The client has it all, or is gone."""
        if complete:
            self._computation.end("done")
        else:
            self._computation.leave(self._engine.pace.notice)

    def _said(self, tokens: tuple[str, ...]) -> Said:
        script, entry = self._script, self._entry
        usage = (entry.prompt, len(tokens)) if script.counted else script.usage
        return Said(tokens, script.thinking, script.tool_calls, script.reason, usage)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The stream, cut as the script says. Raises PeerClosed where it is to break."""
        buffer = b""
        async for frame in self._frames_in_time():
            buffer += frame
            step = self._script.cut or len(buffer)
            while len(buffer) >= step and buffer:
                yield buffer[:step]
                buffer = buffer[step:]
                if self._script.cut:
                    await asyncio.sleep(0)
        if buffer:
            yield buffer

    async def _frames_in_time(self) -> AsyncIterator[bytes]:
        frames, script = self._frames, self._script
        for frame in frames.begin():
            yield frame
        if script.thinking:
            yield frames.thought(script.thinking)
        async for number in self._computation.tokens():
            for frame in self._trouble(number):
                await self._carry_out(frame)
                yield frame
            if number == script.end_after:
                return
            await asyncio.sleep(script.delay)
            yield frames.piece(self._tokens[number])
        for frame in self._trouble(len(self._tokens)):
            await self._carry_out(frame)
            yield frame
        if script.end_after != len(self._tokens):
            for frame in frames.end(self._said(self._tokens)):
                await asyncio.sleep(script.delay)
                yield frame

    def _trouble(self, number: int) -> Iterator[bytes]:
        script, frames = self._script, self._frames
        if number == script.error_after:
            yield frames.error_frame("scripted trouble")
        if number == script.drop_after:
            yield _DROP
        if number == script.hang_after:
            yield _HANG
        if number == script.nonsense_after:
            yield frames.nonsense()

    async def _carry_out(self, frame: bytes) -> None:
        if frame is _HANG:
            await asyncio.Event().wait()
        if frame is _DROP:
            raise PeerClosed("as scripted")


_DROP, _HANG = b"DROP", b"HANG"
