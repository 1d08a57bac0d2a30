"""The LLM gateway: who waits and for how long, the backends, what was refused."""

from __future__ import annotations

from html import escape
from typing import Any

from nicegui import ui

from sutazai.client import Control
from sutazai.fleet.units import format_duration
from sutazai.web.feed import Feed
from sutazai.web.look import pieces
from sutazai.web.look.page import page
from sutazai.web.look.words import clock

QUEUE_SHOWN = 50
CALLS_SHOWN = 20


def install(feed: Feed, control: Control) -> None:
    """Adds the page."""

    @ui.page("/gateway")
    async def gateway() -> None:
        await feed.glance()
        with page("Gateway", "/gateway", feed) as updates:
            ui.html("<h1>Gateway</h1>", sanitize=False)
            shown = ui.html("", sanitize=False).classes("w-full")

        async def asked() -> str:
            return gateway_html(
                await control.get("/gateway/stats"),
                await control.get("/gateway/queue", limit=QUEUE_SHOWN),
                await control.get("/gateway/backends"),
                await control.get("/gateway/calls", limit=CALLS_SHOWN),
            )

        updates.ask(shown, asked)


def gateway_html(
    stats: dict[str, Any],
    queue: dict[str, Any],
    backends: list[dict[str, Any]],
    calls: list[dict[str, Any]],
) -> str:
    """The whole page below its heading."""
    return (
        f'<div class="grid">{_figures(stats, queue)}'
        f'<div class="panel"><h2>Backends</h2>{_backends(backends)}</div>'
        f'<div class="panel"><h2>Who waits</h2>{_queue(queue["entries"])}</div>'
        f'<div class="panel"><h2>Last calls</h2>{_calls(calls)}</div></div>'
    )


def _figures(stats: dict[str, Any], queue: dict[str, Any]) -> str:
    parts = [
        pieces.figure(str(stats["running"]), "calls at backends"),
        pieces.figure(str(queue["waiting"]), "calls waiting"),
        pieces.figure(format_duration(stats["oldest_wait"]), "longest wait now"),
        pieces.figure(str(stats["done"]), "calls answered"),
        pieces.figure(str(stats["failed"]), "calls failed"),
        pieces.figure(str(stats["rejected"] + stats["expired"]), "calls refused or expired"),
        pieces.figure(str(stats["cache_hits"] + stats["shared"]), "answers without a new call"),
    ]
    return f'<div class="grid figures">{"".join(parts)}</div>'


def _backends(backends: list[dict[str, Any]]) -> str:
    rows = [
        (
            escape(one["name"]),
            pieces.state("healthy" if one["available"] else "failed"),
            f"{one['running']} / {one['slots']}",
            f"{one['tokens_per_second']:g}",
            escape(", ".join(one["models"])),
            escape("; ".join(_open(one["breakers"]))),
            escape(one["reason"]),
        )
        for one in backends
    ]
    head = ("backend", "state", "slots busy", "tokens/s", "models", "breakers", "why")
    return pieces.table(head, rows, numbers=(2, 3), empty="There is no backend.")


def _open(breakers: list[dict[str, Any]]) -> list[str]:
    return [f"{one['model']} {one['state']}: {one['why']}" for one in breakers if one["why"]]


def _queue(entries: list[dict[str, Any]]) -> str:
    rows = [
        (
            str(entry["position"]),
            escape(entry["client"]),
            escape(entry["priority"]),
            escape(entry["target"]),
            format_duration(entry["waited"]),
            "" if entry["eta"] is None else format_duration(entry["eta"]),
        )
        for entry in entries
    ]
    head = ("place", "who", "priority", "asks for", "has waited", "starts in")
    return pieces.table(head, rows, numbers=(0, 4, 5), empty="Nobody waits.")


def _calls(calls: list[dict[str, Any]]) -> str:
    rows = [
        (
            escape(clock(call["at"])),
            pieces.agent_link(call["caller"]) if call["agent"] else escape(call["caller"]),
            escape(call["tier"] or call["model"]),
            escape(call["backend"]),
            escape(call["error"] or call["outcome"]),
            format_duration(call["queued"]),
            format_duration(call["total"]),
        )
        for call in calls
    ]
    head = ("time", "who", "asked for", "backend", "outcome", "waited", "took")
    return pieces.table(head, rows, numbers=(5, 6), empty="No model was asked yet.")
