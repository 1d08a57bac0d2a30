"""`sutazai messages …`: a look into inboxes and dead letters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sutazai.cli import fleets
from tests.cli.conftest import CommandLine
from tests.cli.fake_gateway import FakeGateway

MESSAGE: dict[str, Any] = {
    "id": "ann/1",
    "sender": "ann",
    "to": "bob",
    "type": "work.order",
    "version": 1,
    "topic": "",
    "body": '{"title": "[bold]shop"}',
    "size": 23,
    "published": 1_700_000_000.0,
    "expires": 1_700_086_400.0,
}
LETTER = {**MESSAGE, "reason": "expired", "error": "", "tries": 2, "at": 1_700_086_400.0}
OVERVIEW = {
    "broker": "embedded",
    "inboxes": [{"agent": "bob", "messages": 3, "bytes": 2048, "pace": 0.1}],
    "dead_letters": 1,
}


@pytest.fixture
def gateway(sutazai: CommandLine) -> Iterator[FakeGateway]:
    with FakeGateway(fleets.chosen(None)) as fake:
        yield fake


def test_inboxes_and_what_is_in_one(sutazai: CommandLine, gateway: FakeGateway) -> None:
    gateway.answers = {"GET /messages": OVERVIEW, "GET /messages/inbox/bob": [MESSAGE]}
    shown = sutazai("messages", "list").out
    assert "broker embedded, 1 dead letters" in shown
    assert "2KiB" in shown
    assert "[bold]shop" in sutazai("messages", "list", "bob").out
    assert json.loads(sutazai("messages", "list", "--json").out) == OVERVIEW


def test_dead_letters_are_shown_replayed_and_dropped(
    sutazai: CommandLine, gateway: FakeGateway
) -> None:
    gateway.answers = {
        "GET /messages/dead": [LETTER],
        "POST /messages/replay": {"replayed": ["ann/1+abc"]},
        "POST /messages/drop": {"dropped": 2},
    }
    assert "expired" in sutazai("messages", "dead", "--to", "bob", "--reason", "expired").out
    assert gateway.asked[-1][1] == {"limit": "50", "to": "bob", "reason": "expired"}
    assert sutazai("messages", "replay", "ann/1").out == "sent again: 1\n"
    assert sutazai("messages", "drop").out == "forgotten: 2\n"


def test_a_message_by_hand(sutazai: CommandLine, gateway: FakeGateway) -> None:
    gateway.answers = {"POST /messages": {}}
    assert sutazai("messages", "send", "bob", "work.order", '{"title": "x"}').out.startswith(
        "sent: "
    )
    refused = {"code": "NotFound", "message": "there is no agent 'bob'", "hint": "bobby?"}
    gateway.answers = {"POST /messages": {"refused": {"0": refused}}}
    done = sutazai("messages", "send", "bob", "work.order")
    assert (done.code, "bobby?" in done.err) == (4, True)
