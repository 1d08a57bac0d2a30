"""`sutazai gateway …`, `pause` and `resume`: a look into a gateway that runs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sutazai.cli import fleets
from sutazai.cli.gateway_link import alone_places
from sutazai.fleet.errors import NotFound
from sutazai.wire import Response
from tests.cli.conftest import CommandLine
from tests.cli.fake_gateway import FakeGateway

BACKEND: dict[str, Any] = {
    "name": "desk",
    "address": "http://127.0.0.1:11434",
    "dialect": "ollama",
    "available": True,
    "reason": "",
    "slots": 2,
    "running": 1,
    "models": ["llama3.2:latest", "qwen3:8b"],
    "resident": ["llama3.2:latest"],
    "tokens_per_second": 41.26,
    "breakers": [],
    "direct": [],
    "settings": [],
}
STATS: dict[str, Any] = {
    "backends": [BACKEND],
    "queued": {"high": 0, "medium": 3, "low": 1},
    "running": 2,
    "oldest_wait": 12.4,
    "done": 1200,
    "failed": 3,
    "rejected": 2,
    "expired": 1,
    "cancelled": 9,
    "tokens_in": 70000,
    "tokens_out": 9000,
    "uptime": 3700.5,
    "cache_hits": 5,
    "shared": 2,
    "recent": {
        "window": 300.0,
        "calls": 240,
        "calls_per_minute": 48.0,
        "wait": {"p50": 0.2, "p95": 3.0},
        "total": {"p50": 2.5, "p95": 9.0},
        "tokens_per_second": {"desk": 33.3},
    },
    "revision": 4,
    "problems": ["port 10300 of planner: somebody listens there"],
}
LETTER = {
    "id": "call-7",
    "at": time.time() - 60,
    "caller": "planner",
    "model": "fast",
    "reason": {"code": "WaitedTooLong", "message": "no slot became free within 300 s"},
}


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    """The default fleet's, whose control is dead."""
    with FakeGateway(fleets.default_places()) as running:
        yield running


def test_stats_are_told_at_a_glance(sutazai: CommandLine, gateway: FakeGateway) -> None:
    gateway.answers["GET /stats"] = STATS

    said = sutazai("gateway", "stats")

    assert said.code == 0
    assert "up 1h, routes 4" in said.out
    assert "1200 done, 3 failed, 2 rejected, 1 expired, 9 cancelled" in said.out
    assert "70000 in, 9000 out" in said.out
    assert "2 running, 3 medium, 1 low waiting, the longest for 12.4s" in said.out
    assert "48.0 calls a minute in 5m, waited 200ms (95 % within 3s), took 2.5s" in said.out
    assert "desk 33.3 tokens/s" in said.out
    assert "7 calls that equalled another" in said.out
    assert "! port 10300 of planner" in said.out
    assert "desk" in said.out and "1/2" in said.out and "41.3" in said.out


def test_columns_of_which_nothing_is_told_are_left_out(
    sutazai: CommandLine, gateway: FakeGateway
) -> None:
    gateway.answers["GET /stats"] = {"backends": [{"name": "desk", "available": True}]}

    said = sutazai("gateway", "stats")

    assert "models" in said.out and "speaks" not in said.out and "tokens/s" not in said.out


def test_for_scripts_everything_is_the_gateways_own_json(
    sutazai: CommandLine, gateway: FakeGateway
) -> None:
    gateway.answers |= {
        "GET /stats": STATS,
        "GET /queue": {"waiting": 0, "paused": False, "entries": []},
        "GET /backends": [BACKEND],
        "GET /dead": [LETTER],
        "GET /calls": [],
        "POST /pause": {"paused": True},
        "POST /resume": {"paused": False},
    }

    for words, route in (
        (("gateway", "stats"), "GET /stats"),
        (("gateway", "queue"), "GET /queue"),
        (("gateway", "backends"), "GET /backends"),
        (("gateway", "dead", "list"), "GET /dead"),
        (("gateway", "calls"), "GET /calls"),
        (("pause",), "POST /pause"),
        (("resume",), "POST /resume"),
    ):
        said = sutazai(*words, "--json")
        assert (said.code, json.loads(said.out)) == (0, gateway.answers[route])


def test_the_queue_shows_who_waits(sutazai: CommandLine, gateway: FakeGateway) -> None:
    entry = {
        "id": "call-1",
        "client": "planner",
        "priority": "high",
        "target": "model:qwen3:8b",
        "waited": 3.21,
        "position": 1,
        "eta": 8.0,
    }
    gateway.answers["GET /queue"] = {"waiting": 12, "paused": True, "entries": [entry]}

    said = sutazai("gateway", "queue", "--limit", "1")

    assert gateway.asked == [("GET /queue", {"limit": "1"})]
    assert "paused agents' calls wait until `sutazai resume`" in said.out
    assert "12 wait" in said.out and "and 11 more: --limit" in said.out
    for word in ("planner", "high", " qwen3:8b ", "3.2s", "8s", "call-1"):
        assert word in said.out


def test_an_empty_queue_is_told_in_words(sutazai: CommandLine, gateway: FakeGateway) -> None:
    gateway.answers["GET /queue"] = {"waiting": 0, "paused": False, "entries": []}

    assert sutazai("gateway", "queue").out == "nobody waits\n"


def test_what_is_wrong_with_a_backend_is_told_below_the_table(
    sutazai: CommandLine, gateway: FakeGateway
) -> None:
    troubled = {
        **BACKEND,
        "breakers": [
            {"model": "qwen3:8b", "state": "open", "failures": 5, "retry_in": 9.0},
            {"model": "phi", "state": "half-open", "why": "it answers nonsense"},
            {"model": "llama3.2:latest", "state": "closed", "failures": 0, "retry_in": None},
        ],
        "settings": [{"name": "OLLAMA_NUM_PARALLEL", "wanted": "2", "actual": "4"}],
        "direct": [{"pid": 77, "name": "aider", "command": "aider --model x"}],
    }
    away = {**BACKEND, "name": "far", "available": False, "reason": "it refuses the API key"}
    empty = {**BACKEND, "name": "new", "reason": "it has no model: pull one"}
    gateway.answers["GET /backends"] = [troubled, away, empty]

    said = sutazai("gateway", "backends")

    assert "desk gets no calls for qwen3:8b: 5 failures in a row, tried again in 9s" in said.out
    assert "desk gets no calls for phi: it answers nonsense" in said.out
    assert "for llama3.2:latest:" not in said.out
    assert "desk has OLLAMA_NUM_PARALLEL 4, and should have 2" in said.out
    assert "desk is used directly, past the gateway, by aider (process 77): aider" in said.out
    assert "new it has no model: pull one" in said.out
    assert "far is not available: it refuses the API key" in said.out


def test_a_gateway_that_tells_less_is_no_error(sutazai: CommandLine, gateway: FakeGateway) -> None:
    gateway.answers |= {
        "GET /stats": {},
        "GET /queue": {"entries": [{}]},
        "GET /backends": [{}],
        "GET /dead": [{}],
        "GET /calls": [{}],
    }

    for words in (("stats",), ("queue",), ("backends",), ("dead",), ("calls",)):
        said = sutazai("gateway", *words)
        assert (said.code, said.err) == (0, "")


def test_dead_letters_are_listed_with_the_reason(
    sutazai: CommandLine, gateway: FakeGateway
) -> None:
    gateway.answers["GET /dead"] = [LETTER]

    for words in (("dead",), ("dead", "list")):
        said = sutazai("gateway", *words)
        assert "call-7" in said.out and "no slot became free" in said.out
        assert "sutazai gateway dead replay LETTER" in said.out


def test_one_dead_letter_is_shown_whole(sutazai: CommandLine, gateway: FakeGateway) -> None:
    gateway.answers["GET /dead/call-7"] = LETTER

    assert json.loads(sutazai("gateway", "dead", "show", "call-7").out) == LETTER


def test_a_letter_that_is_not_there_is_code_4(sutazai: CommandLine, gateway: FakeGateway) -> None:
    gateway.answers["GET /dead/x"] = NotFound("there is no dead letter 'x'", hint="see the list")

    said = sutazai("gateway", "dead", "show", "x")

    assert said.code == 4
    assert said.err == "error: there is no dead letter 'x'\n  → see the list\n"


def test_a_replay_prints_the_answer(
    capfd: pytest.CaptureFixture[str], gateway: FakeGateway
) -> None:
    gateway.answers["POST /dead/a%2Fb/replay"] = Response(200, [], b'{"message": "Hi"}')
    gateway.answers["POST /dead/a/b/replay"] = gateway.answers["POST /dead/a%2Fb/replay"]

    said = CommandLine(capfd)("gateway", "dead", "replay", "a/b")

    assert (said.code, said.out) == (0, '{"message": "Hi"}\n')


def test_a_replay_that_fails_again_is_code_1(
    capfd: pytest.CaptureFixture[str], gateway: FakeGateway
) -> None:
    gateway.answers["POST /dead/x/replay"] = Response(429, [], b'{"error": "full"}\n')

    said = CommandLine(capfd)("gateway", "dead", "replay", "x")

    assert (said.code, said.out) == (1, '{"error": "full"}\n')
    assert "answered with status 429" in said.err


def test_dead_letters_are_cleared_one_by_one_or_all(
    sutazai: CommandLine, gateway: FakeGateway
) -> None:
    gateway.answers |= {"DELETE /dead/call-7": {"removed": 1}, "DELETE /dead": {"removed": 12}}

    assert sutazai("gateway", "dead", "clear", "call-7").out == "forgotten: 1 dead letter\n"
    assert sutazai("gateway", "dead", "clear").out == "forgotten: 12 dead letters\n"
    assert [route for route, _ in gateway.asked] == ["DELETE /dead/call-7", "DELETE /dead"]


def test_calls_are_searched(sutazai: CommandLine, gateway: FakeGateway) -> None:
    call = {
        "at": time.time(),
        "caller": "planner",
        "task": "task-9",
        "model": "fast",
        "backend": "desk",
        "prompt_tokens": 350,
        "completion_tokens": 64,
        "queued": 0.25,
        "total": 4.5,
        "outcome": "failed",
        "error": "PeerClosed",
    }
    gateway.answers["GET /calls"] = [call]
    before = time.time()

    said = sutazai(
        "gateway",
        "calls",
        "--agent",
        "planner",
        "--since",
        "2h",
        "--slow",
        "1500ms",
        "--text",
        "a b",
    )

    (_, query), *_ = gateway.asked
    assert before - 7201 < float(query.pop("since")) < time.time() - 7199
    assert query == {"agent": "planner", "slow": "1.5", "text": "a b", "limit": "50"}
    for word in ("planner", "task-9", "desk", "350", "64", "250ms", "4.5s", "failed PeerClosed"):
        assert word in said.out


def test_contents_are_shown_where_they_are_wanted(
    sutazai: CommandLine, gateway: FakeGateway
) -> None:
    call = {"caller": "planner", "at": 1.0, "prompt": "Why?\x1b[31m", "answer": "Because."}
    gateway.answers["GET /calls"] = [call]

    said = sutazai("gateway", "calls", "--contents")

    assert gateway.asked[0][1]["contents"] == "1"
    assert "prompt of planner" in said.out and "Why?�[31m" in said.out
    assert "answer of planner" in said.out and "Because." in said.out


@pytest.mark.parametrize("words", [("--since", "yesterday"), ("--slow", "5")])
def test_a_time_without_its_unit_is_code_2(sutazai: CommandLine, words: tuple[str, str]) -> None:
    said = sutazai("gateway", "calls", *words)

    assert said.code == 2
    assert words[0] in said.err and "30s" in said.err


def test_pause_and_resume(sutazai: CommandLine, gateway: FakeGateway) -> None:
    gateway.answers |= {"POST /pause": {"paused": True}, "POST /resume": {"paused": False}}

    assert "until `sutazai resume`" in sutazai("pause").out
    assert sutazai("resume").out == "resumed\n"
    assert [route for route, _ in gateway.asked] == ["POST /pause", "POST /resume"]


def test_where_no_gateway_runs_it_says_what_to_do(sutazai: CommandLine) -> None:
    said = sutazai("gateway", "stats")

    assert said.code == 6
    assert "no gateway answers" in said.err
    assert "sutazai up" in said.err and "sutazai gateway --backend" in said.err


def test_without_a_fleet_the_one_that_runs_alone_is_meant(sutazai: CommandLine) -> None:
    with FakeGateway(alone_places(), {"GET /stats": {"done": 77}}):
        assert "77 done" in sutazai("gateway", "stats").out


def test_with_both_the_fleets_is_meant_and_the_other_can_be_named(
    sutazai: CommandLine, gateway: FakeGateway
) -> None:
    gateway.answers["GET /stats"] = {"done": 11}
    alone = alone_places()
    with FakeGateway(alone, {"GET /stats": {"done": 77}}):
        assert "11 done" in sutazai("gateway", "stats").out
        assert "77 done" in sutazai("gateway", "stats", "--state", str(alone.state)).out


def test_an_option_of_the_other_kind_is_refused_with_the_right_place(sutazai: CommandLine) -> None:
    said = sutazai("gateway", "--state", "here", "stats")

    assert said.code == 2
    assert "sutazai gateway stats --state DIR" in said.err
