"""Rollouts: where the present one stands, both versions side by side, and a say in it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from html import escape

from nicegui import ui

from sutazai.client import Control
from sutazai.fleet.errors import NotFound
from sutazai.fleet.rollouts import RolloutState, RolloutView, Step
from sutazai.fleet.units import format_duration
from sutazai.web.feed import Feed
from sutazai.web.look import pieces
from sutazai.web.look.acting import BY, acts, asked, attempt
from sutazai.web.look.evidence import evidence_html
from sutazai.web.look.page import page
from sutazai.web.look.words import clock

SELDOM = 10
"""Of how many updates one asks for all rollouts, which is much to tell of a large fleet."""
TONES = {
    Step.SUCCEEDED: "well",
    Step.ROLLED_BACK: "failed",
    Step.ABORTING: "failed",
    Step.HALTED: "failed",
    Step.INCONCLUSIVE: "warned",
    Step.PAUSED: "warned",
}
NONE = '<p class="faint">No rollout goes on.</p>'
ASKED = {
    "promote": "What is being waited for counts as passed, whatever the evidence says.",
    "abort": "All agents go back to the old version at once.",
}
"""What is asked before it is done."""


def install(feed: Feed, control: Control) -> None:
    """Adds the pages."""

    @ui.page("/rollouts")
    async def rollouts() -> None:
        await feed.glance()
        with page("Rollouts", "/rollouts", feed) as updates:
            ui.html("<h1>Rollouts</h1>", sanitize=False)
            with ui.element("div").classes("panel"):
                head = ui.html("", sanitize=False)
                buttons = ui.html("", sanitize=False).classes("does")
            body = ui.html("", sanitize=False).classes("w-full grid")
            past = ui.html("", sanitize=False).classes("w-full")
        doings = {name: partial(_tell, control, name) for name in ("pause", "resume", *ASKED)}
        acts(buttons, doings)
        updates.ask_all((head, buttons, body), partial(_going, control))
        updates.ask(past, partial(_past, control), every=SELDOM)

    @ui.page("/rollouts/{number}")
    async def rollout(number: int) -> None:
        await feed.glance()
        with page(f"Rollout {number}", "/rollouts", feed) as updates:
            ui.html(f"<h1>Rollout {number}</h1>", sanitize=False)
            shown = ui.html("", sanitize=False).classes("w-full")
        updates.ask(shown, partial(_one, control, number), every=SELDOM)


async def _tell(control: Control, command: str, number: str) -> None:
    """Says it to the rollout that goes on, once a person is sure where that is asked."""
    said = ASKED.get(command)
    title = f"{command.capitalize()} rollout {number}?"
    if said is None or await asked(title, f"<p>{said}</p>", command.capitalize()) is not None:
        await attempt(control.post(f"/rollouts/current/{command}", {"by": BY}), f"{command}: done")


async def _going(control: Control) -> tuple[str, str, str]:
    """Head, buttons and body of the rollout that goes on."""
    try:
        view = RolloutView.model_validate(await control.get("/rollouts/current"))
    except NotFound:
        return NONE, "", ""
    if not view.state.is_open:
        return NONE, "", ""
    return head_html(view), buttons_html(view), body_html(view.state)


async def _past(control: Control) -> str:
    told = await control.get("/rollouts")
    shown = past_html([RolloutView.model_validate(each) for each in told])
    return pieces.panel("All rollouts", shown)


async def _one(control: Control, number: int) -> str:
    for each in await control.get("/rollouts"):
        view = RolloutView.model_validate(each)
        if view.number == number:
            body = f'<div class="panel">{head_html(view)}</div>{body_html(view.state)}'
            return f'<div class="grid">{body}</div>'
    raise NotFound(f"rollout {number} is not among the last ones")


def head_html(view: RolloutView) -> str:
    """Where a rollout stands."""
    state = view.state
    facts = "".join(f"<li>{escape(fact)}</li>" for fact in _facts(state))
    return (
        f"<h2>Rollout {view.number}: revision {state.before} → {state.after}</h2>"
        f"<p>{_word(state.step)} {escape(view.told)}</p><ul>{facts}</ul>"
    )


def buttons_html(view: RolloutView) -> str:
    """What can be said to it."""
    commands = ("pause" if view.state.was is None else "resume", *ASKED)
    return "".join(
        pieces.button(command, str(view.number), command.capitalize()) for command in commands
    )


def body_html(state: RolloutState) -> str:
    """Its phases, its versions side by side with the evidence, and what happened, newest first."""
    parts = {
        "Phases": _phases(state),
        "Versions side by side": _arms(state),
        "What the evidence says": evidence_html(state.evidence),
        "What happened": _moments(state),
    }
    return "".join(pieces.panel(title, body) for title, body in parts.items())


def _facts(state: RolloutState) -> Iterable[str]:
    yield f"{len(state.moved)} of {len(state.agents)} agents have their new work with green"
    if state.window:
        opened = f"evidence is gathered since {clock(state.opened)} (window {state.window})"
        yield opened + (f", {format_duration(state.extended)} longer" if state.extended else "")
    if state.trouble:
        yield f"held up for {format_duration(state.held)} by: {state.trouble}"
    if state.failed:
        yield f"goes back because: {state.failed}"
    if state.alone:
        yield f"only one healthy copy is left of: {', '.join(state.alone)}"


def _phases(state: RolloutState) -> str:
    rows = [
        (
            escape(stage.name),
            _place(state, number),
            format_duration(stage.lasts),
            ", ".join(map(pieces.agent_link, stage.agents)),
        )
        for number, stage in enumerate(state.stages)
    ]
    return pieces.table(("phase", "stands", "measured", "agents"), rows, empty="It has none.")


def _place(state: RolloutState, number: int) -> str:
    if number < state.phase:
        return pieces.word("passed", "well")
    if number == state.phase and state.is_open:
        return pieces.word("now", "busy")
    return pieces.word("to come" if state.is_open else "not reached", "asleep")


def _arms(state: RolloutState) -> str:
    """Each agent's old version (blue), new one (green), and fresh instances of the old one."""
    rows = [
        (
            pieces.agent_link(agent),
            _share(state, agent),
            _runs(agent in state.green),
            _runs(agent in state.baseline),
            _runs(agent in state.blue),
        )
        for agent in state.agents
    ]
    head = ("agent", "new work goes to", "green (new)", "baseline (old, fresh)", "blue (old)")
    return pieces.table(head, rows, empty="It moves nobody.")


def _share(state: RolloutState, agent: str) -> str:
    if agent not in state.moved:
        return "blue"
    green = state.plan.canary
    if not (state.split and agent in state.baseline) or green == 100:
        return "green"
    return f"green {green:g} %, baseline {100 - green:g} %"


def _runs(wanted: bool) -> str:
    return pieces.word("runs", "well") if wanted else '<span class="faint">no</span>'


def _moments(state: RolloutState) -> str:
    rows = [
        (escape(clock(one.at)), _word(one.step), escape(one.text))
        for one in reversed(state.history)
    ]
    return pieces.table(("time", "step", "what happened"), rows, empty="Nothing yet.")


def past_html(views: list[RolloutView]) -> str:
    """Rollouts, newest first."""
    rows = [
        (
            f'<a href="/rollouts/{view.number}">{view.number}</a>',
            _word(view.state.step),
            f"{view.state.before} → {view.state.after}",
            str(len(view.state.agents)),
            escape(view.state.reason if view.state.is_open else view.told),
        )
        for view in views
    ]
    head = ("rollout", "state", "revisions", "agents", "where it stands")
    empty = "There was no rollout yet: `sutazai apply` begins one."
    return pieces.table(head, rows, numbers=(3,), empty=empty)


def _word(step: Step) -> str:
    return pieces.word(step, TONES.get(step, "busy"))
