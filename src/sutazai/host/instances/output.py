"""What instances print: through a FIFO into a log of bounded size.

The FIFO is opened read-write on both sides. So a writer never meets a broken pipe when the host
dies, what it wrote meanwhile waits in the pipe, and the next host reads on where this one ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from sutazai.fleet.log_lines import as_object
from sutazai.fleet.observing import LogFormat
from sutazai.host.bell import Bell

LOG_MAX = 4 * 1024 * 1024
"""Bytes of one log; one older piece of the same size is kept beside it."""
LINE_MAX = 16 * 1024
REMEMBERED = 20
READ_MAX = 64 * 1024


class Log:
    """The log of one unit, ``NAME.log``, rotated to ``NAME.1.log``.

    Args:
        form: how lines are kept, now.
    """

    def __init__(
        self, folder: Path, name: str, form: Callable[[], LogFormat] = lambda: LogFormat.CONSOLE
    ) -> None:
        self.path = folder / f"{name}.log"
        self._older = folder / f"{name}.1.log"
        self._size: int | None = None
        self._form = form
        self.written = Bell()

    def write(self, instance: str, lines: list[str]) -> None:
        """Appends lines, each with the time and who said it. A full disk loses lines, no more."""
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        if self._form() is LogFormat.JSON:
            exact = f"{stamp}.{int(now % 1 * 1000):03d}Z"
            kept = [as_object(line, time=exact, instance=instance) for line in lines]
        else:
            kept = [f"{stamp}Z {instance} | {line}" for line in lines]
        text = "".join(f"{line}\n" for line in kept).encode(errors="replace")
        with contextlib.suppress(OSError):
            self._rotate_before(len(text))
            with self.path.open("ab") as log:
                log.write(text)
            self._size = (self._size or 0) + len(text)
        self.written.fire()

    def _rotate_before(self, more: int) -> None:
        if self._size is None:
            self._size = self.path.stat().st_size if self.path.exists() else 0
        if self._size + more > LOG_MAX and self._size > 0:
            self.path.replace(self._older)
            self._size = 0

    def last(self, count: int) -> list[str]:
        """The last ``count`` lines."""
        lines: deque[str] = deque(maxlen=count)
        for path in (self._older, self.path):
            with contextlib.suppress(FileNotFoundError):
                lines.extend(path.read_text("utf-8", "replace").splitlines())
        return list(lines)


class Output:
    """Reads one instance's FIFO into its unit's log, as lines."""

    def __init__(self, fifo: Path, instance: str, log: Log) -> None:
        self._fifo = fifo
        self._instance = instance
        self._log = log
        self._rest = b""
        self.last_lines: deque[str] = deque(maxlen=REMEMBERED)
        if not fifo.exists():
            os.mkfifo(fifo, 0o600)
        self._descriptor = os.open(fifo, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    def open_for_writing(self) -> int:
        """A descriptor for the instance itself: blocking, read-write."""
        return os.open(self._fifo, os.O_RDWR | os.O_CLOEXEC)

    def close(self) -> None:
        """Takes what is left in the pipe and removes it. The instance has ended."""
        if self._descriptor < 0:
            return
        asyncio.get_running_loop().remove_reader(self._descriptor)
        while self._read():
            pass
        if self._rest:
            self._take([self._rest])
        os.close(self._descriptor)
        self._descriptor = -1
        self._fifo.unlink(missing_ok=True)

    def _read(self) -> bool:
        try:
            data = os.read(self._descriptor, READ_MAX)
        except BlockingIOError:
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_MAX:
            lines.append(self._rest)
            self._rest = b""
        if lines:
            self._take(lines)
        return bool(data)

    def _take(self, lines: list[bytes]) -> None:
        texts = [line[:LINE_MAX].decode("utf-8", "replace") for line in lines]
        self.last_lines.extend(texts)
        self._log.write(self._instance, texts)
