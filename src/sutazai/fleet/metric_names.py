"""The metrics that SutazAI's own processes tell, by name: what alert rules may look at.

A name that begins otherwise is somebody else's, as an agent's own, and anything may be right.
"""

from __future__ import annotations

OWN = ("sutazai_", "ai_", "gen_ai_")
"""How the names of our own metrics begin."""

_HISTOGRAMS = (
    "ai_inference_duration_seconds",
    "gen_ai_server_request_duration_seconds",
    "gen_ai_server_time_to_first_token_seconds",
    "sutazai_gateway_queue_wait_seconds",
)
_OTHERS = (
    "ai_errors_total",
    "ai_model_memory_bytes",
    "ai_tokens_processed_total",
    "sutazai_admission_waiting",
    "sutazai_agent_cpu_seconds_total",
    "sutazai_agent_memory_bytes",
    "sutazai_agent_restarts_total",
    "sutazai_agent_up",
    "sutazai_agents",
    "sutazai_core_busy_seconds_total",
    "sutazai_database_connections_limit",
    "sutazai_database_connections_used",
    "sutazai_database_latency_seconds",
    "sutazai_database_up",
    "sutazai_disk_free_bytes",
    "sutazai_disk_size_bytes",
    "sutazai_fleet_problems",
    "sutazai_fleet_revision",
    "sutazai_gateway_agent_queue_seconds_total",
    "sutazai_gateway_agent_requests_total",
    "sutazai_gateway_agent_tokens_total",
    "sutazai_gateway_backend_available",
    "sutazai_gateway_backend_running",
    "sutazai_gateway_backend_slots",
    "sutazai_gateway_breaker_state",
    "sutazai_gateway_cache_bytes",
    "sutazai_gateway_cache_hits_total",
    "sutazai_gateway_cache_misses_total",
    "sutazai_gateway_dead_letters",
    "sutazai_gateway_oldest_wait_seconds",
    "sutazai_gateway_paused",
    "sutazai_gateway_prompt_tokens_cached_total",
    "sutazai_gateway_queued",
    "sutazai_gateway_records_dropped_total",
    "sutazai_gateway_request_bytes_total",
    "sutazai_gateway_requests_total",
    "sutazai_gateway_response_bytes_total",
    "sutazai_gateway_routes_revision",
    "sutazai_gateway_tokens_total",
    "sutazai_gateway_uptime_seconds",
    "sutazai_history_recording",
    "sutazai_history_size_bytes",
    "sutazai_machine_memory_available_bytes",
    "sutazai_machine_memory_size_bytes",
    "sutazai_machine_swap_free_bytes",
    "sutazai_memory_limit_bytes",
    "sutazai_memory_used_bytes",
    "sutazai_objective_budget_left_ratio",
    "sutazai_objective_burn_rate",
    "sutazai_objective_good_ratio",
    "sutazai_peer_up",
    "sutazai_plane_cpu_seconds_total",
    "sutazai_plane_memory_bytes",
    "sutazai_plane_restarts_total",
    "sutazai_plane_up",
    "sutazai_pool_reserved_bytes",
    "sutazai_pool_size_bytes",
    "sutazai_pool_used_bytes",
    "sutazai_ports_limit",
    "sutazai_ports_used",
    "sutazai_pressure_level",
    "sutazai_pressure_stalled_ratio",
    "sutazai_pressure_withheld",
    "sutazai_process_cpu_seconds_total",
    "sutazai_process_resident_memory_bytes",
    "sutazai_runs",
    "sutazai_schedules",
    "sutazai_schedules_due",
    "sutazai_schedules_paused",
    "sutazai_service_cpu_seconds_total",
    "sutazai_service_memory_bytes",
    "sutazai_service_restarts_total",
    "sutazai_service_up",
    "sutazai_services",
    "sutazai_tasks",
    "sutazai_tasks_dead",
    "sutazai_tasks_oldest_wait_seconds",
    "sutazai_tasks_queued",
    "sutazai_traces_dropped_total",
    "sutazai_traces_sent_total",
)

METRICS = frozenset({*_HISTOGRAMS, *_OTHERS})
"""All of them; a histogram by the name that its buckets, sum and count share."""

_PARTS = frozenset(
    f"{name}{part}" for name in _HISTOGRAMS for part in ("_bucket", "_sum", "_count")
)


def is_known(name: str) -> bool:
    """Whether there is such a metric, as far as we can know."""
    return not name.startswith(OWN) or name in METRICS or name in _PARTS
