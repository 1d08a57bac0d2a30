"""Which of a tier's versions a task gets. Pure.

Weighted rendezvous hashing: every version draws a number for the task from a hash of both names,
and the smallest, divided by the weights, wins. So a task stays with its version without anybody
remembering it, each version gets the share of tasks that its weight says, and a change of one
weight moves only the tasks that it must.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from math import log


def pick(weights: Iterable[tuple[str, float]], sticky: str) -> str | None:
    """The version for ``sticky``, a task's id or whatever stays the same for it.

    None where no weight is above nought.
    """
    drawn = [(_draw(name, sticky) / weight, name) for name, weight in weights if weight > 0]
    return min(drawn)[1] if drawn else None


def _draw(name: str, sticky: str) -> float:
    """A number of exponential distribution, the same for the same names."""
    text = f"{sticky}\0{name}".encode(errors="surrogatepass")
    number = int.from_bytes(blake2b(text, digest_size=8).digest(), "big")
    return -log((number + 1) / 2**64)
