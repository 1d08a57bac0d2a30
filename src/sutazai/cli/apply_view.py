"""What `sutazai apply --watch` says: lines for people, or one JSON object each for scripts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sutazai.cli.console import clock, console
from sutazai.cli.output import print_json_line, report
from sutazai.cli.revisions_view import plan_view
from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.revisions import FleetPlan
from sutazai.fleet.watching import Apply

NAMED = 5
"""Files that are named in a line."""


class Telling:
    """Tells what happens, as it happens: what went well on stdout, errors on stderr."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def watching(self, sources: Sequence[str], secrets: Sequence[str]) -> None:
        """Watching begins."""
        text = f"watching {_named(sources)}"
        text += f" and {len(secrets)} that it refers to" if secrets else ""
        self._tell(
            "watching", f"{text}; Ctrl-C ends it", sources=list(sources), secrets=list(secrets)
        )

    def applied(self, plan: FleetPlan, change: Apply) -> None:
        """Control has taken it, or it makes no difference."""
        files = [*change.files, *change.secrets]
        text = f"changed: {_named(files)}" if files else "applied:"
        self._tell("applied", text, files=files, plan=plan.model_dump(mode="json"))
        if self._as_json:
            return
        console().print(plan_view(plan))
        if change.secrets:
            print("who read it at its start has the old one until the next: sutazai drift")

    def refused(self, error: SutazaiError) -> None:
        """The fleet stays as it is."""
        text = "not applied, the fleet stays as it is:"
        self._tell("refused", text, error=error.as_dict())
        self._report(error)

    def waiting(self, error: SutazaiError | OSError) -> None:
        """It is tried again until it can be done."""
        said = error.as_dict() if isinstance(error, SutazaiError) else {"message": str(error)}
        self._tell("waiting", "waiting, and trying again:", error=said)
        self._report(error)

    def away(self, error: SutazaiError) -> None:
        """A Git repository cannot be fetched; what was fetched last stays in force."""
        self._tell("away", "not fetched, and tried again:", error=error.as_dict())
        self._report(error)

    def gone(self, files: Sequence[str], *, holds: bool) -> None:
        """Files are not there any more."""
        then = "; nothing is applied until it is back" if holds else ""
        self._tell("gone", f"gone: {_named(files)}{then}", files=list(files))

    def ended(self) -> None:
        """Somebody ended it."""
        self._tell("ended", "no longer watching")

    def _report(self, error: SutazaiError | OSError) -> None:
        if not self._as_json:
            report(error)

    def _tell(self, event: str, text: str, **data: Any) -> None:
        now = time.time()
        if self._as_json:
            print_json_line({"at": now, "event": event, **data})
        else:
            print(f"{clock(now)}  {text}", flush=True)


def _named(files: Sequence[str]) -> str:
    more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
    return (", ".join(files[:NAMED]) or "nothing") + more
