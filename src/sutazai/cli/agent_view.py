"""How one agent looks: why it is in its state, what it is, what happened to it last.

A view of the page that control answers with. A control of another version may leave parts out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from sutazai.cli.console import clock, plain, table
from sutazai.cli.follow import event_line
from sutazai.cli.gateway_view import calls_view
from sutazai.cli.status_view import memory_cell, state_cell
from sutazai.fleet.spec import MEMORY_CLASSES, Runtime
from sutazai.fleet.status import AgentStatus, Event, InstanceStatus
from sutazai.fleet.units import format_size

Page = Mapping[str, Any]

MARGIN = 13
"""Columns of the names of facts."""

EVENTS_SHOWN = 10
"""The page has more, for programs."""

ROLE = "role agent, made of its prompt"


def agent_view(page: Page) -> Iterator[RenderableType]:
    """Everything on the page; a blank line before each part."""
    status = AgentStatus.model_validate(page["status"])
    yield from _facts(page, status)
    for problem in page.get("problems") or ():
        yield Text.assemble(("! ", "bold red"), plain(str(problem)))
    if status.instances:
        yield from ("", _instances(status))
    yield from _last_exit(status)
    yield from _events(page.get("events") or ())
    yield from _log(page.get("log") or ())
    if calls := page.get("calls"):
        yield from ("", Text("last calls to models", "bold"), *calls_view(calls))


def _facts(page: Page, status: AgentStatus) -> Iterator[Text]:
    yield Text.assemble((status.name, "bold"), "  ", plain(status.description))
    yield Text.assemble(f"{'state':<{MARGIN}}", state_cell(status), _why(page, status))
    for name, value in _declared(page, status).items():
        if value not in (None, ""):
            lines = plain(str(value)).rstrip().replace("\n", f"\n{'':<{MARGIN}}")
            yield Text(f"{name:<{MARGIN}}{lines}")


def _why(page: Page, status: AgentStatus) -> str:
    if why := page.get("why"):
        return f": {plain(str(why))}"
    return f" ({plain(status.reason)})" if status.reason else ""


def _declared(page: Page, status: AgentStatus) -> dict[str, object]:
    spec: Page = page["spec"]
    return {
        "since": clock(status.since),
        "temperature": status.temperature.value,
        "runtime": status.runtime.value,
        "class": spec.get("class") or (ROLE if status.runtime is Runtime.PYTHON else None),
        "group": status.group,
        "rank": status.rank + (f", reports to {status.lead}" if status.lead else ""),
        "tier": f"{status.tier}, priority {status.priority}",
        "port": status.port,
        "revision": page.get("revision"),
        "memory": f"{memory_cell(status)} of at most {_limit(spec)}",
        "restarts": status.restarts,
        "command": " ".join(spec.get("command") or ()),
        "prompt": spec.get("prompt"),
    }


def _limit(spec: Page) -> str:
    """A class of memory with its size, or the size that the fleet file gives."""
    memory = str(spec.get("memory", "-"))
    known = MEMORY_CLASSES.get(memory)
    return f"{format_size(known)} ({memory})" if known else memory


def _instances(status: AgentStatus) -> RenderableType:
    shown = table("instance", "pid", "state", "since", "memory", "health checks")
    shown.columns[-1].overflow, shown.columns[-1].no_wrap = "fold", False
    for instance in status.instances:
        shown.add_row(
            instance.instance,
            str(instance.pid),
            instance.state.value,
            clock(instance.since),
            _memory(instance),
            _checks(instance),
        )
    return shown


def _memory(instance: InstanceStatus) -> str:
    """As its control group counts it, with the limit; else its share (PSS)."""
    taken = instance.pss if instance.memory is None else instance.memory
    limit = f" of {format_size(instance.limit)}" if instance.limit else ""
    return "-" if taken is None else f"{format_size(taken)}{limit}"


def _checks(instance: InstanceStatus) -> str:
    if not instance.trouble:
        return "good" if not instance.failures else f"{instance.failures} failed"
    failed = f"{instance.failures} failed: " if instance.failures else ""
    return f"{failed}{plain(instance.trouble)}"


def _last_exit(status: AgentStatus) -> Iterator[RenderableType]:
    if status.last_exit is None:
        return
    exit_ = status.last_exit
    yield ""
    yield Text.assemble(("last unwanted end ", "bold"), f"{clock(exit_.at)}: {plain(exit_.reason)}")
    for line in exit_.lines:
        yield Text(f"  {plain(line)}", "dim")


def _events(events: Any) -> Iterator[RenderableType]:
    if events:
        yield from ("", Text("what happened last", "bold"))
    for event in events[-EVENTS_SHOWN:]:
        yield event_line(Event.model_validate(event))


def _log(lines: Any) -> Iterator[RenderableType]:
    if lines:
        yield from ("", Text("last lines of its log", "bold"))
    for line in lines:
        yield Text(plain(str(line)), "dim")
