"""Dead letters: tasks that failed for good, expired or were shed, and doing them again."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from html import escape
from urllib.parse import quote

from nicegui import ui

from sutazai.client import Control
from sutazai.fleet.work import Task
from sutazai.web.feed import Feed
from sutazai.web.look import pieces
from sutazai.web.look.acting import acts, asked, attempt
from sutazai.web.look.page import page
from sutazai.web.look.words import WORK, clock

SHOWN = 100
LINES = 10


def install(feed: Feed, control: Control) -> None:
    """Adds the page."""

    @ui.page("/work/dead")
    async def dead() -> None:
        await feed.glance()
        with page("Dead letters", "/work", feed) as updates:
            ui.html("<h1>Dead letters</h1>", sanitize=False)
            with ui.element("div").classes("does"):
                agent = ui.input("Only of agent").props("outlined dense")
                kind = ui.input("Only failed, expired, shed, or an error").props("outlined dense")

                def wanted() -> dict[str, str | None]:
                    return {"agent": agent.value or None, "kind": kind.value or None}

                async def replay() -> None:
                    await _replay_all(control, wanted())

                ui.button("Replay all of these", on_click=replay).props(
                    "outline no-caps color=primary"
                )
            shown = ui.html("", sanitize=False).classes("w-full panel")
        acts(shown, {"replay": partial(_replay, control), "forget": partial(_forget, control)})

        async def found() -> str:
            told = await control.get("/dead", limit=SHOWN, **wanted())
            return dead_html([Task.model_validate(one) for one in told])

        updates.ask(shown, found)


async def _replay(control: Control, task: str) -> None:
    await attempt(control.post(f"/dead/{quote(task, safe='')}/replay"), "in the queue again")


async def _forget(control: Control, task: str) -> None:
    if await asked(f"Forget {task}?", "<p>It cannot be replayed then.</p>", "Forget") is not None:
        await attempt(control.delete(f"/dead/{quote(task, safe='')}"), "forgotten")


async def _replay_all(control: Control, wanted: dict[str, str | None]) -> None:
    """All that match, not only those that are shown, once a person is sure."""
    told = ", ".join(f"{name} {value}" for name, value in wanted.items() if value) or "all"
    said = f"<p>{escape(told)}: at most 1,000, the oldest first.</p>"
    if await asked("Replay dead letters?", said, "Replay") is None:
        return
    done = await attempt(control.post("/dead/replay", agent=wanted["agent"], kind=wanted["kind"]))
    if done is not None:
        ui.notify(f"{len(done)} in the queue again")


def dead_html(tasks: Sequence[Task]) -> str:
    """Each with why it is dead, its attempts, and the way back into the queue."""
    rows = [
        (
            f"{pieces.task_link(task.id)}<br>{pieces.word(task.state, WORK[task.state])}",
            pieces.task_doer(task),
            _why(task),
            str(task.attempt),
            escape(clock(task.ended or task.created)),
            f'<div class="does">{pieces.button("replay", task.id, "Replay")}'
            f"{pieces.button('forget', task.id, 'Forget')}</div>",
        )
        for task in tasks
    ]
    head = ("task", "agent", "why", "attempts", "ended", "do")
    return pieces.table(head, rows, numbers=(3,), empty="There is none.")


def _why(task: Task) -> str:
    error = task.error or {}
    return escape(str(error.get("message", "")) or task.reason)
