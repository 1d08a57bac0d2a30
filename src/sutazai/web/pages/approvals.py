"""What runs wait for: the answers of people."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from urllib.parse import quote

from sutazai.client import Control
from sutazai.fleet.work import Run, WorkState
from sutazai.web.look import pieces
from sutazai.web.look.acting import Doing, asked, attempt


def approvals_html(runs: Iterable[Run]) -> str:
    """Every question that waits, with its answers; nothing where none does."""
    rows = [
        (
            pieces.run_link(run.id),
            escape(step.name),
            escape(step.item),
            f'<div class="does">{pieces.button("approve", f"{run.id} {step.name}", "Approve")}'
            f"{pieces.button('reject', f'{run.id} {step.name}', 'Reject')}</div>",
        )
        for run in runs
        if run.state.is_open
        for step in run.steps
        if step.state is WorkState.WAITING
    ]
    if not rows:
        return ""
    shown = pieces.table(("run", "step", "question", "answer"), rows, empty="")
    return pieces.panel("Waits for a person", shown)


def answers(control: Control) -> dict[str, Doing]:
    """What the buttons beside a question do."""

    async def approve(on: str) -> None:
        await _answer(control, on, "Approve", approved=True)

    async def reject(on: str) -> None:
        await _answer(control, on, "Reject", approved=False)

    return {"approve": approve, "reject": reject}


async def _answer(control: Control, on: str, word: str, *, approved: bool) -> None:
    run, _, step = on.partition(" ")
    said = f"<p>Step {escape(step)} of {escape(run)} goes on with this answer.</p>"
    comment = await asked(f"{word} {step}?", said, word, field="Comment")
    if comment is not None:
        path = f"/runs/{quote(run, safe='')}/approvals/{quote(step, safe='')}"
        await attempt(control.post(path, {"approved": approved, "comment": comment}), "answered")
