"""What is not the fleet's own: settings of LLM servers, and who listens on its ports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sutazai.fleet.drift import BackendHeld, DriftKind
from sutazai.observe.drift.facts import Fact, Look

DECLARED = "as declared"
OURS = "the fleet"
SHOWN = 60
"""Characters of a command line."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """Somebody who listens on a port and does not belong to the fleet; ``pid`` is None for another
    user's process."""

    port: int
    host: str
    pid: int | None = None
    command: str = ""

    @property
    def told(self) -> str:
        """In words."""
        who = "another user's process" if self.pid is None else f"process {self.pid}"
        command = f" ({self.command[:SHOWN]})" if self.command else ""
        return f"{who}{command} on {self.host}"


def backend_look(held: Iterable[BackendHeld]) -> Look:
    """A fact for each setting that differs, and one for each backend that has none."""
    facts: list[Fact] = []
    away = []
    for backend in held:
        if not backend.available:
            away.append(backend.name)
            continue
        facts += [
            _setting(backend.name, each.name, each.wanted, each.actual) for each in backend.settings
        ] or [_setting(backend.name, "settings", DECLARED, DECLARED)]
    unchecked = (f"settings of {', '.join(away)}: not available",) if away else ()
    return Look(tuple(facts), unchecked=unchecked)


def port_look(registered: Mapping[int, str], strangers: Iterable[Stranger]) -> Look:
    """A fact for each port; ``registered`` says whose each one is."""
    found = {each.port: each for each in strangers}
    return Look(
        tuple(
            Fact(
                kind=DriftKind.PORT,
                unit=owner,
                what=str(port),
                expected=OURS,
                seen=found[port].told if port in found else OURS,
            )
            for port, owner in sorted(registered.items())
        )
    )


def _setting(backend: str, name: str, wanted: str, actual: str) -> Fact:
    return Fact(kind=DriftKind.BACKEND, unit=backend, what=name, expected=wanted, seen=actual)
