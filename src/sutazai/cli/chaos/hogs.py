"""Programs that take memory or burn cores beside the fleet. They end when whoever started them
does: each watches its standard input.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Self

_MEMORY = """
import pathlib, sys
pathlib.Path("/proc/self/oom_score_adj").write_text("1000")  # the first to be killed
held = bytearray(int(sys.argv[1]))
for place in range(0, len(held), 4096):
    held[place] = 1
sys.stdin.read()
"""
_CPU = """
import select, sys
while not select.select([sys.stdin], [], [], 0)[0]:
    for _ in range(1_000_000):
        pass
"""


class Hog:
    """One such program."""

    def __init__(self, program: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @classmethod
    def of_memory(cls, size: int) -> Self:
        """Holds ``size`` bytes; the kernel ends it before anything else."""
        return cls(_MEMORY, str(size))

    @classmethod
    def of_cpu(cls) -> Self:
        """Keeps one core busy."""
        return cls(_CPU)

    @property
    def pid(self) -> int:
        return self._process.pid

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
