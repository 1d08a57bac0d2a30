"""The figures, from what the agents noted and what the server did."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from benchmarks.saturated.agents import Asked, Outcome
from benchmarks.saturated.backend import READ_RATE, SLOTS, WRITE_RATE, Job


@dataclass(frozen=True)
class Window:
    """The time that is measured, in seconds of the monotonic clock."""

    begins: float
    ends: float

    @property
    def seconds(self) -> float:
        return self.ends - self.begins

    def part(self, begins: float, ends: float) -> float:
        """How much of the window lies between the two."""
        return max(min(ends, self.ends) - max(begins, self.begins), 0.0)

    def has(self, time: float) -> bool:
        return self.begins <= time < self.ends


@dataclass(frozen=True)
class Ledger:
    """What became of every request.

    ``backlogged`` are the agents that always wait, the greedy one first; ``high`` those of high
    priority. ``missing`` are requests that their clients wait for and no server knows.
    """

    asked: Sequence[Asked]
    jobs: Sequence[Job]
    backlogged: Sequence[str]
    high: frozenset[str]
    window: Window
    missing: int

    def figures(self) -> dict[str, float]:
        service = self._service()
        got = [service[agent] for agent in self.backlogged]
        took = self._service_time()
        return {
            "jain": round(jain(got), 4),
            "jain_without_greedy": round(jain(got[1:]), 4),
            "high_wait_p99_service_times": round(quantile(self._high_waits(), 0.99) / took, 2),
            "high_wait_p50_service_times": round(quantile(self._high_waits(), 0.5) / took, 2),
            "slot_utilisation": round(sum(service.values()) / SLOTS / self.window.seconds, 4),
            "wasted_token_share": round(self._wasted() / self._computed(), 6),
            "lost": self._lost(),
            "duplicated": self._duplicated(),
            "requests_least": min(self._answered().values()),
            "requests_greedy": self._answered()[self.backlogged[0]],
            "refused": sum(1 for asked in self.asked if asked.outcome is Outcome.REFUSED),
            "left": sum(1 for asked in self.asked if asked.outcome is Outcome.LEFT),
            "answers_per_second": round(
                sum(1 for job in self.jobs if job.whole and self.window.has(job.ended))
                / self.window.seconds,
                1,
            ),
            **self._handovers(),
            "prompts_found_on_their_slot": round(self._warm_share(), 3),
            "service_ms": round(took * 1000, 1),
            "seconds": round(self.window.seconds, 1),
        }

    def _service(self) -> Counter[str]:
        """Seconds of a slot that each agent had."""
        agent_of = {asked.key: asked.agent for asked in self.asked}
        found: Counter[str] = Counter()
        for job in self.jobs:
            if job.started:
                found[agent_of[job.key]] += self.window.part(job.started, self._end(job))  # type: ignore[assignment]
        return found

    def _service_time(self) -> float:
        """Seconds of a slot that a request takes whose client stays."""
        return fmean(
            job.ended - job.started
            for job in self.jobs
            if job.whole and self.window.has(job.started)
        )

    def _high_waits(self) -> list[float]:
        """Seconds until they had a slot; of those that had none, as long as is known."""
        started = {job.key: job.started for job in self.jobs if job.started}
        return [
            started.get(asked.key, asked.ended if asked.ended else self.window.ends) - asked.sent
            for asked in self.asked
            if asked.agent in self.high and self.window.has(asked.sent)
        ]

    def _answered(self) -> dict[str, int]:
        counts = dict.fromkeys(self.backlogged, 0)
        for asked in self.asked:
            is_done = asked.outcome is Outcome.DONE and self.window.has(asked.ended)
            if is_done and asked.agent in counts:
                counts[asked.agent] += 1
        return counts

    def _handovers(self) -> dict[str, float]:
        """Milliseconds for which a slot is empty between two requests."""
        gaps, ended = [], dict[int, float]()
        for job in sorted(self.jobs, key=lambda job: job.started):
            if job.started and job.ended:
                if job.slot in ended and self.window.has(job.started):
                    gaps.append(job.started - ended[job.slot])
                ended[job.slot] = job.ended
        return {
            "handover_ms_mean": round(fmean(gaps) * 1000, 2),
            "handover_ms_p50": round(quantile(gaps, 0.5) * 1000, 2),
            "handover_ms_p99": round(quantile(gaps, 0.99) * 1000, 2),
        }

    def _warm_share(self) -> float:
        jobs = [job for job in self.jobs if job.started and self.window.has(job.started)]
        return sum(job.read < job.prompt for job in jobs) / len(jobs)

    # tokens

    def _computed(self) -> int:
        return sum(job.read + job.written for job in self.jobs if job.started)

    def _wasted(self) -> float:
        """Tokens computed after the client had left."""
        left = {asked.key: asked.ended for asked in self.asked if asked.outcome is Outcome.LEFT}
        return sum(
            _after(job, left[job.key]) for job in self.jobs if job.started and job.key in left
        )

    # what must not be

    def _lost(self) -> int:
        """Answers that were wrong or nobody's, and requests that nobody knows any more."""
        wrong = sum(1 for asked in self.asked if asked.outcome is Outcome.WRONG)
        computed = {job.key for job in self.jobs if job.whole}
        made_up = sum(
            1 for asked in self.asked if asked.outcome is Outcome.DONE and asked.key not in computed
        )
        return wrong + made_up + self.missing

    def _duplicated(self) -> int:
        """Requests that were computed again."""
        times = Counter(job.key for job in self.jobs if job.started)
        return sum(count - 1 for count in times.values())

    def _end(self, job: Job) -> float:
        return job.ended or self.window.ends


def _after(job: Job, left: float) -> float:
    """Tokens of ``job`` that were computed after ``left``: of its prompt by the time that was still
    to be read for, then one by one."""
    unread = min(max((job.read_at - max(left, job.started)) * READ_RATE, 0.0), job.read)
    first = max(math.ceil((left - job.read_at) * WRITE_RATE) + 1, 0)
    return unread + max(job.written - first, 0)


def jain(values: Sequence[float]) -> float:
    """Jain's index: one where all have the same, 1/n where one has everything."""
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 0.0


def quantile(values: Iterable[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
