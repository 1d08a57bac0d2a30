"""Reads what a container prints into its unit's log: the engine keeps it, so nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from pathlib import Path

from sutazai.fleet.errors import SutazaiError
from sutazai.host.containers.engine import Engine
from sutazai.host.containers.frames import Frames, Lines, Piece
from sutazai.host.containers.position import Position, Reader
from sutazai.host.instances.output import LINE_MAX, REMEMBERED, Log

RETRY, RETRY_MAX = 0.2, 5.0


class ContainerOutput:
    """Follows one container's output from where it was read last.

    Args:
        place: file that keeps the position for the next host.
    """

    def __init__(
        self, engine: Engine, container: str, *, instance: str, log: Log, place: Path
    ) -> None:
        self.last_lines: deque[str] = deque(maxlen=REMEMBERED)
        self._engine = engine
        self._container = container
        self._instance = instance
        self._log = log
        self._place = place
        self._reader = Reader(_kept(place))
        self._lines = Lines()
        self._following = asyncio.create_task(self._follow(), name=f"output of {instance}")

    async def close(self) -> None:
        """Takes what the container said last. It has ended, and is still there."""
        await self.leave()
        with contextlib.suppress(SutazaiError):  # it was removed, or the engine is gone
            await self._read(follow=False)
        self._write(self._lines.rest())
        self._place.unlink(missing_ok=True)

    async def leave(self) -> None:
        """Reads no more; the position stays."""
        self._following.cancel()
        await asyncio.wait([self._following])

    async def _follow(self) -> None:
        pause = RETRY
        while True:
            before = self._reader.position
            with contextlib.suppress(SutazaiError):  # the engine is away: it keeps what is said
                await self._read(follow=True)
            pause = RETRY if self._reader.position != before else min(RETRY_MAX, 2 * pause)
            await asyncio.sleep(pause)

    async def _read(self, *, follow: bool) -> None:
        facts = await self._engine.inspect(self._container)
        if facts is None:
            return
        frames = Frames(terminal=bool(facts["Config"].get("Tty")))
        self._reader = Reader(self._reader.position)
        since = self._reader.position.since
        response = await self._engine.logs(self._container, since=since, follow=follow)
        async with response:
            async for piece in response.stream():
                self._take(frames.feed(piece))

    def _take(self, pieces: list[Piece]) -> None:
        lines: list[str] = []
        for output, piece in pieces:
            if (text := self._reader.new(piece)) is not None:
                lines += self._lines.add(output, text)
        self._write(lines)
        if lines and not self._lines.pending:  # what has begun is read again by the next host
            _keep(self._place, self._reader.position)

    def _write(self, lines: list[str]) -> None:
        if lines:
            texts = [line[:LINE_MAX] for line in lines]
            self.last_lines.extend(texts)
            self._log.write(self._instance, texts)


def _kept(place: Path) -> Position:
    try:
        return Position.parse(place.read_text())
    except FileNotFoundError:
        return Position()


def _keep(place: Path, position: Position) -> None:
    fresh = place.with_suffix(".new")
    with contextlib.suppress(OSError):  # a full disk: the next host reads some lines again
        fresh.write_text(str(position))
        fresh.replace(place)
