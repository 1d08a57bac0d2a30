"""`sutazai ask`: the answer streams, and ends with the right code."""

from __future__ import annotations

import io
import json

import pytest

from sutazai.fleet.errors import DeadlineExceeded, NotFound
from sutazai.fleet.places import Places
from sutazai.fleet.work import Result
from tests.cli.conftest import CommandLine
from tests.cli.fake_control import FakeControl

INVOKE = "POST /agents/planner/invoke"


def result(output: object) -> dict[str, object]:
    return Result(output=output, agent="planner", instance="planner-1").model_dump(mode="json")


def test_tokens_are_printed_as_they_come(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    control.events(
        INVOKE,
        ("progress", {"message": "thinking"}),
        ("token", {"text": "Hel"}),
        ("token", {"text": "lo"}),
        ("result", result("Hello")),
    )

    said = sutazai("ask", "planner", "Say hello")

    assert (said.code, said.out) == (0, "Hello\n")
    asked = control.asked[0]
    assert asked.accept == "text/event-stream"
    assert asked.value["input"] == "Say hello"


def test_an_answer_that_did_not_stream_is_printed_whole(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    control.events(INVOKE, ("result", result({"steps": ["one"]})))

    assert json.loads(sutazai("ask", "planner", "Plan").out) == {"steps": ["one"]}


def test_json_is_the_whole_result_and_nothing_else(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    control.events(INVOKE, ("token", {"text": "Hi"}), ("result", result("Hi")))

    assert json.loads(sutazai("ask", "planner", "hi", "--json").out)["instance"] == "planner-1"


@pytest.mark.parametrize("words", [("ask", "planner"), ("ask", "planner", "-")])
def test_the_question_can_be_piped_in(
    sutazai: CommandLine,
    control: FakeControl,
    fleet: Places,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("What now?\n"))
    control.events(INVOKE, ("result", result("Nothing")))

    assert sutazai(*words).out == "Nothing\n"
    assert control.asked[0].value["input"] == "What now?\n"


def test_an_empty_question_is_bad_input(sutazai: CommandLine, fleet: Places) -> None:
    assert sutazai("ask", "planner", "  ").code == 2


def test_an_error_in_the_midst_ends_with_its_code(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    late = DeadlineExceeded("no answer within 300 s", hint="ask for less").as_dict()
    control.events(INVOKE, ("token", {"text": "Wel"}), ("error", late))

    said = sutazai("ask", "planner", "hi")

    assert (said.code, said.out) == (7, "Wel\n")
    assert "no answer within 300 s" in said.err


def test_an_unknown_agent_is_told_before_anything_streams(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    control.refuse("POST /agents/nobody/invoke", NotFound("no agent nobody"))

    assert sutazai("ask", "nobody", "hi").code == 4


def test_an_answer_that_breaks_off_is_a_failure(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    control.events(INVOKE, ("token", {"text": "Hal"}))

    said = sutazai("ask", "planner", "hi")

    assert said.code == 1
    assert "broke off" in said.err
