"""What a fleet takes of memory: ``python -m benchmarks.rolling.memory STATE`` says it every second
or two, in bytes, a line each, until it is ended.

It is a process of its own, for what it reads of hundreds of processes would slow the load down.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.dense.memory import pss_of

EVERY = 1.5


@dataclass
class Watch:
    """Bytes of all processes of a fleet (PSS), by wall-clock seconds."""

    seen: list[tuple[float, int]] = field(default_factory=list)

    def most(self, since: float, until: float = float("inf")) -> int:
        """The largest in that time. At least one look lies there."""
        return max(size for at, size in self.seen if since <= at < until)


@contextmanager
def watching(state: Path) -> Iterator[Watch]:
    """Watches the fleet of that state folder as long as the block lasts."""
    watch = Watch()
    command = [sys.executable, "-m", "benchmarks.rolling.memory", str(state)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines = process.stdout

        def read() -> None:
            for line in lines or ():
                watch.seen.append((time.time(), int(line)))

        reader = threading.Thread(target=read, name="watch memory")
        reader.start()
        try:
            yield watch
        finally:
            process.terminate()
            reader.join()


def total(mark: bytes) -> int:
    """Bytes of all processes with that in their environment."""
    found = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, StopIteration):  # it has ended meanwhile
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found += pss_of(int(entry.name))
    return found


def main() -> None:
    mark = f"SUTAZAI_MARK={sys.argv[1]}".encode()
    while True:
        print(total(mark), flush=True)
        time.sleep(EVERY)


if __name__ == "__main__":
    main()
