"""Which agents may call or write to which. Pure; the rules are `fleet.hierarchy`'s."""

from __future__ import annotations

from collections.abc import Mapping

from sutazai.fleet.errors import Refused
from sutazai.fleet.hierarchy import Hierarchy, Member

_KNOWN_MOST = 20_000


class Links:
    """The links of one fleet. Who has no place in it (people, clients) is not held to any."""

    def __init__(self, members: Mapping[str, Member]) -> None:
        self._hierarchy = Hierarchy(members)
        self._allowed: set[tuple[str, str]] = set()

    def check(self, sender: str, receiver: str) -> None:
        """Raises Refused, with the way that is open."""
        pair = sender, receiver
        if pair in self._allowed:
            return
        if not self.open(sender, receiver):
            raise self._refused(sender, receiver)
        if len(self._allowed) < _KNOWN_MOST:
            self._allowed.add(pair)

    def open(self, sender: str, receiver: str) -> bool:
        """Whether ``sender`` may speak with ``receiver``."""
        members = self._hierarchy.members
        if sender not in members or receiver not in members:
            return True
        return self._hierarchy.may_speak(sender, receiver)

    def team(self, sender: str) -> tuple[str, ...]:
        """Those who report to ``sender``."""
        members = self._hierarchy.members
        return tuple(name for name, member in members.items() if member.lead == sender)

    def _refused(self, sender: str, receiver: str) -> Refused:
        path = self._hierarchy.path(sender, receiver)
        hint = f"ask {path[1]}: {' → '.join(path)}" if path else "no way leads there"
        return Refused(
            f"{sender} does not speak with {receiver}", hint=hint, path=list(path), to=receiver
        )
