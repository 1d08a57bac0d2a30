"""What a rule sees in the samples: a number for each of its series. Pure.

The measures are those of PromQL (``rate``, ``histogram_quantile``, ``x - x offset w``), without its
extrapolation: a rate is what was counted within the window over its whole length, so that after a
start one restart is not yet a loop of them.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from sutazai.fleet.alerting import AlertRule, Combine, Measure, Series, Wanted
from sutazai.observe.alerts.tracks import Track
from sutazai.observe.samples import Labels, Sample

COVERED = 0.9
"""Share of its window that growth must have been watched for."""

Index = Mapping[str, Sequence[Sample]]
"""Samples by the name of their metric."""

Found = defaultdict[Labels, list[float]]
"""What is to be combined, by key."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One series as a rule sees it.

    ``value`` is NaN where there is nothing to compare (no calls, so no quantile of them), and None
    where it cannot be told yet (a window that has only begun).
    """

    labels: Labels
    value: float | None


def indexed(samples: Iterable[Sample]) -> Index:
    """``samples`` by name."""
    by_name: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_name[sample.name].append(sample)
    return by_name


def matches(labels: Mapping[str, str], wanted: Mapping[str, Wanted]) -> bool:
    """Whether each wanted label has its value, or one of its values."""
    return all(
        labels.get(name) == value if isinstance(value, str) else labels.get(name) in value
        for name, value in wanted.items()
    )


class Meter:
    """Measures one rule. It remembers its window, and starts anew after a restart."""

    def __init__(self, rule: AlertRule) -> None:
        self._rule = rule
        measure, share_of = _MEASURES[rule.measure], rule.share_of
        self._own = measure(rule, rule)
        self._whole = measure(share_of, rule) if share_of is not None else None

    def read(self, index: Index, now: float) -> list[Reading]:
        """A reading for each series that is there; ``now`` by a clock that never falls."""
        own = self._own.sums(index, now)
        if self._whole is None:
            return [Reading(labels, value) for labels, value in own.items()]
        whole = self._whole.sums(index, now)
        return [
            Reading(labels, self._share(own.get(labels, 0.0), total))
            for labels, total in whole.items()
        ]

    def _share(self, part: float | None, whole: float | None) -> float | None:
        if part is None or whole is None:
            return None
        counted = whole * self._rule.window if self._rule.measure is Measure.RATE else math.inf
        return part / whole if whole > 0 and counted >= self._rule.at_least else math.nan


class _Values:
    """Values as they are."""

    def __init__(self, series: Series, rule: AlertRule) -> None:
        self._series = series
        self._rule = rule

    def sums(self, index: Index, now: float) -> dict[Labels, float | None]:
        found: Found = defaultdict(list)
        for labels, sample in _selected(index, self._series.metric, self._series.labels):
            found[_key(labels, self._rule.by)].append(sample.value)
        return _combined(found, self._rule.combine)


class _Windows:
    """What series did within a window; a subclass says of each what counts."""

    suffix = ""
    counter = True

    def __init__(self, series: Series, rule: AlertRule) -> None:
        self._series = series
        self._rule = rule
        self._window = rule.window
        self._tracks: dict[Labels, Track] = {}
        self._began: float | None = None
        self._before: float | None = None
        self.watched = False

    def _follow(self, index: Index, now: float) -> Iterator[tuple[dict[str, str], Track]]:
        """Every series that is there, brought up to now."""
        seen = [(labels, self._grown(sample, now)) for labels, sample in self._there(index)]
        self._tracks = {
            key: track for key, track in self._tracks.items() if track.seen >= now - self._window
        }
        if self._began is None and seen:
            self._began = now
        self._before = now if seen else None
        self.watched = self._began is not None and now > self._began
        yield from seen

    def _there(self, index: Index) -> Iterator[tuple[dict[str, str], Sample]]:
        return _selected(index, self._series.metric + self.suffix, self._series.labels)

    def _grown(self, sample: Sample, now: float) -> Track:
        track = self._tracks.get(sample.labels)
        if track is None:
            # A counter that was not there a moment ago has counted up from nothing since.
            born = self.counter and self._before is not None
            at, value = (self._before or now, 0.0) if born else (now, sample.value)
            track = Track(self._window, at, value, counter=self.counter)
            self._tracks[sample.labels] = track
        track.add(now, sample.value)
        return track


class _Rates(_Windows):
    """Growth per second of counters."""

    def sums(self, index: Index, now: float) -> dict[Labels, float | None]:
        grown: Found = defaultdict(list)
        for labels, track in self._follow(index, now):
            grown[_key(labels, self._rule.by)].append(track.change / self._window)
        known = _combined(grown, self._rule.combine)
        return known if self.watched else dict.fromkeys(known)


class _Growths(_Windows):
    """How much gauges have grown since a window ago; one at zero is of something not there."""

    counter = False

    def sums(self, index: Index, now: float) -> dict[Labels, float | None]:
        found: Found = defaultdict(list)
        for labels, track in self._follow(index, now):
            grown = found[_key(labels, self._rule.by)]
            if track.covered >= self._window * COVERED:
                grown.append(track.change)
        return _combined(found, self._rule.combine)

    def _there(self, index: Index) -> Iterator[tuple[dict[str, str], Sample]]:
        for labels, sample in super()._there(index):
            if sample.value > 0:
                yield labels, sample
            else:
                self._tracks.pop(sample.labels, None)


class _Quantiles(_Windows):
    """A quantile of what a histogram counted within the window."""

    suffix = "_bucket"

    def sums(self, index: Index, now: float) -> dict[Labels, float | None]:
        buckets: defaultdict[Labels, defaultdict[float, float]] = defaultdict(
            lambda: defaultdict(float)
        )
        for labels, track in self._follow(index, now):
            edge = _edge(labels.pop("le", ""))
            if edge is not None:
                buckets[_key(labels, self._rule.by)][edge] += track.change
        return {
            key: quantile(self._rule.quantile, counts) if self.watched else None
            for key, counts in buckets.items()
        }


Summing = _Values | _Rates | _Growths | _Quantiles
_MEASURES: Mapping[Measure, Callable[[Series, AlertRule], Summing]] = {
    Measure.VALUE: _Values,
    Measure.RATE: _Rates,
    Measure.GROWTH: _Growths,
    Measure.QUANTILE: _Quantiles,
}
_COMBINED: Mapping[Combine, Callable[[Sequence[float]], float]] = {
    Combine.SUM: math.fsum,
    Combine.MEAN: fmean,
    Combine.MAX: max,
}


def _combined(found: Found, combine: Combine) -> dict[Labels, float | None]:
    """One number for the series of each key; None where none of them can be told yet."""
    how = _COMBINED[combine]
    return {key: how(values) if values else None for key, values in found.items()}


def quantile(wanted: float, counts: Mapping[float, float]) -> float:
    """The quantile of a histogram: ``counts`` says for each upper edge how many were below it.

    Within a bucket values are taken as spread evenly, as by PromQL's ``histogram_quantile``. NaN
    where there were none.
    """
    edges = sorted(counts)
    below = [counts[edge] for edge in edges]
    if len(edges) < 2 or below[-1] <= 0:
        return math.nan
    rank = wanted * below[-1]
    at = bisect_left(below, rank)
    if math.isinf(edges[at]):
        return edges[at - 1]
    low, before = (edges[at - 1], below[at - 1]) if at else (0.0, 0.0)
    return low + (edges[at] - low) * (rank - before) / (below[at] - before or 1.0)


def _edge(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _selected(
    index: Index, metric: str, wanted: Mapping[str, Wanted]
) -> Iterator[tuple[dict[str, str], Sample]]:
    for sample in index.get(metric, ()):
        labels = dict(sample.labels)
        if matches(labels, wanted):
            yield labels, sample


def _key(labels: Mapping[str, str], by: tuple[str, ...] | None) -> Labels:
    """The labels of the sum that a series belongs to; without ``by`` each is its own."""
    if by is None:
        return tuple(sorted(labels.items()))
    return tuple(sorted((name, labels.get(name, "")) for name in by))
