"""How many generations at once a backend is good for, where nobody has said. Pure: time goes in.

Hill climbing on measured throughput. A server like Ollama computes so many generations at once and
lets the rest wait inside itself, unseen and out of order with our queue: one place too few wastes
it, one too many gains nothing and takes the choice of who is next away from the scheduler.

Only calls that ran while the present number was in full use are measured; a call that began before
the number was changed is not. Two numbers are compared by the *elasticity* of throughput: one means
that it grows as the places do, nought that more places gain nothing. In between, calls that wait
inside show it: their first token is late by a share of the time that a call takes. The number
doubles while that is worth it, closes in by halves when it is not, asks once whether one less would
do, and rests; now and then it looks one place up and one down again. One model is measured at a
time, for another is of another speed. Where the backend says that it has too much, the number is
halved at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt

MOST = 64
"""The largest number that is tried."""

GAIN, CLEAR_GAIN = 0.2, 0.75
"""Elasticity from which more places are worth it, and from which no late first token refutes it."""

LATE = 0.5
"""A first token counts as late by this share of what one place too many costs at least."""

CALLS_LEAST, CALLS_MOST = 8, 64
"""Calls that a number is measured by; between the two, until the noise is small enough."""

NOISE = 0.15
"""Standard error of the elasticity that is small enough."""

REST, LONGEST_REST = 150, 1200
"""Measured calls between two looks around; doubled after each look that changed nothing."""

OTHER_AFTER = 60.0
"""Seconds after which another model is measured, where the one that was is not asked for."""

STALE = 1800.0
"""Seconds after which a measurement is no measure for a new one."""

CALM = 10.0
"""Seconds after a halving in which further signs of overload belong to the same one."""


@dataclass(slots=True)
class Sample:
    """What calls took while ``places`` were in use. Sums over calls, times in seconds."""

    places: int
    at: float
    calls: int = 0
    work: float = 0.0  # tokens, or calls where no tokens are told
    seconds: float = 0.0
    work_squared: float = 0.0
    seconds_squared: float = 0.0
    work_seconds: float = 0.0
    firsts: int = 0
    first: float = 0.0
    after_first: float = 0.0
    work_after_first: float = 0.0

    def add(self, work: float, seconds: float, first: float | None) -> None:
        self.calls += 1
        self.work += work
        self.seconds += seconds
        self.work_squared += work * work
        self.seconds_squared += seconds * seconds
        self.work_seconds += work * seconds
        if first is not None:
            self.firsts += 1
            self.first += first
            self.after_first += seconds - first
            self.work_after_first += work

    @property
    def throughput(self) -> float:
        """Work a second of all places together, by Little's law: they were all in use."""
        return self.places * self.work / self.seconds

    @property
    def error(self) -> float:
        """Relative standard error of `throughput` (of a ratio of means)."""
        rate = self.work / self.seconds
        residual = (
            self.work_squared - 2 * rate * self.work_seconds + rate * rate * self.seconds_squared
        )
        return sqrt(max(residual, 0.0)) / self.work

    @property
    def speed(self) -> float:
        """Work a second of one generation once it has begun to answer; nought if not known."""
        return self.work_after_first / self.after_first if self.after_first > 0 else 0.0


def elasticity(less: Sample, more: Sample) -> tuple[float, float]:
    """How throughput grows with the places, and the standard error of that."""
    steps = log(more.places / less.places)
    noise = sqrt(less.error**2 + more.error**2) / steps
    return log(more.throughput / less.throughput) / steps, noise


def waits_inside(less: Sample, more: Sample) -> bool:
    """Whether the first token comes later with ``more`` places than sharing alone explains.

    Places too many are waited for inside: with n in use of which one is too many, a call waits an
    n-th of its time. Sharing slows prompt and answer alike, so the answer's speed tells how much.
    """
    if not (less.firsts and more.firsts and less.speed and more.speed):
        return False
    expected = less.first / less.firsts * less.speed / more.speed
    late = more.first / more.firsts - expected
    return late > LATE * more.seconds / more.calls / more.places


def is_worth_it(less: Sample, more: Sample, *, doubt: float) -> bool:
    """Whether the larger number is worth its places.

    Where no first tokens are known, throughput alone decides, and the larger number must be better
    by ``doubt`` standard errors: else noise would carry the number up, a step at a time.
    """
    gain, noise = elasticity(less, more)
    if not (less.firsts and more.firsts):
        return gain - doubt * noise >= GAIN
    return gain >= GAIN and (gain > CLEAR_GAIN or not waits_inside(less, more))


class AdaptiveSlots:
    """Finds the number for one backend. ``count`` is the number to use now."""

    __slots__ = (
        "_base", "_ceiling", "_halved", "_level", "_model", "_resting", "_resting_for", "_sample",
        "_seen", "_since", "_trial", "_whole",
    )  # fmt: skip

    def __init__(self) -> None:
        self._level = 1  # the best number so far
        self._ceiling: int | None = None  # the smallest number that was no better
        self._trial: int | None = None  # the number that is being tried
        self._base: Sample | None = None  # what `_level` gave
        self._sample = Sample(1, 0.0)
        self._since = float("-inf")  # calls that began before this are not measured
        self._whole = False  # whether one less was found to be worse
        self._resting: int | None = None  # calls still to rest, None while it looks around
        self._resting_for = REST
        self._halved = float("-inf")
        self._model = ""  # the one that is measured
        self._seen = float("-inf")  # when it last answered

    @property
    def count(self) -> int:
        return self._trial or self._level

    def ended(
        self,
        now: float,
        *,
        model: str,
        tokens: int,
        seconds: float,
        first_token: float | None,
        running: int,
        waiting: int,
    ) -> int | None:
        """A call has ended well; gives the new number where it is another.

        Args:
            tokens: of its answer; nought where the backend does not tell.
            seconds: that it was at the backend.
            first_token: seconds until its answer began, None where that is not known.
            running: calls at the backend, this one among them.
            waiting: calls in the queue that would go there.
        """
        before = self.count
        if running < before or not waiting:
            self._since = now
        elif self._measures(now, model) and now - seconds >= self._since and seconds > 0:
            self._measure(now, tokens or 1.0, seconds, first_token)
        return self.count if self.count != before else None

    def overloaded(self, now: float) -> int | None:
        """The backend has too much (503, a timeout); gives the new number where it is another."""
        if now - self._halved < CALM:
            return None
        self._halved = now
        before = self.count
        self._settle(now, max(before // 2, 1), ceiling=before)
        return self.count if self.count != before else None

    # measuring

    def _measures(self, now: float, model: str) -> bool:
        """Whether ``model`` is the one that is measured, from now on if need be."""
        if model != self._model:
            if now - self._seen < OTHER_AFTER:
                return False
            self._model = model
            self._settle(now, self._level, ceiling=self._ceiling)
        self._seen = now
        return True

    def _measure(self, now: float, work: float, seconds: float, first: float | None) -> None:
        if not self._sample.calls:
            self._sample.at = now
        self._sample.add(work, seconds, first)
        if self._enough():
            self._try(now, self._decide(now))

    def _enough(self) -> bool:
        """Whether the sample says enough."""
        sample = self._sample
        if sample.calls < max(CALLS_LEAST, 2 * sample.places):
            return False
        if sample.calls >= max(CALLS_MOST, 2 * sample.places):
            return True
        if self._base is None or self._trial is None:
            return self._resting is None and sample.error <= NOISE * log(2)
        less, more = sorted((self._base, sample), key=lambda each: each.places)
        return elasticity(less, more)[1] <= NOISE

    # deciding

    def _decide(self, now: float) -> int | None:
        """The next number to try, None to stay."""
        sample, base = self._sample, self._base
        if self._trial is None:
            self._base = sample
            return self._after_rest(sample.calls) if self._resting is not None else self._next()
        if base is None or now - base.at > STALE:
            self._base = None
            return None
        if self._trial > self._level:
            self._judge_up(base, sample)
        else:
            self._judge_down(base, sample)
        return self._next()

    def _judge_up(self, base: Sample, sample: Sample) -> None:
        if is_worth_it(base, sample, doubt=1.0):
            self._level, self._base, self._whole = sample.places, sample, False
            self._resting_for = REST
            if self._ceiling is not None and self._ceiling <= self._level:
                self._ceiling = None
        else:
            self._ceiling = sample.places

    def _judge_down(self, base: Sample, sample: Sample) -> None:
        if is_worth_it(sample, base, doubt=0.0):
            self._whole = True
        else:
            self._ceiling, self._level, self._base = base.places, sample.places, sample
            self._resting_for = REST

    def _next(self) -> int | None:
        level, ceiling = self._level, self._ceiling
        if ceiling is None and level < MOST:
            return min(2 * level, MOST)
        if ceiling is not None and ceiling - level > 1:
            return (level + ceiling) // 2
        if level > 1 and not self._whole:
            return level - 1
        self._resting = self._resting_for
        self._resting_for = min(2 * self._resting_for, LONGEST_REST)
        return None

    def _after_rest(self, calls: int) -> int | None:
        assert self._resting is not None  # noqa: S101 (for the type checker)
        self._resting -= calls
        if self._resting > 0:
            return None
        self._resting, self._whole = None, False
        if self._level == MOST:
            return self._next()
        self._ceiling = self._level + 1
        return self._level + 1

    def _settle(self, now: float, level: int, *, ceiling: int | None) -> None:
        """Begins anew at ``level``."""
        self._level, self._ceiling = level, ceiling
        self._base = self._resting = None
        self._whole, self._resting_for = False, REST
        self._since = now
        self._try(now, None)

    def _try(self, now: float, trial: int | None) -> None:
        """Measures ``trial`` next, or the level where it is None."""
        self._trial = trial
        if self.count != self._sample.places:
            self._since = now
        self._sample = Sample(self.count, now)
