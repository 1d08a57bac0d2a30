"""How a gateway's figures look. Views of JSON that a gateway of another version may have sent, so
what is missing is left out rather than an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from sutazai.cli.console import clock, plain, table
from sutazai.fleet.units import format_duration

Entry = Mapping[str, Any]

OUTCOMES = ("done", "failed", "rejected", "expired", "cancelled")
MISSING = "-"
MODELS_SHOWN = 6


def stats_view(stats: Entry) -> Iterator[RenderableType]:
    """What it has done since it was started, and what it does now."""
    uptime = format_duration(int(_number(stats.get("uptime"))))
    yield Text.assemble(("gateway ", "bold"), f"up {uptime}, routes {_cell(stats, 'revision')}")
    if stats.get("paused"):
        yield PAUSED
    counted = ", ".join(f"{int(_number(stats.get(name)))} {name}" for name in OUTCOMES)
    yield Text.assemble(("calls ", "bold"), counted)
    tokens = (
        f"{int(_number(stats.get('tokens_in')))} in, {int(_number(stats.get('tokens_out')))} out"
    )
    yield Text.assemble(("tokens ", "bold"), tokens)
    yield Text.assemble(("now ", "bold"), _now(stats))
    if isinstance(recent := stats.get("recent"), Mapping) and recent.get("calls"):
        yield Text.assemble(("lately ", "bold"), _lately(recent))
    if saved := int(_number(stats.get("cache_hits")) + _number(stats.get("shared"))):
        yield Text.assemble(("not computed again ", "bold"), f"{saved} calls that equalled another")
    for problem in _entries(stats.get("problems")):
        yield Text.assemble(("! ", "bold red"), plain(str(problem)))
    if backends := _entries(stats.get("backends")):
        yield ""
        yield _backends_table(backends)


PAUSED = Text.assemble(("paused ", "bold yellow"), "agents' calls wait until `sutazai resume`")


def queue_view(queue: Entry) -> Iterator[RenderableType]:
    """Who waits, in the order in which they are served."""
    if queue.get("paused"):
        yield PAUSED
    entries = _entries(queue.get("entries"))
    waiting = int(_number(queue.get("waiting"), len(entries)))
    if not waiting:
        yield "nobody waits"
        return
    yield f"{waiting} wait" if waiting > 1 else "1 waits"
    shown = table("#", "client", "priority", "for", "waited", "served in", "call")
    shown.columns[0].justify = "right"
    for place, entry in enumerate(entries, 1):
        shown.add_row(
            _cell(entry, "position") if "position" in entry else str(place),
            _cell(entry, "client"),
            _cell(entry, "priority"),
            _target(entry),
            _seconds(entry.get("waited")),
            _seconds(entry.get("eta")),
            _cell(entry, "id"),
        )
    yield shown
    if waiting > len(entries):
        yield f"and {waiting - len(entries)} more: --limit"


def backends_view(backends: Sequence[Entry]) -> Iterator[RenderableType]:
    """Every server, and below the table what is not as it should be."""
    if not backends:
        yield "no backend is declared or found"
        return
    yield _backends_table(backends)
    for backend in backends:
        yield from _remarks(backend)


def dead_view(letters: Sequence[Entry]) -> Iterator[RenderableType]:
    """Calls that were refused or expired, the newest first."""
    if not letters:
        yield "no dead letters"
        return
    shown = table("letter", "at", "client", "for", "task", "why")
    shown.columns[-1].overflow = "fold"
    shown.columns[-1].no_wrap = False
    for letter in letters:
        shown.add_row(
            _cell(letter, "id"),
            _moment(letter.get("at")),
            _cell(letter, "caller", "client"),
            _cell(letter, "model", "path"),
            _cell(letter, "task"),
            _reason(letter.get("reason")),
        )
    yield shown
    yield "to make one once more: sutazai gateway dead replay LETTER"


def calls_view(calls: Sequence[Entry]) -> Iterator[RenderableType]:
    """The record of calls, as asked for."""
    if not calls:
        yield "no such calls"
        return
    shown = table(
        "at", "client", "task", "model", "backend", "in", "out", "queued", "took", "outcome"
    )
    for column in shown.columns[5:9]:
        column.justify = "right"
    for call in calls:
        shown.add_row(*_call_cells(call))
    yield shown
    for call in calls:
        yield from _contents(call)


def _contents(call: Entry) -> Iterator[RenderableType]:
    """What was asked and answered, where that is kept and was asked for."""
    for name in ("prompt", "answer"):
        if text := call.get(name):
            heading = f"{name} of {_cell(call, 'caller')} at {_moment(call.get('at'))}"
            yield ""
            yield Text(heading, "bold")
            yield plain(str(text))


def _call_cells(call: Entry) -> list[RenderableType]:
    outcome, error = _cell(call, "outcome"), plain(str(call.get("error") or ""))
    style = "" if outcome == "done" else "yellow"
    return [
        _moment(call.get("at")),
        _cell(call, "caller", "client"),
        _cell(call, "task"),
        _cell(call, "model", "tier"),
        _cell(call, "backend"),
        _cell(call, "prompt_tokens"),
        _cell(call, "completion_tokens"),
        _seconds(call.get("queued")),
        _seconds(call.get("total")),
        Text(f"{outcome} {error}" if error else outcome, style),
    ]


def _reason(reason: Any) -> str:
    """An error in words; it comes as `SutazaiError.as_dict` has it."""
    if isinstance(reason, Mapping):
        return _cell(reason, "message", "code")
    return plain(str(reason)) if reason else MISSING


def _target(entry: Entry) -> str:
    """A tier or model; the gateway tells which of the two by a word before it."""
    return _cell(entry, "target").removeprefix("tier:").removeprefix("model:")


def _now(stats: Entry) -> str:
    queued = stats.get("queued")
    waiting = queued if isinstance(queued, Mapping) else {}
    parts = [f"{int(_number(count))} {priority}" for priority, count in waiting.items() if count]
    running = f"{int(_number(stats.get('running')))} running"
    if not parts:
        return f"{running}, nobody waits"
    oldest = _seconds(stats.get("oldest_wait"))
    return f"{running}, {', '.join(parts)} waiting, the longest for {oldest}"


def _lately(recent: Entry) -> str:
    window = format_duration(_number(recent.get("window")))
    parts = [f"{_number(recent.get('calls_per_minute')):.1f} calls a minute in {window}"]
    for name, words in (("wait", "waited"), ("total", "took")):
        if isinstance(times := recent.get(name), Mapping):
            usual, slow = _seconds(times.get("p50")), _seconds(times.get("p95"))
            parts.append(f"{words} {usual} (95 % within {slow})")
    rates = recent.get("tokens_per_second")
    if isinstance(rates, Mapping):
        parts += [
            f"{plain(str(name))} {_number(rate):.1f} tokens/s" for name, rate in rates.items()
        ]
    return ", ".join(parts)


def _backends_table(backends: Sequence[Entry]) -> Table:
    """With the columns of which the gateway has told anything."""
    told = [
        column for column in _COLUMNS if not column.key or any(column.key in b for b in backends)
    ]
    shown = table(*(column.title for column in told))
    for column, wanted in zip(shown.columns, told, strict=True):
        column.justify = "right" if wanted.is_figure else "left"
    for backend in backends:
        shown.add_row(*(column.cell(backend) for column in told))
    return shown


@dataclass(frozen=True)
class _Column:
    """One column of the table of backends; with a ``key`` only where a backend has that."""

    title: str
    cell: Callable[[Entry], RenderableType]
    key: str = ""
    is_figure: bool = False


def _busy(backend: Entry) -> str:
    return f"{_cell(backend, 'running')}/{_cell(backend, 'slots')}"


def _state(backend: Entry) -> Text:
    if backend.get("available"):
        return Text("available", "green")
    return Text("not available", "bold red")


def _remarks(backend: Entry) -> Iterator[RenderableType]:
    name = _cell(backend, "name")
    for sign, text in (
        *_reasons(backend),
        *(("!", _breaker(one)) for one in _entries(backend.get("breakers")) if _is_open(one)),
        *(("!", _setting(one)) for one in _entries(backend.get("settings"))),
        *(("!", _direct(one)) for one in _entries(backend.get("direct"))),
    ):
        yield Text.assemble((f"{sign} {name} ", "bold yellow"), plain(text))


def _reasons(backend: Entry) -> Iterator[tuple[str, str]]:
    if backend.get("reason"):
        how = "" if backend.get("available") else "is not available: "
        yield "!", f"{how}{backend['reason']}"


def _is_open(breaker: Any) -> bool:
    return isinstance(breaker, Mapping) and breaker.get("state") not in (None, "closed")


def _breaker(breaker: Entry) -> str:
    model = f" for {breaker['model']}" if breaker.get("model") else ""
    again = breaker.get("retry_in")
    retry = f", tried again in {_seconds(again)}" if again is not None else ""
    failures = breaker.get("failures")
    why = breaker.get("why") or (f"{failures} failures in a row" if failures else "it failed")
    return f"gets no calls{model}: {why}{retry}"


def _setting(setting: Entry) -> str:
    return (
        f"has {_cell(setting, 'name')} {_cell(setting, 'actual')}, "
        f"and should have {_cell(setting, 'wanted')}"
    )


def _direct(program: Entry) -> str:
    pid = program.get("pid")
    who = f"{_cell(program, 'name')} (process {pid})" if pid else _cell(program, "name")
    return f"is used directly, past the gateway, by {who}: {_cell(program, 'command')}"


def _entries(value: Any) -> list[Any]:
    return (
        list(value) if isinstance(value, Iterable) and not isinstance(value, str | Mapping) else []
    )


def _cell(entry: Entry, *names: str) -> str:
    """The first of ``names`` that ``entry`` has a value for."""
    for name in names:
        value = entry.get(name)
        if value is not None and value != "":
            return plain(str(value))
    return MISSING


def _listed(value: Any) -> str:
    names = [plain(str(name)) for name in ([value] if isinstance(value, str) else _entries(value))]
    more = len(names) - MODELS_SHOWN
    shown = ", ".join(names[:MODELS_SHOWN]) or MISSING
    return f"{shown} and {more} more" if more > 0 else shown


def _number(value: Any, otherwise: float = 0.0) -> float:
    return float(value) if isinstance(value, int | float) else float(otherwise)


def _seconds(value: Any) -> str:
    return format_duration(float(value)) if isinstance(value, int | float) else MISSING


def _rate(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, int | float) else MISSING


def _moment(value: Any) -> str:
    return clock(float(value)) if isinstance(value, int | float) else MISSING


_COLUMNS = (
    _Column("backend", lambda backend: _cell(backend, "name")),
    _Column("state", _state),
    _Column("speaks", lambda backend: _cell(backend, "dialect"), "dialect"),
    _Column("busy", _busy, is_figure=True),
    _Column(
        "tokens/s",
        lambda backend: _rate(backend.get("tokens_per_second")),
        "tokens_per_second",
        True,
    ),
    _Column("loaded", lambda backend: _listed(backend.get("resident")), "resident"),
    _Column("models", lambda backend: _listed(backend.get("models"))),
)
