"""What a call through a door says of the work that it is made for, and who is believed.

Control, and whoever has an admin's key, say it in headers: `x-sutazai-task`, `x-sutazai-run`,
`x-sutazai-priority`, and `x-sutazai-deadline` (seconds that are left); and `x-sutazai-unit`, which
of two versions of an agent is to do it. An agent hands the task on that it is serving, which it
shows with `x-sutazai-task`. All other callers are given a task of their own, so that loops and the
budgets of tasks hold for them too.
"""

from __future__ import annotations

import re

from sutazai.fleet.declared import Priority
from sutazai.fleet.errors import BadInput
from sutazai.fleet.ids import new_id
from sutazai.gateway.callers.keys import Caller
from sutazai.gateway.callers.tasks import Tasks, Work
from sutazai.wire import Headers

PREFIX = "x-sutazai-"
"""Of all headers by which the house speaks to itself."""

TASK = f"{PREFIX}task"
RUN = f"{PREFIX}run"
PRIORITY = f"{PREFIX}priority"
DEADLINE = f"{PREFIX}deadline"
UNIT = f"{PREFIX}unit"

_ID = re.compile(r"[!-~](?:[ -~]{0,198}[!-~])?")


def work_of(headers: Headers, caller: Caller, tasks: Tasks, now: float) -> Work:
    """The work that a call through a door is made for.

    Raises BadInput for a header that cannot be understood and would be believed, and TaskStopped
    where an agent would hand on a task that is stopped.
    """
    if caller.admin:
        return _told(headers, now)
    shown = headers.get(TASK) if caller.agent else None
    if shown is not None:
        work = tasks.handed_on(caller.name, shown, _deadline(headers, now))
        if work is not None:
            return work
    return Work(new_id("task"))


def _told(headers: Headers, now: float) -> Work:
    return Work(
        task=_id(headers, TASK) or new_id("task"),
        run=_id(headers, RUN),
        priority=_priority(headers),
        deadline=_deadline(headers, now),
    )


def _id(headers: Headers, name: str) -> str:
    value = headers.get(name, "")
    if value and not _ID.fullmatch(value):
        raise BadInput(f"{name} is a text of 1 to 200 printable characters")
    return value


def _priority(headers: Headers) -> Priority | None:
    value = headers.get(PRIORITY)
    try:
        return None if value is None else Priority(value)
    except ValueError as cause:
        raise BadInput(f"{PRIORITY} is one of {', '.join(Priority)}") from cause


def _deadline(headers: Headers, now: float) -> float | None:
    value = headers.get(DEADLINE)
    if value is None:
        return None
    try:
        left = float(value)
    except ValueError:
        left = -1.0
    if not 0 <= left < float("inf"):
        raise BadInput(f"{DEADLINE} is the number of seconds that are left")
    return now + left
