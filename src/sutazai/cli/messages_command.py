"""``sutazai messages``: what agents are still to get, what was given up, and a message by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import RenderableType

from sutazai.cli.console import console
from sutazai.cli.gateway_link import with_gateway
from sutazai.cli.messages_view import dead_view, inbox_view, overview_view
from sutazai.cli.options import JsonOption, StateOption
from sutazai.cli.output import print_json
from sutazai.fleet.errors import from_dict
from sutazai.fleet.ids import new_tag

app = typer.Typer(no_args_is_help=True, help="Messages between agents.")

View = Callable[[Any], Iterable[RenderableType]]


class Reason(StrEnum):
    """Why a message was given up."""

    EXPIRED = "expired"
    REFUSED = "refused"
    TRIES = "too-many-tries"
    UNKNOWN = "unknown-receiver"


LimitOption = Annotated[int, typer.Option("--limit", min=1, max=1000, help="Show at most N.")]
IdsArgument = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Only these.")]
ToOption = Annotated[str | None, typer.Option("--to", metavar="AGENT", help="Meant for it.")]
FromOption = Annotated[str | None, typer.Option("--from", metavar="AGENT", help="Sent by it.")]
TypeOption = Annotated[str | None, typer.Option("--type", help="Of this type.")]
ReasonOption = Annotated[Reason | None, typer.Option("--reason", help="Given up for this.")]


@app.command()
def send(
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="Who gets it.")],
    type: Annotated[str, typer.Argument(metavar="TYPE", help="What it is about.")],  # noqa: A002
    body: Annotated[str, typer.Argument(metavar="[BODY]", help="JSON, or a text.")] = "null",
    state: StateOption = None,
) -> None:
    """Send a message; it is kept when this returns."""
    message = {"id": new_tag(12), "to": agent, "type": type, "body": _json(body)}
    receipt = with_gateway(
        state, lambda api: api.post("/messages", {"version": 3, "messages": [message]})
    )
    for error in receipt.get("refused", {}).values():
        raise from_dict(error)
    print(f"sent: {message['id']}")


@app.command("list")
def list_messages(
    agent: Annotated[
        str | None, typer.Argument(metavar="[AGENT]", help="What it is still to get.")
    ] = None,
    limit: LimitOption = 50,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """List inboxes that are not empty, or the messages in one."""
    if agent is None:
        _show(with_gateway(state, lambda api: api.get("/messages")), overview_view, as_json)
        return
    path = f"/messages/inbox/{quote(agent, safe='')}"
    _show(with_gateway(state, lambda api: api.get(path, limit=limit)), inbox_view, as_json)


@app.command()
def dead(
    to: ToOption = None,
    sender: FromOption = None,
    type: TypeOption = None,  # noqa: A002
    reason: ReasonOption = None,
    limit: LimitOption = 50,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """List messages that were given up, each with its reason."""
    wanted = _wanted(to, sender, type, reason)
    found = with_gateway(state, lambda api: api.get("/messages/dead", limit=limit, **wanted))
    _show(found, dead_view, as_json)


@app.command()
def replay(
    ids: IdsArgument = None,
    to: ToOption = None,
    sender: FromOption = None,
    type: TypeOption = None,  # noqa: A002
    reason: ReasonOption = None,
    state: StateOption = None,
) -> None:
    """Deliver dead letters once more: those that fit, or all."""
    wanted = {"ids": ids or [], **_wanted(to, sender, type, reason)}
    done = with_gateway(state, lambda api: api.post("/messages/replay", wanted))["replayed"]
    print(f"sent again: {len(done)}")


@app.command()
def drop(
    ids: IdsArgument = None,
    to: ToOption = None,
    sender: FromOption = None,
    type: TypeOption = None,  # noqa: A002
    reason: ReasonOption = None,
    state: StateOption = None,
) -> None:
    """Forget dead letters: those that fit, or all."""
    wanted = {"ids": ids or [], **_wanted(to, sender, type, reason)}
    done = with_gateway(state, lambda api: api.post("/messages/drop", wanted))["dropped"]
    print(f"forgotten: {done}")


def _wanted(
    to: str | None, sender: str | None, kind: str | None, reason: Reason | None
) -> dict[str, str]:
    given = {"to": to, "sender": sender, "type": kind, "reason": reason and reason.value}
    return {name: value for name, value in given.items() if value is not None}


def _json(text: str) -> Any:
    """A text that is no JSON is itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _show(found: Any, view: View, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    screen = console()
    for part in view(found):
        screen.print(part)
