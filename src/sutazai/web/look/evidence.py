"""What is known of both versions in a rollout, metric by metric. Pure."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from sutazai.fleet.rollout_findings import Finding, Judgement, Metric, Verdict
from sutazai.fleet.units import format_duration, format_size
from sutazai.web.look import pieces

TONES = {Verdict.PASS: "well", Verdict.FAIL: "failed", Verdict.INCONCLUSIVE: "warned"}
HOUR = 3600.0


def _share(figure: float) -> str:
    return f"{figure:.2%} fail"


FIGURES: dict[Metric, Callable[[float], str]] = {
    Metric.ERRORS: _share,
    Metric.TASKS: _share,
    Metric.TOOLS: _share,
    Metric.LLM: _share,
    Metric.LATENCY: format_duration,
    Metric.TASK_RATE: lambda figure: f"{figure * HOUR:,.3g} an hour",
    Metric.TOKENS: lambda figure: f"{figure:,.0f} a task",
    Metric.MEMORY: format_size,
    Metric.CPU: lambda figure: f"{figure * 100:.3g} % of a core",
}
"""How each metric is written; see `Finding.figures`."""


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
    new, old = map(FIGURES[finding.metric], finding.figures)
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
