"""Dead letters: bounded in number and age, found by what a person knows of them. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sutazai.bus.message import Bounds, Letter, Reason


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which letters are meant; what is not given fits all."""

    ids: Collection[str] = ()
    to: str | None = None
    sender: str | None = None
    type: str | None = None
    reason: Reason | None = None

    def fits(self, letter: Letter) -> bool:
        message = letter.message
        return (
            (not self.ids or message.id in self.ids)
            and self.to in (None, message.to)
            and self.sender in (None, message.sender)
            and self.type in (None, message.type)
            and self.reason in (None, letter.reason)
        )


class Letters:
    """The dead letters that are kept, by the id of their message, oldest first."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._letters: OrderedDict[str, Letter] = OrderedDict()

    def __len__(self) -> int:
        return len(self._letters)

    def __iter__(self) -> Iterator[Letter]:
        return iter(self._letters.values())

    def add(self, letter: Letter) -> None:
        self._letters.pop(letter.message.id, None)
        self._letters[letter.message.id] = letter

    def remove(self, message: str) -> None:
        self._letters.pop(message, None)

    def retire(self, now: float) -> list[str]:
        """The ids of those that went because there are too many or they are too old."""
        gone: list[str] = []
        while self._letters:
            oldest = next(iter(self._letters.values()))
            old = now - oldest.at > self.bounds.letters_kept
            if not old and len(self._letters) <= self.bounds.letters:
                break
            gone.append(oldest.message.id)
            self.remove(oldest.message.id)
        return gone

    def find(self, wanted: Filter, limit: int | None = None) -> list[Letter]:
        """The newest first."""
        found = [letter for letter in reversed(self._letters.values()) if wanted.fits(letter)]
        return found[:limit]
