"""What is known of both versions in a rollout, metric by metric. Pure."""

from __future__ import annotations

from html import escape

from sutazai.fleet.rollout_findings import Finding, Judgement, Verdict, figure_text
from sutazai.web.look import pieces

TONES = {Verdict.PASS: "well", Verdict.FAIL: "failed", Verdict.INCONCLUSIVE: "warned"}


def evidence_html(judgement: Judgement | None) -> str:
    """The verdict with its reason, and under it both versions side by side."""
    if judgement is None:
        return '<p class="faint">Nothing was judged yet.</p>'
    head = ("metric", "verdict", "green (new)", "old", "samples new / old", "in words")
    shown = pieces.table(head, [_row(one) for one in judgement.findings], empty="No metric yet.")
    left_out = ", ".join(judgement.left_out)
    note = f'<p class="faint">Neither version had any: {escape(left_out)}.</p>' if left_out else ""
    return f"<p>{_verdict(judgement.verdict)} {escape(judgement.reason)}</p>{shown}{note}"


def _row(finding: Finding) -> tuple[str, ...]:
    new, old = (figure_text(finding.metric, figure) for figure in finding.figures)
    return (
        escape(finding.metric),
        _verdict(finding.verdict),
        escape(new),
        escape(old),
        f"{finding.green:,} / {finding.blue:,}",
        escape(finding.text),
    )


def _verdict(verdict: Verdict) -> str:
    return pieces.word(verdict, TONES[verdict])
