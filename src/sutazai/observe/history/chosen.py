"""Which series are kept: what pages and forecasts draw, and no more."""

from __future__ import annotations

CHOSEN = frozenset(
    {
        # of each agent
        "sutazai_agent_up",
        "sutazai_agent_memory_bytes",
        "sutazai_agent_cpu_seconds_total",
        "sutazai_gateway_agent_tokens_total",
        "sutazai_gateway_agent_queue_seconds_total",
        "ai_errors_total",
        "ai_inference_duration_seconds_sum",
        "ai_inference_duration_seconds_count",
        # of services and of the house's own processes
        "sutazai_service_up",
        "sutazai_service_memory_bytes",
        "sutazai_service_cpu_seconds_total",
        "sutazai_process_cpu_seconds_total",
        "sutazai_process_resident_memory_bytes",
        # of the machine
        "sutazai_agents",
        "sutazai_services",
        "sutazai_pool_used_bytes",
        "sutazai_pool_reserved_bytes",
        "sutazai_core_busy_seconds_total",
        "sutazai_machine_memory_available_bytes",
        "sutazai_memory_used_bytes",
        "sutazai_memory_limit_bytes",
        "sutazai_pressure_level",
        "sutazai_pressure_stalled_ratio",
        "sutazai_admission_waiting",
        # of the LLM
        "sutazai_gateway_queued",
        "sutazai_gateway_oldest_wait_seconds",
        "sutazai_gateway_requests_total",
        "sutazai_gateway_tokens_total",
        "sutazai_gateway_cache_hits_total",
        "sutazai_gateway_cache_misses_total",
        "sutazai_gateway_backend_available",
        "sutazai_gateway_backend_running",
        "sutazai_gateway_backend_slots",
        "sutazai_gateway_breaker_state",
        "gen_ai_server_time_to_first_token_seconds_bucket",
        "gen_ai_server_request_duration_seconds_bucket",
        "sutazai_gateway_queue_wait_seconds_bucket",
        "ai_model_memory_bytes",
        # of durable work
        "sutazai_tasks",
        "sutazai_tasks_queued",
        "sutazai_tasks_oldest_wait_seconds",
        "sutazai_runs",
        "sutazai_database_latency_seconds",
    }
)
