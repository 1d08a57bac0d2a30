"""Grafana dashboards of a fleet, as code. Pure, but for the library: `sutazai[grafana]`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

SOURCE = DataSourceRef(type_val="prometheus", uid="${source}")
WIDTH, HEIGHT = 12, 8
"""Of a panel; a row has 24 columns."""

QUANTILES = (50, 95, 99)


@dataclass(frozen=True, slots=True)
class Graph:
    """One panel: PromQL by what the lines are called, with ``{{label}}`` in it. ``unit`` is one of
    Grafana's."""

    title: str
    lines: dict[str, str]
    unit: str = "short"


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard: graphs below headings; ``variables`` are labels that can be chosen, each by
    the metric that it is of."""

    uid: str
    title: str
    rows: dict[str, Sequence[Graph]]
    variables: dict[str, str]

    def to_json(self) -> str:
        """What Grafana reads."""
        builder = dashboard.Dashboard(self.title).uid(self.uid).tags(["sutazai"])
        builder.refresh("30s").time("now-1h", "now").timezone("browser").editable()
        builder.with_variable(dashboard.DatasourceVariable("source").type("prometheus"))
        for label, metric in self.variables.items():
            builder.with_variable(_choice(label, metric))
        for heading, graphs in self.rows.items():
            builder.with_row(dashboard.Row(heading))
            for graph in graphs:
                builder.with_panel(_panel(graph))
        return JSONEncoder(sort_keys=True, indent=2).encode(builder.build())


def _choice(label: str, metric: str) -> dashboard.QueryVariable:
    choice = dashboard.QueryVariable(label).datasource(SOURCE).include_all(True).multi(True)
    return choice.query(f"label_values({metric}, {label})")


def _panel(graph: Graph) -> timeseries.Panel:
    panel = timeseries.Panel().title(graph.title).unit(graph.unit).min(0).datasource(SOURCE)
    for legend, expression in graph.lines.items():
        panel.with_target(prometheus.Dataquery().expr(expression).legend_format(legend))
    return panel.span(WIDTH).height(HEIGHT)


def _quantiles(histogram: str, by: str = "", where: str = "") -> dict[str, str]:
    """A line for each of `QUANTILES`, and each value of the label ``by``."""
    labels = f"le, {by}" if by else "le"
    shown = f" {{{{{by}}}}}" if by else ""
    return {
        f"p{share}{shown}": f"histogram_quantile(0.{share}, sum by ({labels}) "
        f"(rate({histogram}_bucket{where}[$__rate_interval])))"
        for share in QUANTILES
    }


def _rate(counter: str, by: str, where: str = "") -> dict[str, str]:
    return {f"{{{{{by}}}}}": f"sum by ({by}) (rate({counter}{where}[$__rate_interval]))"}


FLEET = Board(
    "sutazai-fleet",
    "SutazAI: fleet",
    {
        "Agents": (
            Graph("Agents by state", {"{{state}}": "sum by (state) (sutazai_agents)"}),
            Graph("Share of those due that are up", {"up": "avg(sutazai_agent_up)"}, "percentunit"),
            Graph(
                "Restarts", {"{{agent}}": "increase(sutazai_agent_restarts_total[10m]) > 0"}
            ),
            Graph("Waiting for room", {"units": "sutazai_admission_waiting"}),
        ),
        "Memory and cores": (
            Graph(
                "Memory by pool",
                {"{{pool}} used": "sutazai_pool_used_bytes",
                 "{{pool}} size": "sutazai_pool_size_bytes"},
                "bytes",
            ),
            Graph(
                "Memory where it is shortest",
                {"used": "sutazai_memory_used_bytes", "limit": "sutazai_memory_limit_bytes"},
                "bytes",
            ),
            Graph(
                "CPU by core", _rate("sutazai_core_busy_seconds_total", "core"), "percentunit"
            ),
            Graph(
                "Stalled (PSI)", {"{{resource}}": "sutazai_pressure_stalled_ratio"}, "percentunit"
            ),
        ),
        "Durable work": (
            Graph("Tasks by state", {"{{state}}": "sutazai_tasks"}),
            Graph("Queue by priority", {"{{priority}}": "sutazai_tasks_queued"}),
            Graph("Oldest wait", {"wait": "sutazai_tasks_oldest_wait_seconds"}, "s"),
            Graph("Runs by state", {"{{state}}": "sutazai_runs"}),
        ),
        "The house": (
            Graph(
                "Database connections",
                {"used": "sutazai_database_connections_used",
                 "limit": "sutazai_database_connections_limit"},
            ),
            Graph("Database latency", {"latency": "sutazai_database_latency_seconds"}, "s"),
            Graph(
                "CPU of our processes",
                _rate("sutazai_process_cpu_seconds_total", "process"),
                "percentunit",
            ),
            Graph(
                "Memory of our processes",
                {"{{process}}": "sutazai_process_resident_memory_bytes"},
                "bytes",
            ),
        ),
    },
    {},
)  # fmt: skip

AGENTS = Board(
    "sutazai-agents",
    "SutazAI: agents",
    {
        "What they take": (
            Graph("Memory", {"{{agent}}": 'sutazai_agent_memory_bytes{agent=~"$agent"}'}, "bytes"),
            Graph(
                "CPU",
                _rate("sutazai_agent_cpu_seconds_total", "agent", '{agent=~"$agent"}'),
                "percentunit",
            ),
        ),
        "What they ask": (
            Graph(
                "Inference time",
                _quantiles("ai_inference_duration_seconds", "agent", '{agent=~"$agent"}'),
                "s",
            ),
            Graph(
                "Tokens a second",
                _rate("ai_tokens_processed_total", "agent", '{agent=~"$agent"}'),
            ),
            Graph("Errors", _rate("ai_errors_total", "agent", '{agent=~"$agent"}')),
            Graph(
                "Time in the queue",
                _rate("sutazai_gateway_agent_queue_seconds_total", "agent", '{agent=~"$agent"}'),
                "s",
            ),
        ),
    },
    {"agent": "sutazai_agent_restarts_total"},
)

GATEWAY = Board(
    "sutazai-gateway",
    "SutazAI: gateway",
    {
        "Calls": (
            Graph("Calls by outcome", _rate("sutazai_gateway_requests_total", "outcome"), "reqps"),
            Graph("Answer", _quantiles("gen_ai_server_request_duration_seconds"), "s"),
            Graph("First token", _quantiles("gen_ai_server_time_to_first_token_seconds"), "s"),
            Graph("Tokens a second", _rate("sutazai_gateway_tokens_total", "kind")),
        ),
        "Queue": (
            Graph("Waiting by priority", {"{{priority}}": "sutazai_gateway_queued"}),
            Graph("Wait", _quantiles("sutazai_gateway_queue_wait_seconds"), "s"),
        ),
        "Backends": (
            Graph(
                "Slots",
                {"{{backend}} running": "sutazai_gateway_backend_running",
                 "{{backend}} slots": "sutazai_gateway_backend_slots"},
            ),
            Graph(
                "Breakers (0 closed, 1 half-open, 2 open)",
                {"{{backend}} {{model}}": "sutazai_gateway_breaker_state"},
            ),
            Graph("Loaded models", {"{{backend}} {{model}}": "ai_model_memory_bytes"}, "bytes"),
            Graph(
                "Cache hits",
                {"share": "rate(sutazai_gateway_cache_hits_total[$__rate_interval]) / "
                          "(rate(sutazai_gateway_cache_hits_total[$__rate_interval]) + "
                          "rate(sutazai_gateway_cache_misses_total[$__rate_interval]))"},
                "percentunit",
            ),
        ),
    },
    {},
)  # fmt: skip

BOARDS = (FLEET, AGENTS, GATEWAY)
