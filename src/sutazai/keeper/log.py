"""The log of the keeper, and of what the host prints before it has a log of its own."""

from __future__ import annotations

import contextlib
import os
import time

LIMIT = 1024 * 1024
CHECK_EVERY = 5.0


def attach(path: str) -> None:
    """Sends standard output and error to the file ``path`` and reads from nothing."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    nothing = os.open(os.devnull, os.O_RDONLY)
    # Appending, so that the host, which writes to the same file, goes on after we cut it.
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    for opened in (nothing, log):
        if opened > 2:
            os.close(opened)


def say(text: str) -> None:
    """One line with its time."""
    at = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    with contextlib.suppress(OSError):  # a full disk must not end the root process
        os.write(2, f"{at} keeper: {text}\n".encode())


class Bound:
    """Keeps the attached log below ``LIMIT`` bytes and one old copy of it.

    It is copied and cut, not renamed, for the host holds the same file open.
    """

    def __init__(self, path: str, now: float, *, descriptor: int = 1) -> None:
        self._old = f"{path}.1"
        self._log = descriptor
        self.due = now + CHECK_EVERY

    def keep(self, now: float) -> None:
        if now < self.due:
            return
        self.due = now + CHECK_EVERY
        try:
            if os.fstat(self._log).st_size > LIMIT:
                self._cut()
        except OSError as error:
            say(f"the log cannot be cut: {error}")

    def _cut(self) -> None:
        # By descriptor: the file may have been moved or removed meanwhile.
        with (
            open(f"/proc/self/fd/{self._log}", "rb", buffering=0) as source,
            open(self._old, "wb", buffering=0) as copy,
        ):
            size = os.fstat(source.fileno()).st_size
            os.sendfile(copy.fileno(), source.fileno(), max(0, size - LIMIT), LIMIT)
        os.ftruncate(self._log, 0)
