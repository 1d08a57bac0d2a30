"""An overlay: what one machine has otherwise than its fleet file says, laid over that. Pure.

Keys with values are merged key by key, at every depth; anything else is replaced as a whole, lists
too. A key without a value takes away what the fleet file says there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from sutazai.fleet.assemble import SECTIONS
from sutazai.fleet.document import Document
from sutazai.fleet.explain import kind_of
from sutazai.fleet.positions import Path, Positions, dotted
from sutazai.fleet.problems import Problem

FIXED = ("name",)
"""What no overlay changes: by it the fleet's state folder is found."""

T = TypeVar("T")


def laid_over(document: Document, overlay: Document) -> Document:
    """``document`` with ``overlay`` over it, each key with the place where it was written.

    ``document.data`` must be a mapping.
    """
    merge = _Merge(overlay.positions)
    data = merge.whole(document.data, overlay.data)
    below, over = document.positions, overlay.positions
    positions = Positions(
        below.file,
        {**_outside(below.keys, merge.replaced), **_inside(over.keys, merge.written)},
        {**_outside(below.values, merge.replaced), **_inside(over.values, merge.written)},
        {**_outside(below.files, merge.replaced), **dict.fromkeys(merge.written, over.file)},
    )
    return Document(data, positions, (*document.problems, *overlay.problems, *merge.problems))


class _Merge:
    """Collects what came of a merge: paths that are the fleet file's no more, and those that the
    overlay wrote."""

    def __init__(self, places: Positions) -> None:
        self._places = places
        self.replaced: set[Path] = set()
        self.written: set[Path] = set()
        self.problems: list[Problem] = []

    def whole(self, below: Mapping[str, Any], over: Any) -> dict[str, Any]:
        if not isinstance(over, dict):
            self._refuse((), f"an overlay must be keys with values, not {kind_of(over)}")
            return dict(below)
        for key in FIXED:
            if key in over:
                self._refuse((key,), f"an overlay cannot change `{key}`", "remove it here")
        return self._merged(below, {key: over[key] for key in over if key not in FIXED}, ())

    def _merged(
        self, below: Mapping[str, Any], over: Mapping[str, Any], path: Path
    ) -> dict[str, Any]:
        merged = dict(below)
        for key, value in over.items():
            at, before = (*path, key), merged.get(key)
            if isinstance(value, dict) and isinstance(before, dict):
                merged[key] = self._merged(before, value, at)
            elif value is None and key in merged:
                del merged[key]
                self.replaced.add(at)
            elif value is None and path in _NAMED:
                self._refuse(
                    at, f"there is no `{dotted(at)}` to take away", f"`{key}: {{}}` declares one"
                )
            else:
                merged[key] = value
                self.replaced.add(at)
                self.written.add(at)
        return merged

    def _refuse(self, path: Path, message: str, hint: str | None = None) -> None:
        self.problems.append(self._places.problem(path, message, hint=hint, at_key=True))


_NAMED = {(section,) for section in SECTIONS}
"""Sections whose entries may have nothing but their name."""


def _inside(found: Mapping[Path, T], roots: set[Path]) -> dict[Path, T]:
    return {path: value for path, value in found.items() if _below(path, roots)}


def _outside(found: Mapping[Path, T], roots: set[Path]) -> dict[Path, T]:
    return {path: value for path, value in found.items() if not _below(path, roots)}


def _below(path: Path, roots: set[Path]) -> bool:
    return any(path[:length] in roots for length in range(1, len(path) + 1))
