"""Breakers, probes, checks and adaptive slots at work, with real servers and virtual time."""

from __future__ import annotations

import asyncio

import pytest

from sutazai.fleet.errors import BadInput, BadPeer, ConnectFailed, DeadlineExceeded, SutazaiError
from sutazai.fleet.routes import PinnedRoute, TierRoute
from sutazai.fleet.serving import Timeouts
from sutazai.gateway.backends.breakers import FIRST_PAUSE, IN_A_ROW, Condition
from sutazai.gateway.failures import BackendFailed, backend_failure
from tests.gateway.backends.conftest import Household, declare
from tests.gateway.backends.servers import Ollama, OpenAi

BOOM = BadPeer("the backend's answer ended before it was complete")
TOO_LONG = BackendFailed(backend_failure(500, b'{"error": "input is too large to process"}'))
BUSY = BackendFailed(backend_failure(503, b'{"error": "server busy"}'))


def fail(household: Household, model: str, error: SutazaiError = BOOM, name: str = "one") -> None:
    for _ in range(IN_A_ROW):
        household.backends.failed(name, model, error)


def conditions(household: Household) -> dict[tuple[str, str], Condition]:
    return {(each.backend, each.model): each.condition for each in household.backends.circuits()}


# breakers


async def test_a_broken_model_is_taken_out_and_the_others_stay(household: Household) -> None:
    async with OpenAi("m", "n") as server:
        await household.open(declare(server))
        fail(household, "n")
        assert household.scheduled["one"].available
        assert household.backends.state("one").reason.startswith("it lists 'n' but cannot generate")
        assert set(household.scheduled["one"].targets) == {"tier:fast", "tier:standard", "model:m"}
        assert household.backends.why_not(household.backends.catalogue.resolve("n")).startswith(
            "one: it lists 'n'"
        )


async def test_a_backend_that_lists_its_models_but_generates_with_none_is_unavailable(
    household: Household,
) -> None:
    async with OpenAi("m") as server, OpenAi("m") as other:
        await household.open(declare(server), declare(other, "two"))
        fail(household, "m")
        state = household.state()
        assert not state.available and "lists 'm' but cannot generate" in state.reason
        assert not household.scheduled["one"].available and not household.scheduled["one"].targets
        assert household.scheduled["two"].available


@pytest.mark.parametrize("error", [BadInput("no such option"), TOO_LONG])
async def test_what_is_the_clients_fault_breaks_nothing(
    household: Household, error: SutazaiError
) -> None:
    async with OpenAi("m") as server:
        await household.open(declare(server))
        for _ in range(4):
            fail(household, "m", error)
        assert household.backends.circuits() == () and household.state().available


async def test_one_probe_decides_and_asks_for_one_token(household: Household) -> None:
    async with OpenAi("m") as server:
        await household.open(declare(server))
        fail(household, "m")
        await household.turn(FIRST_PAUSE - 1)
        assert not server.bodies
        server.talk.hold = asyncio.Event()
        await household.turn(1)
        await household.turn(1)
        await household.until(lambda: server.seen["/v1/chat/completions"])
        await household.turn(100)
        assert conditions(household) == {("one", "m"): Condition.HALF_OPEN}
        assert not household.state().available
        server.talk.hold.set()
        await household.until(lambda: household.state().available)
        assert [(body["model"], body["max_tokens"], body["stream"]) for body in server.bodies] == [
            ("m", 1, False)
        ]
        assert household.state().reason == ""
        assert "model:m" in household.scheduled["one"].targets


async def test_a_probe_that_fails_leaves_it_out(household: Household) -> None:
    async with OpenAi("m") as server:
        server.talk.broken = {"m": 500}
        await household.open(declare(server))
        fail(household, "m")
        await household.turn(FIRST_PAUSE)
        await household.until(lambda: "scripted trouble" in household.state().reason)
        assert conditions(household) == {("one", "m"): Condition.OPEN}
        await household.turn(FIRST_PAUSE)
        assert len(server.bodies) == 1, "the pause has doubled"
        await household.turn(FIRST_PAUSE)
        await household.until(lambda: len(server.bodies) == 2)


async def test_each_opening_is_told_with_those_whose_calls_brought_it_about(
    household: Household,
) -> None:
    async with OpenAi("m") as server:
        server.talk.broken = {"m": 500}
        await household.open(declare(server))
        for task in ("task-1", "task-2", "task-1", "task-2", "task-1"):
            household.backends.failed("one", "m", BOOM, ("ann", task))
        told = [("one", "m", frozenset({("ann", "task-1"), ("ann", "task-2")}))]
        assert household.trips == told
        await household.turn(FIRST_PAUSE)
        await household.until(lambda: household.trips[1:])
        assert household.trips == [*told, ("one", "m", frozenset())], "its own probe failed"


async def test_a_server_that_dislikes_the_question_is_well(household: Household) -> None:
    async with OpenAi("m") as server:
        server.talk.broken = {"m": 400}
        await household.open(declare(server))
        fail(household, "m")
        await household.turn(FIRST_PAUSE)
        await household.until(lambda: household.state().available)


async def test_one_that_cannot_be_reached_is_not_probed(household: Household) -> None:
    async with OpenAi("m") as server:
        await household.open(declare(server))
        fail(household, "m")
        await server.stop()
        household.backends.failed("one", "m", ConnectFailed("no connection"))
        await household.turn(FIRST_PAUSE)
        await asyncio.sleep(0.05)
        assert conditions(household) == {("one", "m"): Condition.OPEN}
        await server.start()
        await household.until(lambda: "cannot generate" in household.state().reason)
        await household.turn(1)
        await household.until(lambda: household.state().available)


async def test_a_hung_probe_ends_by_the_backends_own_time(household: Household) -> None:
    async with OpenAi("m") as server:
        server.talk.hold = asyncio.Event()
        await household.open(
            declare(server, timeouts=Timeouts.model_validate({"first_token": "100ms"}))
        )
        fail(household, "m")
        await household.turn(FIRST_PAUSE)
        await household.until(lambda: "sent nothing" in household.state().reason
                              or "0.1 s" in household.state().reason)  # fmt: skip
        assert conditions(household) == {("one", "m"): Condition.OPEN}


async def test_a_model_that_is_not_loaded_is_probed_only_if_it_is_wanted(
    household: Household,
) -> None:
    async with Ollama(a="d1", b="d2") as server:
        server.loaded = {"a": 4096}
        await household.open(declare(server))
        fail(household, "b")
        await household.turn(FIRST_PAUSE)
        await asyncio.sleep(0.05)
        assert not server.bodies
        await household.backends.resolve("b")
        await household.turn(1)
        await household.until(lambda: len(server.bodies) == 1)
        await household.until(lambda: conditions(household)["one", "b"] is Condition.CLOSED)


async def test_ollama_need_not_load_a_model_anew_for_a_probe(household: Household) -> None:
    async with Ollama(a="d1", b="d2") as server:
        server.loaded = {"a": 6000, "b": 4096}
        pins = {"b": PinnedRoute(context=5000, options={"num_gpu": 0})}
        await household.open(declare(server, models=pins))
        fail(household, "a")
        fail(household, "b")
        await household.turn(FIRST_PAUSE)
        await household.until(lambda: len(server.bodies) == 2)
        options = {body["model"]: body["options"] for body in server.bodies}
        assert options["a"] == {"num_ctx": 6000, "num_predict": 1}
        assert options["b"] == {"num_ctx": 5000, "num_gpu": 0, "num_predict": 1}


async def test_a_model_for_embeddings_is_asked_to_embed(household: Household) -> None:
    async with Ollama(**{"nomic-embed-text": "d1"}) as server:
        server.loaded = {"nomic-embed-text": 2048}
        await household.open(declare(server))
        fail(household, "nomic-embed-text")
        await household.turn(FIRST_PAUSE)
        await household.until(lambda: server.seen["/api/embed"] == 1)


async def test_a_backend_that_is_declared_otherwise_begins_anew(household: Household) -> None:
    async with OpenAi("m") as server:
        server.talk.hold = asyncio.Event()
        await household.open(declare(server))
        fail(household, "m")
        await household.turn(FIRST_PAUSE)
        await household.until(lambda: server.seen["/v1/chat/completions"])
        await household.backends.apply([declare(server, weight=3.0)], ())
        assert household.backends.circuits() == ()
        await household.backends.apply([], ())
        assert household.backends.states == []


async def test_a_model_that_is_gone_is_forgotten(household: Household) -> None:
    async with Ollama(a="d1", b="d2") as server:
        await household.open(declare(server), tiers=())
        fail(household, "b")
        server.models = {"a": "d1"}
        household.time.sleep(60.0)
        await household.turn(1)
        await household.until(lambda: len(household.state().models or ()) == 1)
        assert household.backends.circuits() == ()


async def test_versions_of_a_tier_break_each_for_itself(household: Household) -> None:
    tier = {"versions": [{"name": "x", "model": "m"}, {"name": "y", "model": "n"}]}
    async with OpenAi("m", "n") as server:
        tiers = [TierRoute.model_validate({"name": "fast", **tier})]
        await household.open(declare(server), tiers=tiers)
        fail(household, "n")
        assert {"tier:fast@x"} == {
            key for key in household.scheduled["one"].targets if key.startswith("tier")
        }


# checks


async def test_silence_is_broken_by_a_check(household: Household) -> None:
    async with OpenAi("m") as server:
        await household.open(declare(server, check=60.0))
        await household.turn(59)
        household.backends.succeeded("one", "m")
        await household.turn(59)
        assert not server.bodies
        await household.turn(1)
        await household.until(lambda: len(server.bodies) == 1)
        await household.turn(59)
        assert len(server.bodies) == 1
        await household.turn(1)
        await household.until(lambda: len(server.bodies) == 2)


async def test_a_failed_check_takes_the_backend_out(household: Household) -> None:
    async with OpenAi("m") as server:
        server.talk.broken = {"m": 500}
        await household.open(declare(server, check=60.0))
        await household.turn(60)
        await household.until(lambda: not household.state().available)
        assert "lists 'm' but cannot generate" in household.state().reason
        server.talk.broken = {}
        await household.turn(FIRST_PAUSE)
        await household.until(lambda: household.state().available)


async def test_a_backend_that_works_is_not_checked(household: Household) -> None:
    async with OpenAi("m") as server:
        await household.open(declare(server, check=60.0))
        household.running = {"one": 1}
        await household.turn(600)
        await asyncio.sleep(0.02)
        assert not server.bodies, "a long answer is on its way"


async def test_a_backend_without_checks_is_left_alone(household: Household) -> None:
    async with OpenAi("m") as server:
        await household.open(declare(server))
        await household.turn(6000)
        await asyncio.sleep(0.02)
        assert not server.bodies


async def test_a_check_never_loads_a_model_and_keeps_none_loaded(household: Household) -> None:
    async with Ollama(a="d1", b="d2") as server:
        await household.open(declare(server, check=60.0))
        await household.turn(600)
        await asyncio.sleep(0.02)
        assert not server.bodies, "nothing is loaded"
        server.loaded = {"b": 4096}
        household.backends.succeeded("one", "b")
        await household.until(lambda: household.state().is_resident("b"))
        await household.turn(60)
        await household.until(lambda: len(server.bodies) == 1)
        assert server.bodies[0]["model"] == "b"
        await household.turn(600)
        await asyncio.sleep(0.02)
        assert len(server.bodies) == 1


# slots


async def test_slots_that_nobody_knows_follow_what_calls_tell(household: Household) -> None:
    async with OpenAi("m") as server:
        await household.open(declare(server))
        assert household.scheduled["one"].slots == 1
        household.waiting = 5
        household.running = {"one": 1}
        for _ in range(20):
            household.time.pass_(1.0)
            household.backends.succeeded("one", "m", tokens=20, seconds=1.0, first_token=0.1)
        assert household.scheduled["one"].slots == household.state().slots == 2
        household.time.pass_(60.0)
        household.backends.failed("one", "m", BUSY)
        assert household.scheduled["one"].slots == 1


async def test_declared_slots_stay_whatever_happens(household: Household) -> None:
    async with OpenAi("m") as server:
        await household.open(declare(server, slots=4))
        household.backends.failed("one", "m", DeadlineExceeded("slow"))
        household.backends.succeeded("one", "m", tokens=9, seconds=1.0)
        assert household.scheduled["one"].slots == 4


async def test_calls_of_a_backend_that_is_gone_are_no_trouble(household: Household) -> None:
    household.backends.succeeded("gone", "m")
    household.backends.failed("gone", "m", BOOM)
    assert household.backends.circuits() == ()
