"""The steps of a run as a graph: what comes after what, and what is done side by side. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from itertools import groupby

from sutazai.fleet.work import StepStatus
from sutazai.web.look.words import WORK, took

_STEP = re.compile(r"(?P<step>.*?)(\[\d+\])?(?P<round>#\d+)?")
"""Items of a step are called ``STEP[ITEM]``, with ``#ROUND`` from the second round on."""


def flow(steps: Iterable[StepStatus]) -> str:
    """A column for each step, in their order; items of one step stand in one column."""
    columns = "".join(_column([*same]) for _, same in groupby(steps, key=_group))
    return f'<ol class="flow">{columns}</ol>' if columns else '<p class="faint">No step yet.</p>'


def _group(step: StepStatus) -> tuple[str, str | None]:
    found = _STEP.fullmatch(step.name)
    return (found["step"], found["round"]) if found else (step.name, None)


def _column(steps: list[StepStatus]) -> str:
    return f"<li><ul>{''.join(map(_node, steps))}</ul></li>"


def _node(step: StepStatus) -> str:
    tone = WORK[step.state]
    what = ", ".join(filter(None, (step.agent, took(step.started, step.ended))))
    return (
        f'<li class="node {tone}" title="{escape(step.item)}"><strong>{escape(step.name)}</strong>'
        f"<span>{escape(step.state)}</span><span>{escape(what)}</span></li>"
    )
