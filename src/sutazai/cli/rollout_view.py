"""How a rollout looks: where it stands, its phases, what happened. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from sutazai.cli.console import clock, plain, table
from sutazai.fleet.rollouts import RolloutState, RolloutView, Step
from sutazai.fleet.units import format_duration

MOMENTS = 12
_STYLES = {
    Step.SUCCEEDED: "green",
    Step.ROLLED_BACK: "red",
    Step.ABORTING: "red",
    Step.HALTED: "red",
    Step.INCONCLUSIVE: "yellow",
    Step.PAUSED: "yellow",
}


def rollouts_table(views: Sequence[RolloutView]) -> RenderableType:
    """Rollouts, newest first."""
    shown = table("rollout", "from", "to", "agents", "state", "")
    for view in views:
        state = view.state
        revisions = (str(state.before), str(state.after))
        shown.add_row(
            str(view.number), *revisions, str(len(state.agents)), state.step, plain(view.told)
        )
    return shown


def rollout_view(view: RolloutView) -> RenderableType:
    """One rollout: in a sentence, its phases, and the last things that happened."""
    state = view.state
    head = f"rollout {view.number}: revision {state.before} → {state.after}, {state.step}"
    return Group(
        Text(head, style=f"bold {_STYLES.get(state.step, '')}".strip()),
        plain(view.told),
        "",
        _phases(state),
        "",
        *_moments(state),
    )


def _phases(state: RolloutState) -> RenderableType:
    shown = table("phase", "agents", "measured", "")
    for number, stage in enumerate(state.stages):
        names = ", ".join(stage.agents[:4]) + (", …" if len(stage.agents) > 4 else "")
        measured = format_duration(stage.lasts)
        shown.add_row(
            stage.name, f"{len(stage.agents)}: {plain(names)}", measured, _mark(state, number)
        )
    return shown


def _mark(state: RolloutState, number: int) -> str:
    if number < state.phase:
        return "passed"
    return "now" if number == state.phase and state.is_open else ""


def _moments(state: RolloutState) -> Iterator[str]:
    for moment in state.history[-MOMENTS:]:
        yield f"{clock(moment.at)}  {moment.step}: {plain(moment.text)}"
