"""Where the calls of a caller for a name go, whatever they say: looked up once, and kept.

Nearly every call is like one before it in all but its prompt. What follows from who calls and which
model is named is the same for all of them until the catalogue is another.
"""

from __future__ import annotations

from dataclasses import dataclass

from sutazai.gateway.backends.catalogue import Catalogue, Target
from sutazai.gateway.backends.registry import Backends
from sutazai.gateway.callers.keys import Caller
from sutazai.gateway.context.fitting import Context, surely_fitting

KEPT_MAX = 4096
"""Courses that are kept; one more, and all are looked up again."""


@dataclass(frozen=True, slots=True)
class Course:
    """The ``targets`` that a call may be sent to, in this order.

    ``context`` is the shortest that it may meet at the first of them, None where none is known; a
    body of no more than ``fitting`` bytes fits there, whatever it says.
    """

    caller: Caller
    targets: tuple[Target, ...]
    context: Context | None
    fitting: int


class Courses:
    """The courses of all callers, by what ``backends`` have at the time."""

    def __init__(self, backends: Backends) -> None:
        self._backends = backends
        self._catalogue: Catalogue | None = None
        self._kept: dict[tuple[str, str | None], Course] = {}

    def known(self, caller: Caller, name: str | None) -> Course | None:
        """The course of such calls, where it was found before and still holds."""
        if self._catalogue is not self._backends.catalogue:
            return None
        course = self._kept.get((caller.name, name))
        if course is None or course.caller is not caller:
            return None
        self._backends.wanted(course.targets[0])
        return course

    async def find(self, caller: Caller, name: str | None, sticky: str) -> Course:
        """The course of a call; ``sticky`` decides among a tier's versions.

        Raises UnknownModel, NoModel or Refused.
        """
        target = await self._backends.resolve(name, sticky)
        catalogue = self._backends.catalogue
        if caller.tiers:
            caller.check(name or target.name, _tiers_of(catalogue, target))
        others = [
            each
            for each in catalogue.chain(target, sticky)
            if each.tier is None or caller.may(each.tier)
        ]
        context = context_at(self._backends, target)
        course = Course(caller, (target, *others), context, surely_fitting(context))
        if not catalogue.versions:  # each task has its own
            self._keep(catalogue, course, name)
        return course

    def _keep(self, catalogue: Catalogue, course: Course, name: str | None) -> None:
        if catalogue is not self._catalogue or len(self._kept) >= KEPT_MAX:
            self._catalogue, self._kept = catalogue, {}
        self._kept[course.caller.name, name] = course


def context_at(backends: Backends, target: Target) -> Context | None:
    """The shortest of the contexts that a call for ``target`` may meet."""
    contexts = [
        Context(tokens, fixed=backends.state(backend).is_fixed(model or ""))
        for backend, model in target.models.items()
        if (tokens := target.context(backend)) is not None
    ]
    return min(contexts, key=lambda each: each.tokens, default=None)


def _tiers_of(catalogue: Catalogue, target: Target) -> list[str]:
    """The tiers that ``target`` belongs to: itself, or those that have the model."""
    if target.tier is not None:
        return [target.tier]
    tiers = catalogue.tiers
    return [name for name, tier in tiers.items() if tier.models.items() & target.models.items()]
