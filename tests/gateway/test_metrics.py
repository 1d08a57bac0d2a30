"""What Prometheus reads, read back by its own parser."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from sutazai.fleet.labelling import AGENTS_MAX, GROUPS_MAX, OTHER
from sutazai.gateway.cells import EDGES, BackendGauges, Durations, Gauges
from sutazai.gateway.metrics import TIER_CELLS, UNDECLARED, WAY_CELLS, Metrics
from tests.gateway.records.makers import call

NOTHING = Gauges(
    revision=3,
    uptime=12.5,
    paused=False,
    queued={"high": 1, "medium": 0, "low": 20},
    oldest_wait=4.5,
    backends=(
        BackendGauges("one", True, 1, 2, {"smollm2": "closed", "phi": "open"}, {"phi": 2_000}),
        BackendGauges("two", False, 0, 4, {}, {}),
    ),
    cache_bytes=1_024,
    cache_hits=5,
    cache_misses=6,
    dead_letters=7,
    records_dropped=8,
)


@pytest.fixture
def metrics() -> Metrics:
    made = Metrics()
    made.declare({"planner": "workflow", "worker": "workflow"})
    return made


def samples(metrics: Metrics, gauges: Gauges = NOTHING) -> list[Sample]:
    text = b"".join(metrics.render(gauges)).decode()
    families = list(text_string_to_metric_families(text))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    assert all(family.type != "unknown" and family.documentation for family in families)
    return [sample for family in families for sample in family.samples]


def value(metrics: Metrics, name: str, gauges: Gauges = NOTHING, **labels: str) -> float:
    """The sum of the samples of that name with at least these labels."""
    found = [
        sample.value
        for sample in samples(metrics, gauges)
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    assert found
    return sum(found)


def test_how_things_stand_is_told(metrics: Metrics) -> None:
    prefix = "sutazai_gateway_"
    assert value(metrics, f"{prefix}queued", priority="low") == 20
    assert value(metrics, f"{prefix}oldest_wait_seconds") == 4.5
    assert value(metrics, f"{prefix}backend_running", backend="one") == 1
    assert value(metrics, f"{prefix}backend_slots", backend="two") == 4
    assert value(metrics, f"{prefix}backend_available", backend="two") == 0
    assert value(metrics, f"{prefix}breaker_state", backend="one", model="phi") == 2
    assert value(metrics, f"{prefix}breaker_state", backend="one", model="smollm2") == 0
    assert value(metrics, "ai_model_memory_bytes", backend="one", model="phi") == 2_000
    assert value(metrics, f"{prefix}cache_bytes") == 1_024
    assert value(metrics, f"{prefix}cache_hits_total") == 5
    assert value(metrics, f"{prefix}cache_misses_total") == 6
    assert value(metrics, f"{prefix}dead_letters") == 7
    assert value(metrics, f"{prefix}records_dropped_total") == 8
    assert value(metrics, f"{prefix}uptime_seconds") == 12.5
    assert value(metrics, f"{prefix}routes_revision") == 3
    assert value(metrics, f"{prefix}paused") == 0
    assert value(metrics, f"{prefix}paused", replace(NOTHING, paused=True)) == 1


def test_calls_are_counted_by_agent_and_by_way(metrics: Metrics) -> None:
    metrics.observe([call()])
    metrics.observe([call(caller="worker", backend="two", version="b", model="phi")])
    metrics.observe([call(caller="worker", outcome="failed")])
    metrics.observe([call(caller="worker", outcome="rejected", backend="", model="")])

    total = "sutazai_gateway_requests_total"
    assert value(metrics, total, backend="one", outcome="done") == 1
    assert value(metrics, total, backend="two", version="b", model="phi", tier="standard") == 1
    assert value(metrics, total) == 4
    by_agent = "sutazai_gateway_agent_requests_total"
    assert value(metrics, by_agent, agent="planner", outcome="done") == 1
    assert value(metrics, by_agent, agent="worker") == 3
    assert value(metrics, "ai_errors_total", agent="worker") == 2
    assert value(metrics, "ai_errors_total", agent="planner") == 0


def test_tokens_and_bytes_are_counted(metrics: Metrics) -> None:
    metrics.observe([call()])
    metrics.observe([call()])

    tokens = "sutazai_gateway_tokens_total"
    assert value(metrics, tokens, backend="one", kind="prompt") == 700
    assert value(metrics, tokens, backend="one", kind="completion") == 128
    assert value(metrics, "sutazai_gateway_prompt_tokens_cached_total") == 600
    assert value(metrics, "sutazai_gateway_agent_tokens_total", agent="planner") == 828
    assert value(metrics, "ai_tokens_processed_total", agent="planner") == 828
    assert value(metrics, "sutazai_gateway_request_bytes_total") == 4_000
    assert value(metrics, "sutazai_gateway_response_bytes_total") == 18_000


def test_what_a_cache_answered_is_counted_and_was_not_computed(metrics: Metrics) -> None:
    metrics.observe([call(cache="hit", backend="")])

    assert (metrics.totals().done, metrics.totals().tokens_in) == (1, 0)


def test_durations_are_spread_over_buckets(metrics: Metrics) -> None:
    metrics.observe([call(queued=0.5, first_token=1.0, total=2.5)])
    metrics.observe([call(queued=2_000.0, first_token=2_000.5, total=2_001.0)])

    for name, first, total in (
        ("sutazai_gateway_queue_wait_seconds", "0.5", 2_000.5),
        ("gen_ai_server_time_to_first_token_seconds", "1.0", 2_001.5),
        ("gen_ai_server_request_duration_seconds", "2.5", 2_003.5),
        ("ai_inference_duration_seconds", "2.0", 3.0),
    ):
        assert value(metrics, f"{name}_bucket", le=first) >= 1
        assert value(metrics, f"{name}_bucket", le="+Inf") == 2
        assert value(metrics, f"{name}_count") == 2
        assert value(metrics, f"{name}_sum") == total
    assert value(metrics, "sutazai_gateway_queue_wait_seconds_bucket", le="0.25") == 0
    assert value(metrics, "sutazai_gateway_queue_wait_seconds_bucket", le="300.0") == 1
    assert value(metrics, "sutazai_gateway_agent_queue_seconds_total") == 2_000.5


def test_only_what_happened_is_measured(metrics: Metrics) -> None:
    metrics.observe([call(outcome="rejected", queued=0.0, first_token=0.0, backend="")])
    metrics.observe([call(outcome="cancelled", queued=9.0, first_token=0.0, backend="")])

    assert value(metrics, "sutazai_gateway_queue_wait_seconds_count") == 1
    assert value(metrics, "gen_ai_server_time_to_first_token_seconds_count") == 0
    assert value(metrics, "gen_ai_server_request_duration_seconds_count") == 0
    assert value(metrics, "ai_inference_duration_seconds_count") == 0


def test_what_the_cache_answers_costs_no_tokens_and_flatters_no_backend(metrics: Metrics) -> None:
    metrics.observe([call(cache="hit", backend="", total=0.001, queued=0.0, first_token=0.001)])

    assert value(metrics, "sutazai_gateway_agent_requests_total", outcome="done") == 1
    assert value(metrics, "sutazai_gateway_tokens_total") == 0
    assert value(metrics, "ai_inference_duration_seconds_count") == 0
    assert value(metrics, "gen_ai_server_request_duration_seconds_count") == 1


def test_a_model_that_nobody_has_is_no_label(metrics: Metrics) -> None:
    for number in range(100):
        metrics.observe([call(outcome="rejected", tier="", model=f"made-up-{number}", backend="")])

    assert value(metrics, "sutazai_gateway_requests_total", model="") == 100
    assert not any("made-up" in str(sample.labels) for sample in samples(metrics))


def test_callers_that_nobody_declared_are_told_apart_while_there_are_few(metrics: Metrics) -> None:
    for number in range(UNDECLARED + 10):
        metrics.observe([call(caller=f"passer-by-{number}")])
    metrics.observe([call(caller="worker")])

    by_agent = "sutazai_gateway_agent_requests_total"
    assert value(metrics, by_agent, agent="passer-by-0") == 1
    assert value(metrics, by_agent, agent=OTHER) == 10
    assert value(metrics, by_agent, agent="worker") == 1


def test_the_number_of_series_is_bounded_whatever_is_called(metrics: Metrics) -> None:
    metrics.declare({f"agent-{number}": "workers" for number in range(AGENTS_MAX)})
    for number in range(30_000):
        metrics.observe(
            [
                call(
                    caller=f"agent-{number % (2 * AGENTS_MAX)}",
                    tier="",
                    model=f"model-{number % 997}",
                    backend=f"backend-{number % 7}",
                )
            ]
        )

    found = samples(metrics)
    assert len([one for one in found if "agent" in one.labels]) <= (
        (AGENTS_MAX + UNDECLARED + 1) * 17
    )
    assert len([one for one in found if "tier" in one.labels]) <= (WAY_CELLS + 1) * 10
    tiers = [one for one in found if "gen_ai_request_model" in one.labels]
    assert len(tiers) <= (TIER_CELLS + 1) * 39
    assert value(metrics, "sutazai_gateway_agent_requests_total") == 30_000
    assert value(metrics, "sutazai_gateway_requests_total") == 30_000


def test_more_agents_than_can_be_told_apart_are_told_by_their_groups(metrics: Metrics) -> None:
    metrics.declare({f"agent-{number}": f"group-{number % 3}" for number in range(AGENTS_MAX + 1)})
    for number in range(300):
        metrics.observe([call(caller=f"agent-{number}")])

    assert value(metrics, "sutazai_gateway_agent_requests_total", group="group-0") == 100
    assert not any("agent" in sample.labels for sample in samples(metrics))

    metrics.declare({f"agent-{number}": f"group-{number}" for number in range(AGENTS_MAX + 1)})
    for number in range(AGENTS_MAX + 1):
        metrics.observe([call(caller=f"agent-{number}")])

    requests = "sutazai_gateway_agent_requests_total"
    groups = [one for one in samples(metrics) if one.name == requests]
    assert len(groups) == GROUPS_MAX + 1
    assert value(metrics, requests, group=OTHER) == AGENTS_MAX + 1 - GROUPS_MAX


def test_an_agent_that_is_gone_is_told_no_more(metrics: Metrics) -> None:
    metrics.observe([call(caller="planner")])
    metrics.observe([call(caller="worker")])
    metrics.observe([call(caller="passer-by")])

    metrics.declare({"worker": "workflow"})

    requests = "sutazai_gateway_agent_requests_total"
    told = {one.labels["agent"] for one in samples(metrics) if one.name == requests}
    assert told == {"worker", "passer-by"}


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "a,b={}", "ü", ""])
def test_any_name_can_be_a_label(metrics: Metrics, name: str) -> None:
    metrics.observe([call(caller=name)])
    assert value(metrics, "sutazai_gateway_agent_requests_total", agent=name) == 1


def test_a_name_that_is_no_text_breaks_nothing(metrics: Metrics) -> None:
    metrics.observe([call(caller="\ud800")])
    assert value(metrics, "sutazai_gateway_agent_requests_total", agent="?") == 1


def test_it_is_told_a_piece_at_a_time(metrics: Metrics) -> None:
    metrics.observe([call()])
    pieces = list(metrics.render(NOTHING))
    assert len(pieces) > 20
    assert all(piece.startswith(b"# HELP ") and piece.endswith(b"\n") for piece in pieces)


@given(st.lists(st.sampled_from(EDGES) | st.floats(0, 1_000)))
def test_many_durations_are_spread_as_if_they_came_one_by_one(many: list[float]) -> None:
    together, apart = Durations(EDGES), Durations(EDGES)

    together.add(many)
    for seconds in many:
        apart.add_one(seconds)

    assert together.counts == apart.counts
    assert together.total == pytest.approx(apart.total)
