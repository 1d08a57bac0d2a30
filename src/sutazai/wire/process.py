"""What this process itself takes, for the metrics of every process of the house."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sutazai.wire.exposition import Row, Table, Value, counter, families, gauge, labels

STATM = Path("/proc/self/statm")
PAGE = os.sysconf("SC_PAGE_SIZE")


def own_families(process: str) -> Iterator[bytes]:
    """The families of the process that is called ``process``."""
    return families(OWN, [process])


def _of(read: Callable[[], int | float | None]) -> Callable[[str], Iterator[Value]]:
    def values(process: str) -> Iterator[Value]:
        if (value := read()) is not None:
            yield labels(process=process), value

    return values


def _resident() -> int | None:
    try:
        return int(STATM.read_bytes().split()[1]) * PAGE
    except OSError:  # no Linux
        return None


_CPU: Row[str] = counter(
    "sutazai_process_cpu_seconds_total", "CPU time of the house's process.", _of(time.process_time)
)
_MEMORY: Row[str] = gauge(
    "sutazai_process_resident_memory_bytes",
    "Main memory that the house's process holds.",
    _of(_resident),
)
OWN: Table[str] = (_CPU, _MEMORY)
