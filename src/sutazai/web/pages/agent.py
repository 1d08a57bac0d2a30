"""One agent: its state and why, what happened to it, its log as it grows, and asking it."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from functools import partial
from html import escape
from typing import Any
from urllib.parse import quote

from nicegui import background_tasks, ui

from sutazai.client import Control
from sutazai.fleet.errors import SutazaiError, from_dict
from sutazai.fleet.status import Event, InstanceStatus
from sutazai.fleet.units import format_duration, format_size
from sutazai.web.feed import Feed
from sutazai.web.look import pieces
from sutazai.web.look.page import page
from sutazai.web.look.words import clock, readable
from sutazai.web.pages.measured import measured

LINES = 200
EVERY_LOOKS = 2
"""Of how many updates one looks at the agent's own page, which costs more."""
EVERY_DRAWING = 10
"""The same of what was measured, which is every ten seconds."""


def install(feed: Feed, control: Control) -> None:
    """Adds the page."""

    @ui.page("/agents/{name}")
    async def agent(name: str) -> None:
        await feed.glance()
        with page(name, "/agents", feed) as updates:
            ui.html(f"<h1>{escape(name)}</h1>", sanitize=False)
            head = ui.html("", sanitize=False).classes("w-full").props('aria-live="polite"')
            _verbs(control, name)
            drawn = ui.html("", sanitize=False).classes("w-full")
            with ui.element("div").classes("grid halves"):
                _question(control, name)
                with ui.element("div").classes("panel"):
                    ui.html("<h2>Log</h2>", sanitize=False)
                    log = ui.html("", sanitize=False)
            body = ui.html("", sanitize=False).classes("w-full")

        async def found() -> tuple[str, str]:
            told = await control.get(f"/agents/{quote(name)}")
            return head_of(told), body_of(told)

        updates.ask_all((head, body), found, every=EVERY_LOOKS)
        updates.ask(drawn, partial(measured, control, name), every=EVERY_DRAWING)
        following = background_tasks.create(_follow(control, name, log), name=f"log of {name}")
        ui.context.client.on_delete(following.cancel)


def head_of(found: dict[str, Any]) -> str:
    """State and why, with the figures of each instance."""
    status = found["status"]
    instances = [InstanceStatus.model_validate(one) for one in status["instances"]]
    return (
        f'<div class="panel"><p>{pieces.state(status["state"])} {escape(found["why"])}</p>'
        f"{_instances(instances)}</div>"
    )


def body_of(found: dict[str, Any]) -> str:
    """What happened to it, its last calls to models, and how it is declared."""
    events = [Event.model_validate(event) for event in found["events"]]
    return (
        f'<div class="grid"><div class="panel"><h2>What happened</h2>{pieces.events(events)}</div>'
        f'<div class="panel"><h2>Last calls to models</h2>{_calls(found["calls"])}</div>'
        f'<details class="panel"><summary>As declared, at revision {found["revision"]}</summary>'
        f'<pre class="log">{escape(readable(found["spec"]))}</pre></details></div>'
    )


def _instances(instances: list[InstanceStatus]) -> str:
    rows = [
        (
            escape(one.instance),
            pieces.state(one.state),
            _memory(one),
            f"{one.cpu:.1f} s" if one.cpu is not None else "",
            escape(clock(one.since)),
            escape(one.trouble),
        )
        for one in instances
    ]
    head = ("instance", "state", "memory / limit", "CPU", "since", "trouble")
    return pieces.table(head, rows, numbers=(2, 3), empty="No instance runs.")


def _memory(one: InstanceStatus) -> str:
    used = one.pss if one.pss is not None else one.memory
    limit = f" / {format_size(one.limit)}" if one.limit else ""
    return f"{format_size(used)}{limit}" if used is not None else ""


def _calls(calls: list[dict[str, Any]]) -> str:
    rows = [
        (
            escape(clock(call["at"])),
            escape(call["model"]),
            escape(call["outcome"]),
            format_duration(call["total"]),
            f"{call['prompt_tokens']} / {call['completion_tokens']}",
        )
        for call in calls
    ]
    head = ("time", "model", "outcome", "took", "tokens in / out")
    return pieces.table(head, rows, numbers=(3, 4), empty="It has not asked a model yet.")


def _verbs(control: Control, name: str) -> None:
    async def change(verb: str) -> None:
        try:
            await control.post(f"/agents/{quote(name)}/{verb}")
            ui.notify(f"{verb} was asked for")
        except SutazaiError as error:
            ui.notify(error.message, type="negative")

    with ui.row():
        for verb in ("start", "stop", "restart"):
            ui.button(verb.capitalize(), on_click=lambda verb=verb: change(verb)).props(
                "outline no-caps color=primary"
            )


def _question(control: Control, name: str) -> None:
    with ui.element("div").classes("panel"):
        ui.html("<h2>Ask it something</h2>", sanitize=False)
        text = ui.textarea("Question").props("outlined autogrow").classes("w-full")
        answer = ui.label().classes("answer").props('aria-live="polite"')

        async def ask() -> None:
            button.disable()
            answer.set_text("…")
            try:
                await _ask(control, name, text.value or "", answer)
            finally:
                button.enable()

        button = ui.button("Ask", on_click=ask).props("no-caps color=primary outline")


async def _ask(control: Control, name: str, question: str, answer: ui.label) -> None:
    said = ""
    try:
        path = f"/agents/{quote(name)}/invoke"
        async for event in control.events("POST", path, {"input": question}):
            data = json.loads(event.data)
            if event.event == "token":
                said += data["text"]
                answer.set_text(said)
            elif event.event == "result":
                answer.set_text(readable(data["output"]))
            elif event.event == "error":
                raise from_dict(data)
    except SutazaiError as error:
        answer.set_text(f"{said}\n\n{error.message}. {error.hint or ''}".strip())


async def _follow(control: Control, name: str, log: ui.html) -> None:
    """Shows the log's last lines as they come, for as long as the page is open."""
    lines: deque[str] = deque(maxlen=LINES)
    rest = b""
    path = f"/agents/{quote(name)}/log"
    while True:
        try:
            async for piece in control.pieces(path, lines=LINES, follow=1):
                *whole, rest = (rest + piece).split(b"\n")
                lines.extend(line.decode("utf-8", "replace") for line in whole)
                text = escape("\n".join(lines))
                log.set_content(f'<pre class="log" tabindex="0">{text}</pre>')
        except SutazaiError as error:
            lines.append(f"-- the log cannot be read now: {error.message}")
        await asyncio.sleep(2.0)
        lines.clear()
