"""One task: where it stands and why, its attempts, what came of it, and where its time went."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any
from urllib.parse import quote

from nicegui import ui

from sutazai.client import Control
from sutazai.fleet.traces import Span
from sutazai.fleet.work import Attempt, Task, WorkState
from sutazai.web.feed import Feed
from sutazai.web.look import pieces
from sutazai.web.look.acting import Doing, acts, asked, attempt
from sutazai.web.look.page import page
from sutazai.web.look.waterfall import waterfall
from sutazai.web.look.words import WORK, clock, took

SELDOM = 10
"""Of how many updates one asks for a task that has ended."""
LATE = 5.0
"""Seconds within which calls to models are recorded after they ended."""
TIMES = "Where its time went"
STANDS = {
    WorkState.WAITING: "It is not in the queue yet",
    WorkState.PENDING: "It is in the queue",
    WorkState.RUNNING: "It is being worked on",
    WorkState.DONE: "It is done",
    WorkState.FAILED: "It failed, and is not tried again",
    WorkState.CANCELLED: "It was ended before it was done",
    WorkState.EXPIRED: "Nobody took it in time",
    WorkState.SHED: "It made room for more urgent work",
}


def install(feed: Feed, control: Control) -> None:
    """Adds the page."""

    @ui.page("/tasks/{task_id}")
    async def task(task_id: str) -> None:
        await feed.glance()
        with page(f"Task {task_id}", "/work", feed) as updates:
            ui.html(f"<h1>Task {escape(task_id)}</h1>", sanitize=False)
            with ui.element("div").classes("panel"):
                head = ui.html("", sanitize=False).props('aria-live="polite"')
                buttons = ui.html("", sanitize=False)
            with ui.element("div").classes("grid halves"):
                given = ui.html("", sanitize=False)
                came = ui.html("", sanitize=False)
            attempts = ui.html("", sanitize=False).classes("w-full")
            trace = _times()
        watch = Watch(control, task_id)
        acts(buttons, watch.doings())
        updates.ask_all((head, buttons, given, came, attempts), watch.facts)
        updates.ask(trace, watch.times)


def _times() -> ui.html:
    """The place of the trace; what scrolls stays there when it is drawn anew, and so does who
    stands in it."""
    with ui.element("div").classes("panel"):
        ui.html(f"<h2>{TIMES}</h2>", sanitize=False)
        region = f'tabindex="0" role="region" aria-label="{TIMES}"'
        with ui.element("div").classes("scroll").props(region):
            return ui.html("", sanitize=False)


@dataclass
class Watch:
    """One task as an open page follows it: closely while it goes on, else now and then."""

    control: Control
    task_id: str
    _facts: tuple[str, ...] = ()
    _times: str = ""
    _seen: Task | None = None  # by the last update, where that one looked
    _rests: int = 0  # updates until one looks again

    @property
    def path(self) -> str:
        """Where control has it."""
        return f"/tasks/{quote(self.task_id, safe='')}"

    async def facts(self) -> tuple[str, ...]:
        """What each place of the page shows, but the trace."""
        self._seen = None
        if self._rests:
            self._rests -= 1
            return self._facts
        task = Task.model_validate(await self.control.get(self.path))
        self._facts = (
            head_html(task),
            buttons_html(task),
            given_html(task),
            came_html(task),
            attempts_html(task),
        )
        settled = task.ended is not None and time.time() - task.ended > LATE
        self._rests = SELDOM - 1 if settled else 0
        self._seen = task
        return self._facts

    async def times(self) -> str:
        """Its trace, asked for after ``facts``: a gateway that hangs must not hold those up."""
        if (task := self._seen) is not None:
            trace = Span.model_validate(await self.control.get(f"{self.path}/trace"))
            self._times = times_html(task, trace, now=time.time())
        return self._times

    def doings(self) -> dict[str, Doing]:
        """What the buttons do."""
        return {
            "cancel": self._cancel,
            "retry": partial(self._again, f"{self.path}/retry"),
            "replay": partial(self._again, f"/dead/{quote(self.task_id, safe='')}/replay"),
        }

    async def _cancel(self, _name: str) -> None:
        said = "<p>A call to a model that is under way is dropped.</p>"
        if await asked(f"Cancel {self.task_id}?", said, "Cancel the task") is not None:
            await attempt(self.control.post(f"{self.path}/cancel"), "cancelled")
            self._rests = 0

    async def _again(self, path: str, _name: str) -> None:
        await attempt(self.control.post(path), "in the queue again")
        self._rests = 0


def head_html(task: Task) -> str:
    """Where it stands and why, and what else is known of it."""
    facts = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in _facts(task))
    return (
        f"<p>{pieces.word(task.state, WORK[task.state])} {escape(standing(task))}</p>"
        f'<dl class="facts">{facts}</dl>'
    )


def standing(task: Task) -> str:
    """Where it stands and why, in a sentence."""
    place = f", number {task.position}" if task.position is not None else ""
    why = task.reason or str((task.error or {}).get("message", ""))
    return f"{STANDS[task.state]}{place}{': ' + why if why else ''}."


def _facts(task: Task) -> Iterator[tuple[str, str]]:
    yield "for", _target(task)
    if task.run is not None:
        step = f", step {escape(task.step)}" if task.step else ""
        yield "run", pieces.run_link(task.run) + step
    if task.depends_on:
        yield "depends on", ", ".join(map(pieces.task_link, task.depends_on))
    if task.priority is not None:
        yield "priority", escape(task.priority)
    if task.executor is not None:
        yield "given out by", escape(task.executor)
    yield from _moments(task)


def _target(task: Task) -> str:
    """Who was asked for, and who got it."""
    got = pieces.agent_link(task.agent) if task.agent else ""
    if not (task.capability or task.group):
        return got
    asked_for = f"capability {task.capability}" if task.capability else f"group {task.group}"
    return escape(asked_for) + (f": {got}" if got else ", nobody has it yet")


def _moments(task: Task) -> Iterator[tuple[str, str]]:
    yield "submitted", escape(clock(task.created))
    if task.state is WorkState.WAITING and task.not_before is not None:
        yield "not before", escape(clock(task.not_before))
    if task.state is WorkState.PENDING and task.expires is not None:
        yield "expires", escape(clock(task.expires))
    if task.started is not None:
        yield "began", escape(clock(task.started))
    if task.ended is not None:
        spent = took(task.started or task.created, task.ended)
        yield "ended", f"{escape(clock(task.ended))}, after {spent}"


def buttons_html(task: Task) -> str:
    """What can be done with it as it stands."""
    if task.state.is_open:
        button = pieces.button("cancel", task.id, "Cancel")
    elif task.state.is_dead:
        button = pieces.button("replay", task.id, "Replay")
    elif task.state is WorkState.CANCELLED:
        button = pieces.button("retry", task.id, "Retry")
    else:
        return ""
    return f'<div class="does">{button}</div>'


def given_html(task: Task) -> str:
    """What was asked."""
    if task.file is not None:
        return pieces.panel("Input", f"<p>the file <code>{escape(task.file)}</code></p>")
    return pieces.panel("Input", pieces.value(task.input, "input"))


def came_html(task: Task) -> str:
    """What came of it."""
    if task.error is not None:
        return pieces.panel("Error", _error(task.error))
    if task.state is not WorkState.DONE:
        return pieces.panel("Output", '<p class="faint">There is none yet.</p>')
    return pieces.panel("Output", pieces.value(task.output, "output"))


def attempts_html(task: Task) -> str:
    """Each time that somebody was asked, with what went wrong."""
    rows = [
        (
            str(one.number),
            pieces.agent_link(one.agent),
            escape(one.instance or ""),
            escape(clock(one.started)),
            took(one.started, one.ended),
            _ending(one),
        )
        for one in task.attempts
    ]
    head = ("attempt", "agent", "instance", "began", "took", "how it ended")
    body = pieces.table(head, rows, empty="Nobody has begun to work on it.")
    forgotten = task.attempts[0].number - 1 if task.attempts else 0
    note = f'<p class="faint">{forgotten} earlier ones are forgotten.</p>' if forgotten else ""
    return pieces.panel("Attempts", body + note)


def _ending(one: Attempt) -> str:
    if one.error is not None:
        return _error(one.error)
    return "well" if one.ended is not None else "it goes on"


def _error(error: dict[str, Any]) -> str:
    """What went wrong, what to do about it, and what the agent said last."""
    data = error.get("data")
    data = data if isinstance(data, dict) else {}
    parts = [escape(str(error.get("message", "it failed")))]
    parts += [f'<span class="faint">{escape(str(part))}</span>' for part in _more(error, data)]
    said = "\n".join(map(str, data.get("lines") or ()))
    if said:
        log = pieces.lines(said, "last log lines")
        parts.append(f"<details><summary>its last log lines</summary>{log}</details>")
    return "<br>".join(parts)


def _more(error: dict[str, Any], data: dict[str, Any]) -> Iterator[Any]:
    yield from filter(None, (data.get("exit"), error.get("hint")))


def times_html(task: Task, trace: Span, *, now: float) -> str:
    """Its trace, and why calls to models may be missing in it."""
    missing = ""
    if not task.attempts:
        missing = "Nobody has worked on it, so all there is to see is its wait."
    elif not any(span.spans for span in trace.spans):
        missing = (
            "No call to a model is known: none was made, its record is not there yet or no more, "
            "or the gateway could not be asked, which the first line would say."
        )
    note = f'<p class="faint">{missing}</p>' if missing else ""
    return waterfall(trace, now=now) + note
