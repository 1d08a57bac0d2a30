"""What to do when files change that a fleet is declared by. Pure.

A change counts once it has rested, so that half of a save is not taken for the whole. What was
applied or refused once is not tried again before the next change; what could not be done at the
moment is tried again by and by. A file that is gone may be an unmounted drive or the middle of a
save: it takes nothing away from the fleet, and nothing is applied until it is back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

Stamp = tuple[int, ...] | str
"""Tells one content of a file from another; that of a Git source is its commit."""

SETTLED = 1.0
"""Seconds for which a change must have rested."""
RETRY_AFTER = 5.0
"""Seconds until what could not be done is tried again."""


@dataclass(frozen=True)
class Look:
    """What lies there at one moment.

    Args:
        sources: the stamps of what declares the fleet, by path; what is not there is not in it.
        secrets: the same of the files that the fleet refers to; None for one that is not there.
    """

    sources: Mapping[str, Stamp]
    secrets: Mapping[str, Stamp | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Watching:
    """What is known from one look to the next; times are seconds of one clock.

    Args:
        seen: the last look, and ``since`` when it has been the same.
        handled: what was applied or refused last.
        gone: files of which it was told that they are gone.
        waits_for: why the present change could not be applied yet, as it was told.
    """

    seen: Look
    since: float
    handled: Look | None = None
    gone: frozenset[str] = frozenset()
    waits_for: str = ""
    retry_at: float = 0.0


@dataclass(frozen=True)
class Rest:
    """There is nothing to do."""


@dataclass(frozen=True)
class TellGone:
    """These files were there and are no more; whether that ``holds`` everything else up."""

    files: tuple[str, ...]
    holds: bool


@dataclass(frozen=True)
class Apply:
    """The fleet is to be applied, for these ``files`` that declare it changed, or these of its
    ``secrets``; none at the first time."""

    files: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


Decision = Rest | TellGone | Apply


def begin(found: Look) -> Watching:
    """At the first look; what it found is to be applied."""
    return Watching(seen=found, since=float("-inf"))


def decide(before: Watching, found: Look, now: float) -> tuple[Watching, Decision]:
    """What is known now, and what to do."""
    if found != before.seen:
        return replace(before, seen=found, since=now), Rest()
    if now - before.since < SETTLED:
        return before, Rest()
    if before.handled is None:
        return before, Rest() if now < before.retry_at else Apply()
    handled = _with_new_secrets(before.handled, found)
    missing = handled.sources.keys() - found.sources.keys()
    gone = frozenset(missing | set(_secrets_gone(handled, found)))
    after = replace(before, handled=handled, gone=gone)
    if fresh := tuple(sorted(gone - before.gone)):
        return after, TellGone(fresh, holds=bool(missing))
    change = Apply(tuple(_changed(handled, found)), tuple(_secrets_changed(handled, found)))
    if change == Apply():
        return replace(after, waits_for=""), Rest()
    return after, Rest() if missing or now < before.retry_at else change


def done(before: Watching) -> Watching:
    """What was seen last has been applied, or refused for good."""
    return Watching(seen=before.seen, since=before.since, handled=before.seen, gone=before.gone)


def put_off(before: Watching, why: str, now: float) -> tuple[Watching, bool]:
    """What was to be done could not be done; whether ``why`` is news."""
    after = replace(before, waits_for=why, retry_at=now + RETRY_AFTER)
    return after, why != before.waits_for


def _with_new_secrets(handled: Look, found: Look) -> Look:
    """What the fleet refers to since it was applied has not changed since then."""
    return replace(handled, secrets={**found.secrets, **handled.secrets})


def _secrets_gone(handled: Look, found: Look) -> Iterator[str]:
    for path, stamp in found.secrets.items():
        if stamp is None and handled.secrets[path] is not None:
            yield path


def _changed(handled: Look, found: Look) -> Iterator[str]:
    for path, stamp in found.sources.items():
        if stamp != handled.sources.get(path):
            yield path


def _secrets_changed(handled: Look, found: Look) -> Iterator[str]:
    for path, secret in found.secrets.items():
        if secret is not None and secret != handled.secrets[path]:
            yield path
