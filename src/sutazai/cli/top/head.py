"""What stands above every view: the machine, the model, and who is silent. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from sutazai.cli.console import clock
from sutazai.cli.status_view import throttle_line
from sutazai.cli.top.figures import Figures
from sutazai.fleet.status import Level
from sutazai.fleet.units import format_duration, format_size

LEVELS = {Level.WARNING: "yellow", Level.CRITICAL: "bold red", Level.EMERGENCY: "bold red"}
SAID_OF = {"host": "states and memory", "gateway": "the model's", "control": "tasks"}
UNKNOWN = "-"


def head(figures: Figures) -> Iterator[Text]:
    """One line each; every one is cut where the screen is narrow."""
    yield _machine(figures)
    yield _llm(figures)
    if figures.throttle is not None:
        yield one_line(Text(throttle_line(figures.throttle), "bold red"))
    for name, last in figures.silent.items():
        since = f"; {SAID_OF[name]} figures are as of {clock(last)}" if last else ""
        yield one_line(Text(f"! {name} does not answer, it may be restarting{since}", "bold red"))


def _machine(figures: Figures) -> Text:
    used, total = figures.memory_used, figures.memory_total
    share = f" ({100 * used / total:.0f} %)" if total else ""
    cpu = f"{figures.cpu:.0f} %" if figures.cpu is not None else UNKNOWN
    level = figures.level
    pressure = Text(level.value, LEVELS.get(level, "green")) if level else Text(UNKNOWN)
    return one_line(
        Text.assemble(
            (f"{clock(figures.at)} ", "dim"),
            ("memory ", "bold"),
            f"{format_size(used)} of {format_size(total)}{share}, pressure ",
            pressure,
            ("  CPU ", "bold"),
            f"{cpu} of {figures.cores} cores",
        )
    )


def _llm(figures: Figures) -> Text:
    llm = figures.llm
    if llm is None:
        return Text.assemble(("LLM ", "bold"), UNKNOWN)
    waits = f"{llm.waiting} wait"
    if llm.waiting:
        waits += f", the longest for {format_duration(llm.oldest_wait)}"
    since = clock(figures.share_since) if figures.share_since else UNKNOWN
    paused = ("  paused", "bold yellow") if llm.paused else ""
    return one_line(
        Text.assemble(
            ("LLM ", "bold"),
            f"{llm.running} of {llm.slots} slots busy, {waits}; shares since {since}",
            paused,
        )
    )


def one_line(text: Text) -> Text:
    """Cut where the screen is narrow, so that the number of lines is known."""
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
