"""Which turns of a conversation go where it is too long: the oldest first, never in silence.

What stays: the system's texts, the newest user's turn, and what came of it last. What belongs
together goes together: a question with all that was answered to it, a model's calls of tools with
their results.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple

from sutazai.gateway.dialects.facts import Kind, Prompt, Turn
from sutazai.gateway.dialects.neutral import JsonObject


class Shrunk(NamedTuple):
    """A body that fits, and how many turns it lost."""

    body: JsonObject
    dropped: int


def shrink(body: JsonObject, prompt: Prompt, fits: Callable[[int], bool]) -> Shrunk | None:
    """``body`` (of which ``prompt`` was read) without its oldest turns, so that ``fits`` holds of
    the characters left; None where even the newest turn does not fit."""
    if prompt.texts:
        return Shrunk(body, 0) if fits(max(prompt.texts)) else None
    gone = _to_drop(prompt, fits)
    if gone is None or not gone:
        return None if gone is None else Shrunk(body, 0)
    listed: Sequence[Any] = body[prompt.key]
    kept = [item for index, item in enumerate(listed) if index not in gone]
    return Shrunk({**body, prompt.key: kept}, len(gone))


def _to_drop(prompt: Prompt, fits: Callable[[int], bool]) -> Collection[int] | None:
    chars = prompt.chars
    gone: set[int] = set()
    for group in _groups(prompt.turns):
        if fits(chars):
            break
        gone.update(group)
        chars -= sum(prompt.turns[index].chars for index in group)
    return gone if fits(chars) else None


def _groups(turns: Sequence[Turn]) -> Iterator[list[int]]:
    """The turns that may go, the oldest first, as indices."""
    spoken = [index for index, turn in enumerate(turns) if turn.kind is not Kind.SYSTEM]
    newest = max((index for index in spoken if turns[index].kind is Kind.USER), default=-1)
    earlier = [index for index in spoken if index < newest]
    later = [index for index in spoken if index > newest]
    yield from _runs(earlier, lambda before, after: turns[after].kind is Kind.USER)
    *rounds, _ = [*_runs(later, lambda before, after: _begins_round(turns, before, after))] or [[]]
    yield from rounds


def _begins_round(turns: Sequence[Turn], before: int, after: int) -> bool:
    """Whether the model speaks again after the results of tools."""
    return turns[before].kind is Kind.TOOL and turns[after].kind is not Kind.TOOL


def _runs(indices: Sequence[int], begins: Callable[[int, int], bool]) -> Iterator[list[int]]:
    run: list[int] = []
    for index in indices:
        if run and begins(run[-1], index):
            yield run
            run = []
        run.append(index)
    if run:
        yield run
