"""Values of many series at one time, and of one series at many times, as packed arrays. Pure."""

from __future__ import annotations

import zlib
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

NOTHING = float("nan")
QUICK = 1
"""Of the levels of zlib: the others take three times as long for a tenth less."""

Numbers = Sequence[float]


@dataclass(frozen=True, slots=True)
class Strip:
    """All series at one time: in the order of ``ids``, the mean, the lowest and the highest value
    from ``at`` (seconds since 1970) until the next strip."""

    at: int
    ids: Sequence[int]
    mean: Numbers
    low: Numbers
    high: Numbers

    @property
    def blobs(self) -> tuple[bytes, bytes, bytes | None, bytes | None]:
        """Ids, means, and lowest and highest values where they differ from the means."""
        ids = array("I", self.ids).tobytes()
        if self.low is self.mean and self.high is self.mean:
            return ids, _packed(self.mean), None, None
        return ids, _packed(self.mean), _packed(self.low), _packed(self.high)


def strip_of(
    at: int, ids: bytes, mean: bytes, low: bytes | None = None, high: bytes | None = None
) -> Strip:
    """From what `Strip.blobs` gave."""
    means = _unpacked(mean)
    return Strip(
        at,
        array("I", ids),
        means,
        means if low is None else _unpacked(low),
        means if high is None else _unpacked(high),
    )


def merged(strips: Sequence[Strip], at: int) -> Strip:
    """One for all of them, for each series that is in any."""
    means, lows, highs = _columns(strips)
    return Strip(
        at,
        list(means),
        [sum(column) / len(column) for column in means.values()],
        [min(column) for column in lows.values()],
        [max(column) for column in highs.values()],
    )


def packed(strips: Sequence[Strip]) -> dict[int, bytes]:
    """Each series by itself, over the times of all ``strips``."""
    count = len(strips)
    columns: defaultdict[int, list[float]] = defaultdict(lambda: [NOTHING] * (3 * count))
    for place, strip in enumerate(strips):
        rows = zip(strip.ids, strip.mean, strip.low, strip.high, strict=True)
        for series, mean, low, high in rows:
            column = columns[series]
            column[place], column[count + place], column[2 * count + place] = mean, low, high
    return {series: zlib.compress(_packed(column), QUICK) for series, column in columns.items()}


def unpacked(data: bytes) -> tuple[Numbers, Numbers, Numbers]:
    """Means, lowest and highest values of one series; NaN where there was none."""
    numbers = _unpacked(zlib.decompress(data))
    count = len(numbers) // 3
    return numbers[:count], numbers[count : 2 * count], numbers[2 * count :]


def times_blob(times: Iterable[int]) -> bytes:
    """Seconds since 1970, to be read by `times_of`."""
    return array("q", times).tobytes()


def times_of(blob: bytes) -> Sequence[int]:
    return array("q", blob)


def _columns(strips: Sequence[Strip]) -> Iterator[Mapping[int, list[float]]]:
    """Means, lowest and highest values by series."""
    for what in ("mean", "low", "high"):
        columns: defaultdict[int, list[float]] = defaultdict(list)
        for strip in strips:
            for series, value in zip(strip.ids, getattr(strip, what), strict=True):
                columns[series].append(value)
        yield columns


def _packed(numbers: Numbers) -> bytes:
    return array("f", numbers).tobytes()


def _unpacked(data: bytes) -> array[float]:
    return array("f", data)
