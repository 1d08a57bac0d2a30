"""A fleet in a folder of parts: its files put together as if they were one. Pure.

Sections that several files have are joined, key by key; what stands below such a key is of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sutazai.fleet.document import Document
from sutazai.fleet.explain import kind_of
from sutazai.fleet.positions import Path, Place, Positions, dotted
from sutazai.fleet.problems import Problem


def joined(parts: Sequence[Document], folder: str) -> Document:
    """One document of all; a key that two parts declare is a problem that names both places.

    Args:
        folder: what they are parts of, as the user named it.
    """
    whole = _Whole(folder)
    for part in parts:
        whole.take(part)
    return whole.document()


class _Whole:
    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._data: dict[str, Any] = {}
        self._keys: dict[Path, Place] = {}
        self._values: dict[Path, Place] = {}
        self._files: dict[Path, str] = {}
        self._problems: list[Problem] = []

    def take(self, part: Document) -> None:
        self._problems += part.problems
        if not isinstance(part.data, dict):
            message = f"a part of a fleet must be keys with values, not {kind_of(part.data)}"
            self._problems.append(part.positions.problem((), message))
            return
        for section, value in part.data.items():
            before = self._data.get(section)
            if section not in self._data:
                self._declare((section,), part.positions)
                self._data[section] = {} if isinstance(value, dict) else value
                before = self._data[section]
            elif not (isinstance(before, dict) and isinstance(value, dict)):
                self._refuse((section,), part.positions)
                continue
            if isinstance(value, dict):
                self._join(section, before, value, part.positions)

    def document(self) -> Document:
        positions = Positions(self._folder, self._keys, self._values, self._files)
        return Document(self._data, positions, tuple(self._problems))

    def _join(
        self,
        section: str,
        before: dict[str, Any],
        value: Mapping[str, Any],
        positions: Positions,
    ) -> None:
        for name, each in value.items():
            if name in before:
                self._refuse((section, name), positions)
            else:
                before[name] = each
                self._declare((section, name), positions)

    def _declare(self, path: Path, positions: Positions) -> None:
        """What stands at ``path`` and below it is where ``positions`` says."""
        self._files[path] = positions.file
        deep = len(path)
        for ours, theirs in ((self._keys, positions.keys), (self._values, positions.values)):
            whole = {at: place for at, place in theirs.items() if at[:deep] == path}
            ours.update(whole if deep > 1 else {at: whole[at] for at in whole if len(at) == deep})

    def _refuse(self, path: Path, positions: Positions) -> None:
        line, column = self._first().of_key(path)
        first = f"{self._files[path]}:{line}:{column}"
        self._problems.append(
            positions.problem(
                path,
                f"`{dotted(path)}` is declared twice, first at {first}",
                hint="keep one of them",
                at_key=True,
            )
        )

    def _first(self) -> Positions:
        return Positions(self._folder, self._keys, self._values)
