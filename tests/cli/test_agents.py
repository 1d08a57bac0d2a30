"""`sutazai agents` and `sutazai events`: one agent, all of them, and what happened."""

from __future__ import annotations

import json

from sutazai.fleet.errors import Conflict, NotFound
from sutazai.fleet.places import Places
from sutazai.fleet.status import Event, Exit, State
from sutazai.wire import Request, Response, json_response, sse_event
from tests.cli.conftest import CommandLine, Keeper, running_fleet
from tests.cli.examples import NOW, agent, fleet_status
from tests.cli.fake_control import FakeControl

DIED = Event(
    sequence=7, at=NOW, source="host", kind="exited", unit="executor", message="exited: status 1"
).model_dump(mode="json")


def test_the_list_has_every_agent(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    control.json("GET /status", fleet_status().model_dump(mode="json"))

    said = sutazai("agents", "list")
    as_json = json.loads(sutazai("agents", "list", "--json").out)

    assert all(name in said.out for name in ("planner", "executor", "reviewer", "aider"))
    assert [each["name"] for each in as_json] == ["planner", "executor", "reviewer", "aider"]


def test_showing_one_tells_its_last_words_and_what_happened_to_it(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    last = Exit(instance="executor-1", at=NOW, status=1, reason="exited: status 1", lines=("boom",))
    status = agent("executor", State.FAILED, reason="gave up after 5 exits", last_exit=last)
    control.json(
        "GET /agents/executor",
        {
            "status": status.model_dump(mode="json"),
            "spec": {"memory": "standard", "prompt": "Do it."},
            "events": [DIED],
        },
    )

    said = sutazai("agents", "show", "executor")

    assert said.code == 0
    assert "failed (gave up after 5 exits)" in said.out
    assert "boom" in said.out
    assert "executor exited: status 1" in said.out
    assert "Do it." in said.out


def test_an_unknown_agent_is_code_4_with_controls_hint(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    control.refuse("GET /agents/plannr", NotFound("no agent plannr", hint="did you mean planner?"))

    said = sutazai("agents", "show", "plannr")

    assert (said.code, said.out) == (4, "")
    assert said.err == "error: no agent plannr\n  → did you mean planner?\n"


def test_start_stop_and_restart_ask_control(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    for action, done in (("start", "started"), ("stop", "stopped"), ("restart", "restarted")):
        control.json(f"POST /agents/planner/{action}", {})

        assert sutazai("agents", action, "planner").out == f"planner {done}\n"


def test_what_cannot_be_done_now_is_code_5(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    control.refuse("POST /agents/planner/start", Conflict("it starts already"))

    assert sutazai("agents", "start", "planner").code == 5


def test_logs_are_passed_on_as_they_come(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    control.text("GET /agents/planner/log", "one\ntw", "o\n")

    said = sutazai("agents", "logs", "planner", "-n", "5", "-f")

    assert said.out == "one\ntwo\n"
    assert control.asked[0].query == {"lines": "5", "follow": "1"}


def test_events_are_told_in_words_or_one_a_line(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    control.json("GET /events", [DIED])

    assert "executor exited: status 1" in sutazai("events").out
    assert json.loads(sutazai("events", "--json").out)["sequence"] == 7


def test_following_ends_with_the_fleet(sutazai: CommandLine, control: FakeControl) -> None:
    places = running_fleet("sutazai", control.port)
    keeper = Keeper(places)

    def answer(request: Request, _value: object) -> Response:
        if "follow" not in request.query:
            return json_response([])
        keeper.die()
        event = sse_event(json.dumps(DIED), "event")
        return Response(200, [("content-type", "text/event-stream")], event)

    control.answers["GET /events"] = answer

    said = sutazai("events", "-f")

    assert said.code == 6
    assert "executor exited: status 1" in said.out
    assert "the fleet was stopped" in said.err


def test_a_wrong_token_is_refused_with_code_3(
    sutazai: CommandLine, control: FakeControl, fleet: Places
) -> None:
    fleet.token.write_text("stale")

    assert sutazai("events").code == 3
