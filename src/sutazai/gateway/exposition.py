"""What Prometheus reads of the gateway: tables of metrics. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sutazai.gateway.cells import (
    AGENT_EDGES,
    EDGES,
    OUTCOMES,
    PLACE,
    AgentCell,
    BackendGauges,
    Durations,
    Gauges,
    TierCell,
    WayCell,
)
from sutazai.wire.exposition import (
    Spread,
    Table,
    Value,
    counter,
    gauge,
    histogram,
    labels,
    plain,
)

_ERRORS = tuple(PLACE[name] for name in ("failed", "rejected", "expired"))
_BREAKER = {"closed": 0, "half-open": 1, "open": 2}


def _outcomes(cell: AgentCell | WayCell) -> Iterator[Value]:
    """Those that there were: most cells have one or two."""
    for name, count in zip(OUTCOMES, cell.outcomes, strict=True):
        if count:
            yield f'{cell.labels},outcome="{name}"', count


def _tokens(cell: AgentCell | WayCell) -> Iterable[Value]:
    return (
        (f'{cell.labels},kind="prompt"', cell.prompt),
        (f'{cell.labels},kind="completion"', cell.completion),
    )


def _of_agent(read: Callable[[AgentCell], int | float]) -> Callable[[AgentCell], Iterable[Value]]:
    return lambda cell: ((cell.labels, read(cell)),)


def _of_way(read: Callable[[WayCell], int]) -> Callable[[WayCell], Iterable[Value]]:
    return lambda cell: ((cell.labels, read(cell)),)


def _of_backend(
    read: Callable[[BackendGauges], int],
) -> Callable[[BackendGauges], Iterable[Value]]:
    return lambda one: ((labels(backend=one.name), read(one)),)


def _spread(of: str, durations: Durations) -> Spread:
    return of, durations.counts, durations.total


AGENTS: Table[AgentCell] = (
    counter("sutazai_gateway_agent_requests_total", "Calls that ended.", _outcomes),
    counter("sutazai_gateway_agent_tokens_total", "Tokens that were computed.", _tokens),
    counter(
        "sutazai_gateway_agent_queue_seconds_total",
        "Time spent in the queue.",
        _of_agent(lambda cell: cell.queued),
    ),
    histogram(
        "ai_inference_duration_seconds",
        "Time that answered calls took, without the queue.",
        AGENT_EDGES,
        lambda cell: _spread(cell.labels, cell.duration),
    ),
    counter(
        "ai_tokens_processed_total",
        "Tokens that were computed, of prompts and answers.",
        _of_agent(lambda cell: cell.prompt + cell.completion),
    ),
    counter(
        "ai_errors_total",
        "Calls that failed, were rejected or waited too long.",
        _of_agent(lambda cell: sum(cell.outcomes[place] for place in _ERRORS)),
    ),
)

WAYS: Table[WayCell] = (
    counter("sutazai_gateway_requests_total", "Calls that ended.", _outcomes),
    counter("sutazai_gateway_tokens_total", "Tokens that were computed.", _tokens),
    counter(
        "sutazai_gateway_prompt_tokens_cached_total",
        "Of the tokens of prompts, those that the backend still had.",
        _of_way(lambda cell: cell.cached),
    ),
    counter(
        "sutazai_gateway_request_bytes_total",
        "Bodies of requests.",
        _of_way(lambda cell: cell.bytes_in),
    ),
    counter(
        "sutazai_gateway_response_bytes_total",
        "Bodies of answers.",
        _of_way(lambda cell: cell.bytes_out),
    ),
)

TIERS: Table[TierCell] = (
    histogram(
        "sutazai_gateway_queue_wait_seconds",
        "Time in the queue of calls that were not rejected.",
        EDGES,
        lambda cell: _spread(cell.labels, cell.queued),
    ),
    histogram(
        "gen_ai_server_time_to_first_token_seconds",
        "Time until the first piece of the answer, with the queue.",
        EDGES,
        lambda cell: _spread(cell.labels, cell.first_token),
    ),
    histogram(
        "gen_ai_server_request_duration_seconds",
        "Time until the end of the answer, with the queue.",
        EDGES,
        lambda cell: _spread(cell.labels, cell.duration),
    ),
)

NOW: Table[Gauges] = (
    gauge(
        "sutazai_gateway_queued",
        "Calls that wait.",
        lambda now: ((labels(priority=name), count) for name, count in now.queued.items()),
    ),
    gauge(
        "sutazai_gateway_oldest_wait_seconds",
        "Longest wait of those that wait.",
        plain(lambda now: now.oldest_wait),
    ),
    gauge(
        "sutazai_gateway_paused",
        "Whether agents' calls are held.",
        plain(lambda now: int(now.paused)),
    ),
    gauge(
        "sutazai_gateway_cache_bytes", "Answers in the cache.", plain(lambda now: now.cache_bytes)
    ),
    counter(
        "sutazai_gateway_cache_hits_total",
        "Calls answered by the cache.",
        plain(lambda now: now.cache_hits),
    ),
    counter(
        "sutazai_gateway_cache_misses_total",
        "Calls that it could not answer.",
        plain(lambda now: now.cache_misses),
    ),
    gauge(
        "sutazai_gateway_dead_letters",
        "Refused and expired calls that are kept.",
        plain(lambda now: now.dead_letters),
    ),
    counter(
        "sutazai_gateway_records_dropped_total",
        "Calls without a record.",
        plain(lambda now: now.records_dropped),
    ),
    gauge("sutazai_gateway_uptime_seconds", "Since it was started.", plain(lambda now: now.uptime)),
    gauge(
        "sutazai_gateway_routes_revision",
        "Of the routes in force.",
        plain(lambda now: now.revision),
    ),
)

BACKENDS: Table[BackendGauges] = (
    gauge(
        "sutazai_gateway_backend_available",
        "Whether it can be reached.",
        _of_backend(lambda one: int(one.available)),
    ),
    gauge(
        "sutazai_gateway_backend_running",
        "Calls that it computes.",
        _of_backend(lambda one: one.running),
    ),
    gauge(
        "sutazai_gateway_backend_slots",
        "Calls that it can compute at once.",
        _of_backend(lambda one: one.slots),
    ),
    gauge(
        "sutazai_gateway_breaker_state",
        "0 closed, 1 half-open, 2 open.",
        lambda one: (
            (labels(backend=one.name, model=model), _BREAKER[state])
            for model, state in one.breakers.items()
        ),
    ),
    gauge(
        "ai_model_memory_bytes",
        "Models that backends have loaded, as far as they tell.",
        lambda one: (
            (labels(backend=one.name, model=model), size) for model, size in one.memory.items()
        ),
    ),
)
