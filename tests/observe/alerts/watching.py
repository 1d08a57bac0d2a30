"""A fleet's samples in virtual time, and rules that watch them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sutazai.fleet.alerting import AlertRule, Notify, Objective
from sutazai.observe.alerts import notices
from sutazai.observe.alerts.book import BOOK, Book
from sutazai.observe.alerts.evaluator import Evaluator, Seen
from sutazai.observe.alerts.notices import Notice
from sutazai.observe.samples import Sample

START = 1_800_000_000.0
EVERY = 10.0


def sample(name: str, value: float, **labels: str) -> Sample:
    """One value of a series."""
    return Sample(name, tuple(sorted(labels.items())), value)


def rule(**keys: Any) -> AlertRule:
    """A rule as the fleet file declares it: ``heat > 5`` unless ``keys`` say otherwise."""
    return AlertRule.model_validate(
        {"metric": "heat", "value": 5, "hold_off": "0s", **{_key(k): v for k, v in keys.items()}}
    )


def _key(name: str) -> str:
    return name.removesuffix("_") if name == "for_" else name


class Watch:
    """Evaluates every ten seconds of a clock that the test turns."""

    def __init__(
        self,
        rules: Mapping[str, AlertRule],
        *,
        objectives: Mapping[str, Objective] | None = None,
        notify: Notify | None = None,
    ) -> None:
        self.now = START
        self.book = Book()
        self.told: list[Notice] = []
        self.notify = notify or Notify.model_validate({"wait": "0s"})
        self._rules = rules
        self._objectives = objectives or {}
        self._evaluator = Evaluator(rules, self._objectives)
        self.last = Seen(self.book)

    def see(self, samples: Iterable[Sample], *, seconds: float = EVERY) -> Seen:
        """Time passes, then these are the samples for the first time."""
        self.now += seconds
        seen = self.last = self._evaluator.step(self.book, samples, self.now)
        self.book, new = notices.due(seen.book, seen.alerts, seen.ended, self.notify)
        self.told += new
        return seen

    def see_for(self, seconds: float, samples: Iterable[Sample]) -> Seen:
        """These are the samples for so long; what the last look found."""
        samples = list(samples)
        for _ in range(max(1, round(seconds / EVERY))):
            seen = self.see(samples)
        return seen

    def restart(self) -> None:
        """Control is killed and comes back with what it had written down."""
        written = BOOK.dump_json(self._evaluator.remembered(self.book))
        self.book = BOOK.validate_json(written)
        self._evaluator = Evaluator(self._rules, self._objectives, self.book)

    def words(self) -> list[str]:
        """What was told so far, as ``WORD RULE``, and forgotten."""
        told = [f"{notice.word} {notice.alert.rule}" for notice in self.told]
        self.told.clear()
        return told
