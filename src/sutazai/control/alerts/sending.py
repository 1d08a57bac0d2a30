"""Sends letters in a process of its own, with a deadline; says which were taken."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sutazai.fleet.alerting import Severity, Target
from sutazai.fleet.errors import BadFleet
from sutazai.fleet.secrets import resolve_secret
from sutazai.observe.alerts.notices import Word
from sutazai.observe.alerts.outbox import Letter

PROGRAM = "sutazai.control.alerts.apprise_program"
WITHIN = 60.0
"""Seconds that all letters of one go have."""
SAID_MAX = 500

_KINDS = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "failure"}


@dataclass(frozen=True)
class Sent:
    """The ids of letters that were taken, and by id why others were not."""

    taken: frozenset[str]
    refused: Mapping[str, str]


class Sender:
    """Sends to the targets of a fleet.

    Args:
        base: the folder that paths of secrets count from.
        within: seconds that one go has.
    """

    def __init__(
        self, targets: Mapping[str, Target], base: Path, *, within: float = WITHIN
    ) -> None:
        self._targets = targets
        self._base = base
        self._within = within

    async def send(self, letters: Sequence[Letter]) -> Sent:
        """Sends each letter once. Never raises for what a target does."""
        if find_spec("apprise") is None:
            why = "Apprise is missing: pip install 'sutazai[alerts]'"
            return Sent(frozenset(), {letter.id: why for letter in letters})
        orders, refused = self._orders(letters)
        taken, why = await _told(orders, self._within) if orders else (frozenset[str](), "")
        refused |= {order["id"]: why for order in orders if order["id"] not in taken}
        return Sent(taken, refused)

    def _orders(self, letters: Sequence[Letter]) -> tuple[list[dict[str, str]], dict[str, str]]:
        """What the program is told; and by id why a letter cannot be sent at all."""
        orders, refused = [], {}
        for letter in letters:
            target = self._targets.get(letter.target)
            if target is None:
                refused[letter.id] = "the fleet has no such target any more"
                continue
            try:
                url = resolve_secret(target.url, os.environ, self._base)
            except BadFleet as error:
                refused[letter.id] = error.message
                continue
            kind = "success" if letter.word is Word.RESOLVED else _KINDS[letter.severity]
            order = {"id": letter.id, "title": letter.title, "body": letter.body, "kind": kind}
            orders.append({**order, "url": url})
        return orders, refused


async def _told(orders: Sequence[Mapping[str, str]], within: float) -> tuple[frozenset[str], str]:
    """The ids that were taken, and what is to be said of the others."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", PROGRAM, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdin is not None  # noqa: S101 (a pipe; for the type)
    assert process.stdout is not None  # noqa: S101
    taken: set[str] = set()
    why = "the target did not take it, or could not be reached"
    try:
        async with asyncio.timeout(within):
            process.stdin.write(json.dumps(orders).encode())
            process.stdin.close()
            async for line in process.stdout:
                taken.add(json.loads(line))
            await process.wait()
    except TimeoutError:
        why = f"the target took longer than {within:g} s"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return frozenset(taken), why
