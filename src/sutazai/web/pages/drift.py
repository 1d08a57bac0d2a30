"""Drift: what runs otherwise than it is declared, by kind; what was put right, and what could not
be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from html import escape

from nicegui import ui

from sutazai.client import Control
from sutazai.fleet.drift import DriftFinding, DriftKind, DriftReport
from sutazai.web.feed import Feed
from sutazai.web.look import pieces
from sutazai.web.look.page import page
from sutazai.web.look.words import clock

SELDOM = 5
"""Of how many updates one asks: nothing is looked at more often than that."""
MUCH = 0.05
"""The share of facts from which drift is marked red."""
MEANS = {
    DriftKind.VERSION: "what the host runs, against what was planned",
    DriftKind.ENVIRONMENT: "variables of running processes",
    DriftKind.LIMITS: "memory and cores that the kernel allows",
    DriftKind.CODE: "agents' files on disk, against those that were accepted",
    DriftKind.MODEL: "what goes by a model's name",
    DriftKind.BACKEND: "settings of LLM servers",
    DriftKind.PORT: "who listens on the fleet's ports",
}


def install(feed: Feed, control: Control) -> None:
    """Adds the page."""

    @ui.page("/drift")
    async def drift() -> None:
        await feed.glance()
        with page("Drift", "/drift", feed) as updates:
            ui.html("<h1>Drift</h1>", sanitize=False)
            score = ui.html("", sanitize=False).classes("w-full")
            found = ui.html("", sanitize=False).classes("w-full")
        updates.ask_all((score, found), partial(_asked, control), every=SELDOM)


async def _asked(control: Control) -> tuple[str, str]:
    report = DriftReport.model_validate(await control.get("/drift"))
    return score_html(report), found_html(report)


def score_html(report: DriftReport) -> str:
    """How much drifts."""
    if not report.at:
        return '<div class="panel verdict warn"><h2>Nothing was looked at yet</h2></div>'
    count = len(report.findings)
    tone = "bad" if report.score >= MUCH else "warn" if count else ""
    title = "Everything runs as it is declared"
    if count:
        title = f"{count} of {report.checked} facts are not as declared"
    return (
        f'<div class="panel verdict {tone}"><h2>{title}</h2>'
        f"Drift score {report.score:.1%}, of {report.checked} facts that were compared. "
        f"Last look: {escape(clock(report.at))}.</div>"
    )


def found_html(report: DriftReport) -> str:
    """Everything that was found, kind by kind."""
    parts = [pieces.panel("What is compared", _kinds(report))]
    for kind in DriftKind:
        of_kind = [one for one in report.findings if one.kind is kind]
        if of_kind:
            parts.append(pieces.panel(f"{kind}: {MEANS[kind]}", _findings(of_kind)))
    parts.append(pieces.panel("What was put right", _healed(report.healed)))
    parts.append(pieces.panel("What could not be looked at", _unchecked(report.unchecked)))
    return f'<div class="grid">{"".join(parts)}</div>'


def _kinds(report: DriftReport) -> str:
    rows = [(escape(kind), MEANS[kind], *_counts(report, kind)) for kind in DriftKind]
    head = ("kind", "what", "facts", "findings")
    return pieces.table(head, rows, numbers=(2, 3), empty="")


def _counts(report: DriftReport, kind: DriftKind) -> tuple[str, str]:
    """How many facts of a kind were compared, and how many of them differ."""
    if kind not in report.by_kind:
        return '<span class="faint">not looked at</span>', ""
    count = sum(one.kind is kind for one in report.findings)
    shown = pieces.word(str(count), "warned") if count else "0"
    return str(report.by_kind[kind]), shown


def _findings(findings: Sequence[DriftFinding]) -> str:
    rows = [
        (
            escape(_whose(one)),
            escape(one.what),
            f"<ins>{escape(one.expected)}</ins>",
            f"<del>{escape(one.seen)}</del>",
            escape(clock(one.since)),
            escape(clock(one.healed)) if one.healed is not None else "",
        )
        for one in findings
    ]
    head = ("whose", "what", "declared", "found", "since", "last tried to put right")
    return pieces.table(head, rows, empty="None.")


def _healed(healed: Sequence[DriftFinding]) -> str:
    rows = [
        (
            escape(one.kind),
            escape(_whose(one)),
            escape(one.what),
            escape(clock(one.healed)) if one.healed is not None else "",
        )
        for one in reversed(healed)
    ]
    return pieces.table(("kind", "whose", "what", "when"), rows, empty="Nothing of late.")


def _unchecked(unchecked: Sequence[str]) -> str:
    if not unchecked:
        return '<p class="faint">Nothing: all that is watched was looked at.</p>'
    return f'<ul class="told">{"".join(f"<li>{escape(why)}</li>" for why in unchecked)}</ul>'


def _whose(one: DriftFinding) -> str:
    return one.instance or one.unit
