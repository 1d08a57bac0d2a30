"""How a rollout looks: where it stands, its phases, the evidence, what happened. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from sutazai.cli.console import clock, plain, table
from sutazai.fleet.rollout_findings import Finding, Judgement, Verdict, figure_text
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
_VERDICTS = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.INCONCLUSIVE: "yellow"}


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
    """One rollout with all that is known of it."""
    return Group(*rollout_parts(view))


def rollout_parts(view: RolloutView) -> Iterator[RenderableType]:
    """One rollout: in a sentence, its phases, what the evidence said last, and the last things that
    happened."""
    state = view.state
    head = f"rollout {view.number}: revision {state.before} → {state.after}, {state.step}"
    yield Text(head, style=f"bold {_STYLES.get(state.step, '')}".strip())
    yield plain(view.told)
    yield ""
    yield _phases(state)
    yield ""
    yield from _evidence(state.evidence)
    yield from _moments(state)


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


def _evidence(said: Judgement | None) -> Iterator[RenderableType]:
    """What both versions did, metric by metric; under it what did not pass, in words."""
    if said is None:
        return
    yield Text(f"evidence: {said.verdict}", style=_VERDICTS[said.verdict])
    if not said.findings:
        yield plain(said.reason)
    else:
        yield _findings(said.findings)
    for finding in said.findings:
        if finding.verdict is not Verdict.PASS:
            yield f"{finding.metric}: {plain(finding.text)}"
    if said.left_out:
        yield f"neither version had any: {', '.join(said.left_out)}"
    yield ""


def _findings(findings: Sequence[Finding]) -> RenderableType:
    shown = table("metric", "verdict", "new", "old", "samples", "allowed", "would have been found")
    for one in findings:
        new, old = (figure_text(one.metric, figure) for figure in one.figures)
        samples = f"{one.green:,} / {one.blue:,}"
        shown.add_row(
            one.metric, one.verdict, new, old, samples, _effect(one, one.limit), _smallest(one)
        )
    return shown


def _smallest(finding: Finding) -> str:
    return "-" if finding.could_see is None else _effect(finding, finding.could_see)


def _effect(finding: Finding, effect: float) -> str:
    if finding.unit == "difference":
        return f"{effect * 100:+.2f} points"
    return f"{effect:.0%} of the old"


def _moments(state: RolloutState) -> Iterator[str]:
    for moment in state.history[-MOMENTS:]:
        yield f"{clock(moment.at)}  {moment.step}: {plain(moment.text)}"
