"""``sutazai apply --watch``: applies a fleet on every change, until somebody ends it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from sutazai.cli.apply_view import Telling
from sutazai.cli.offer import Asked
from sutazai.fleet.errors import (
    BadPeer,
    Conflict,
    DeadlineExceeded,
    PeerClosed,
    SutazaiError,
    Unavailable,
)
from sutazai.fleet.revisions import FleetPlan
from sutazai.fleet.watching import (
    Apply,
    Look,
    TellGone,
    Watching,
    begin,
    decide,
    done,
    put_off,
)

LOOK_EVERY = 1.0

PASSES = (BadPeer, Conflict, DeadlineExceeded, OSError, PeerClosed, Unavailable)
"""What is over by and by: a rollout that goes on, a control that restarts, a drive that is away."""


class Source(Protocol):
    """Where a fleet is declared."""

    def look(self) -> Look:
        """What lies there now. Raises what `PASSES` names, and what keeps it from being looked at
        for good."""

    def apply(self, asked: Asked) -> FleetPlan:
        """Offers what lies there to control."""


class Watcher:
    """Looks at a source again and again, and applies what changes.

    Args:
        pause: waits that many seconds.
    """

    def __init__(
        self,
        source: Source,
        asked: Asked,
        telling: Telling,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._source = source
        self._asked = asked
        self._telling = telling
        self._clock = clock
        self._pause = pause

    def run(self) -> None:
        """Until it is interrupted."""
        found = self._source.look()
        self._telling.watching(sorted(found.sources), sorted(found.secrets))
        state = begin(found)
        while True:
            state = self._step(state)
            self._pause(LOOK_EVERY)

    def _step(self, before: Watching) -> Watching:
        try:
            state, decision = decide(before, self._source.look(), self._clock())
        except (SutazaiError, OSError) as error:
            return self._put_off(before, error)
        if isinstance(decision, TellGone):
            self._telling.gone(decision.files, holds=decision.holds)
        elif isinstance(decision, Apply):
            return self._apply(state, decision)
        return state

    def _apply(self, state: Watching, change: Apply) -> Watching:
        try:
            plan = self._source.apply(self._asked)
        except PASSES as error:
            return self._put_off(state, error)
        except SutazaiError as error:
            self._telling.refused(error)
        else:
            self._telling.applied(plan, change)
        return done(state)

    def _put_off(self, state: Watching, error: SutazaiError | OSError) -> Watching:
        after, is_news = put_off(state, str(error), self._clock())
        if is_news:
            self._telling.waiting(error)
        return after
