"""What a line of a log says of itself: its level, its logger, and the work that it is about. Pure.

An instance writes ``LEVEL text [task=… run=… trace=…]``, the house's own processes write
``LEVEL logger: text``, programs whatever they like. Where the fleet file says
``logs: {format: json}``, a line is a JSON object: `time`, `level`, `logger`, `message`, and of
`agent`, `version`, `task`, `run`, `trace`, `exception` those that apply.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Any

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

_SAID = re.compile(rf"({'|'.join(LEVELS)}) (?:((?:\w+\.)+\w+): )?(.*)", re.DOTALL)
_IDS = re.compile(r"(.*) \[task=(.+?)(?: run=(.+?))? trace=([0-9a-f]{32})\]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Said:
    """What is known of one line; what does not apply is empty."""

    message: str
    level: str = ""
    logger: str = ""
    agent: str = ""
    version: str = ""
    task: str = ""
    run: str = ""
    trace: str = ""
    exception: str = ""


_FIELDS = tuple(Said.__dataclass_fields__)


def said_in(text: str) -> Said:
    """What a line says, in whichever form it is."""
    if (found := object_in(text)) is not None:
        return Said(**{name: str(found[name]) for name in _FIELDS if name in found})
    about = _IDS.fullmatch(text)
    said, task, run, trace = about.groups("") if about else (text, "", "", "")
    head = _SAID.fullmatch(said)
    level, logger, message = head.groups("") if head else ("", "", said)
    return Said(message, level, logger, task=task, run=run, trace=trace)


def object_in(text: str) -> dict[str, Any] | None:
    """The object that a line is; None where it is none of ours."""
    if not text.startswith("{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    ours = isinstance(found, dict) and {"time", "message"} <= found.keys()
    return found if ours and isinstance(found["time"], str) else None


def as_object(text: str, *, time: str, instance: str) -> str:
    """A line as the object that it is, or is made into, with the instance that wrote it."""
    found = object_in(text)
    if found is None:
        said = asdict(said_in(text))
        message = said.pop("message")
        found = {"time": time, **{name: each for name, each in said.items() if each}}
        found["message"] = message
    return json.dumps({**found, "instance": instance}, ensure_ascii=False)
