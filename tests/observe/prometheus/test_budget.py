"""The number of series is held by design, and whatever is drawn or kept is really told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sutazai.observe.history import CHOSEN
from sutazai.observe.prometheus.dashboards import BOARDS, Board
from tests.observe.prometheus.fullest import control_text, gateway_text, host_text

BUDGET = 150 * 20 + 55 * 15 + 200
OLD_NAMES = {
    "ai_inference_duration_seconds_bucket",
    "ai_model_memory_bytes",
    "ai_tokens_processed_total",
    "ai_errors_total",
}
_METRIC = re.compile(r"\b(?:sutazai|gen_ai|ai)_[a-z0-9_]+")
PAGE = Path(__file__).parents[3] / "docs/metrics.md"


@pytest.fixture(scope="module")
def told() -> dict[str, int]:
    """How many series there are of each name."""
    found: dict[str, int] = {}
    for text in (host_text(), gateway_text(), control_text()):
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found[sample.name] = found.get(sample.name, 0) + 1
    return found


def test_150_agents_that_do_everything_are_within_the_budget(told: dict[str, int]) -> None:
    assert sum(told.values()) <= BUDGET == 4_025, sorted(told.items(), key=lambda one: -one[1])


def test_old_dashboards_find_their_metrics(told: dict[str, int]) -> None:
    assert told.keys() >= OLD_NAMES


def test_what_the_history_keeps_is_told(told: dict[str, int]) -> None:
    assert told.keys() >= CHOSEN


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_dashboards_draw_what_is_told(board: Board, told: dict[str, int]) -> None:
    shown = json.loads(board.to_json())

    expressions = [
        target["expr"] for panel in shown["panels"] for target in panel.get("targets", ())
    ]
    assert len(expressions) >= 6
    assert {name for one in expressions for name in _METRIC.findall(one)} <= told.keys()


def test_the_page_names_every_metric(told: dict[str, int]) -> None:
    named = set(_METRIC.findall(PAGE.read_text()))

    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in told} <= named
