"""Finds agents that go in circles: the same call again and again in one task. Pure."""

from __future__ import annotations

from collections import OrderedDict

DISTINCT_MAX = 1000
"""Different calls of one task that are remembered; a circle with more calls in it is not found."""


def digest_of(path: str, body: bytes) -> int:
    """What tells calls apart: the endpoint and every byte of the body.

    64 bits of Python's own keyed hash, a quarter of a microsecond for a KiB. For a false alarm many
    different calls of one task would have to collide.
    """
    return hash((path, body))


class Loops:
    """How often each call was made in one task."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: OrderedDict[int, int] = OrderedDict()

    def count(self, digest: int) -> int:
        """The call is made once more; how often it was made, this time included."""
        counts = self._counts
        times = counts[digest] = counts.pop(digest, 0) + 1
        if len(counts) > DISTINCT_MAX:
            counts.popitem(last=False)
        return times

    def take_back(self, digest: int) -> None:
        """The call came to nothing before it reached a model: it is made no more often for it."""
        if digest in self._counts:
            self._counts[digest] -= 1
