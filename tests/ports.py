"""Ports for what a test starts later, by number."""

from __future__ import annotations

import random
from itertools import cycle

from sutazai.host.instances.ports import is_free

FIRST, LAST = 12_000, 19_999
"""Below those that the kernel gives to outgoing connections, which come and go at any moment."""

_ports = cycle(range(FIRST, LAST + 1))
for _ in range(random.randrange(LAST - FIRST)):  # two runs beside each other do not begin alike
    next(_ports)


def free_port() -> int:
    """A port of loopback on which nobody listens now; another one each time."""
    return next(port for port in _ports if is_free(port))
