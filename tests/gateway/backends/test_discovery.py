"""What is found out of each kind of server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sutazai.fleet.errors import ConnectFailed, NoModel
from sutazai.fleet.routes import PinnedRoute, TierRoute
from sutazai.fleet.serving import Entra
from sutazai.gateway.backends.discovery import Watch
from sutazai.gateway.backends.entra import CALM
from sutazai.wire import Client
from tests.gateway.backends.conftest import Household, declare
from tests.gateway.backends.servers import EntraServer, Ollama, OpenAi, VirtualTime
from tests.gateway.conftest import until


def contexts(household: Household, name: str = "one") -> dict[str, int]:
    return {model.name: model.context for model in household.state(name).models or ()}


# Ollama


async def test_an_ollama_tells_contexts_and_what_is_loaded(household: Household) -> None:
    async with Ollama(a="d1", b="d2") as server:
        server.loaded = {"a": 4096}
        await household.open(declare(server))
        await household.until(lambda: contexts(household) == {"a": 4096, "b": 8192})
        state = household.state()
        assert (
            state.resident == frozenset("a")
            and state.is_resident("a")
            and not state.is_resident("b")
        )
        assert household.backends.catalogue.resolve("a").context("one") == 4096


async def test_a_model_is_shown_once_for_each_digest(household: Household) -> None:
    async with Ollama(a="d1", b="d2") as server:
        await household.open(declare(server))
        await household.until(lambda: server.seen["/api/show"] == 2)
        server.models = {"a": "d1", "b": "d3", "c": "d1"}
        server.trained |= {"b": 1024, "c": 8192}
        await household.backends.resolve("c")
        await household.until(lambda: contexts(household) == {"a": 8192, "b": 1024, "c": 8192})
        assert server.seen["/api/show"] == 3


async def test_all_who_ask_while_a_backend_is_looked_at_wait_for_the_one_look(
    household: Household,
) -> None:
    async with Ollama(a="d1") as server:
        await household.open(declare(server))
        await household.until(lambda: household.state().available)
        server.models = {"a": "d1", "late": "d2"}
        found = await asyncio.gather(*(household.backends.resolve("late") for _ in range(20)))
        assert {target.name for target in found} == {"late"}


async def test_a_declared_context_goes_before_all_but_the_models_own_bound(
    household: Household,
) -> None:
    async with Ollama(a="d1", b="d2") as server:
        server.loaded = {"a": 2048}
        pins = {"a": PinnedRoute(context=4096), "b": PinnedRoute(context=100_000)}
        await household.open(declare(server, models=pins))
        await household.until(lambda: contexts(household) == {"a": 4096, "b": 8192})


async def test_a_model_that_cannot_be_read_hides_no_other(household: Household) -> None:
    async with Ollama(a="d1", b="d2") as server:
        del server.trained["a"]
        await household.open(declare(server))
        await household.until(lambda: contexts(household) == {"a": 0, "b": 8192})


async def test_an_old_ollama_does_not_tell_what_is_loaded(household: Household) -> None:
    async with Ollama(a="d1") as server:
        server.has_ps = False
        await household.open(declare(server))
        await household.until(lambda: contexts(household) == {"a": 8192})
        assert household.state().resident is None and household.state().is_resident("a")


async def test_it_holds_as_many_models_as_were_ever_seen_at_once(household: Household) -> None:
    async with Ollama(a="d1", b="d2") as server:
        server.loaded = {"a": 4096, "b": 4096}
        await household.open(declare(server), declare(server, "two", loaded_models=3))
        assert (household.state().capacity, household.state("two").capacity) == (2, 3)
        server.loaded = {"a": 4096}
        await household.until(lambda: household.state().capacity == 2)


async def test_a_call_to_a_model_that_was_not_loaded_tells_that_it_is(household: Household) -> None:
    async with Ollama(a="d1", b="d2") as server:
        server.loaded = {"a": 4096}
        await household.open(declare(server))
        server.loaded = {"b": 1024}
        household.time.pass_(1.0)
        household.backends.succeeded("one", "b")
        await household.until(lambda: household.state().resident == frozenset("b"))
        assert contexts(household)["b"] == 1024


async def test_while_several_models_are_wanted_it_is_watched_what_is_loaded(
    household: Household,
) -> None:
    async with Ollama(a="d1", b="d2") as server:
        await household.open(declare(server))
        await household.backends.resolve("a")
        await household.turn(1.0, sees_loaded=True)
        await asyncio.sleep(0.05)
        assert server.seen["/api/ps"] == 1, "one model alone is not swapped"
        await household.backends.resolve("b")
        await household.turn(1.0, sees_loaded=True)
        await household.until(lambda: server.seen["/api/ps"] == 2)
        await household.turn(61.0, sees_loaded=True)
        await asyncio.sleep(0.05)
        assert server.seen["/api/ps"] == 2, "nobody wants them any more"


async def test_an_empty_ollama_is_there_and_says_what_to_do(household: Household) -> None:
    async with Ollama() as server:
        await household.open(declare(server), tiers=(TierRoute(name="fast", model="x"),))
        assert household.state().available
        assert "ollama pull" in household.state().reason
        with pytest.raises(NoModel) as caught:
            await household.backends.resolve("fast")
        assert "one: it has no model: pull a model" in str(caught.value.hint)
        server.models = {"x": "d1"}
        await household.until(lambda: household.state().reason == "")
        assert (await household.backends.resolve("fast")).models == {"one": "x"}


async def test_an_ollama_that_is_not_started_is_said_and_found_when_it_is(
    household: Household,
) -> None:
    server = Ollama(a="d1")
    await server.start()
    await server.stop()
    await household.backends.apply([declare(server)], ())
    await household.until(lambda: "ollama serve" in household.state().reason)
    assert not household.scheduled["one"].available
    async with server:
        await household.until(lambda: household.scheduled["one"].available)
        assert household.state().reason == ""


# llama.cpp and others


async def test_llama_cpp_tells_its_slots_and_their_context(household: Household) -> None:
    async with OpenAi("m", slots=4) as server:
        await household.open(declare(server))
        await household.until(lambda: household.state().slots == 4)
        assert contexts(household) == {"m": 2048}
        assert household.scheduled["one"].slots == 4


async def test_declared_slots_go_before_what_is_told(household: Household) -> None:
    async with OpenAi("m", slots=4) as server:
        await household.open(declare(f"{server.url}/v1", slots=2))
        await household.until(lambda: contexts(household) == {"m": 2048})
        assert household.state().slots == 2


async def test_another_server_is_not_asked_for_props(household: Household) -> None:
    async with OpenAi("m") as server:
        await household.open(declare(server))
        await household.backends.resolve("m")
        assert household.state().slots == 1 and not server.seen["/props"]


async def test_a_server_that_keeps_its_props_to_itself(household: Household) -> None:
    async with OpenAi("m", slots=4) as server:
        server.has_props = False
        await household.open(declare(server))
        await household.until(lambda: server.seen["/props"])
        assert household.state().slots == 1


@asynccontextmanager
async def watching(client: Client, server: OpenAi, time: VirtualTime) -> AsyncIterator[Watch]:
    """The watch over one server, which was looked at."""
    watch = Watch(client, declare(server), lambda: None, clock=time.clock)
    try:
        await watch.look()
        yield watch
    finally:
        await watch.close()


async def test_a_list_that_says_now_each_time_is_no_news(client: Client) -> None:
    async with OpenAi("m", slots=1) as server, watching(client, server, VirtualTime()) as watch:
        await until(lambda: watch.state.told_slots == 1)
        before = watch.state
        await watch.look()
        assert server.seen["/v1/models"] == 2 and watch.state is before


async def test_a_busy_server_that_answers_calls_is_there_whatever_its_list_says(
    client: Client,
) -> None:
    time = VirtualTime()
    async with OpenAi("m") as server, watching(client, server, time) as watch:
        server.list_status = 500
        watch.answer("m")
        await watch.look()
        assert watch.state.available
        time.pass_(100.0)
        await watch.look()
        assert not watch.state.available and "500" in watch.state.reason


async def test_a_key_that_is_refused_is_said(household: Household) -> None:
    async with OpenAi("m", key=("authorization", "Bearer right")) as server:
        await household.backends.apply([declare(server, api_key="wrong")], ())
        await household.until(lambda: "refuses" in household.state().reason)
        await household.open(declare(server, api_key="right"))
        assert household.state().available


async def test_a_bare_list_at_another_place_as_github_has_it(household: Household) -> None:
    async with OpenAi("openai/gpt-4.1", bare=True) as server:
        await household.open(declare(server))
        assert (await household.backends.resolve("openai/gpt-4.1")).models.keys() == {"one"}


async def test_nonsense_for_an_address_is_said(household: Household) -> None:
    await household.backends.apply([declare("nonsense")], ())
    await asyncio.sleep(0.05)
    assert "not an address" in household.state().reason
    assert not household.scheduled["one"].available


# Azure OpenAI


AZURE = "/openai/deployments/big"


async def test_an_azure_deployment_is_one_model_by_its_name(household: Household) -> None:
    key = ("api-key", "k")
    async with OpenAi("gpt-4o", base=AZURE, list_path="/openai/models", key=key) as server:
        route = declare(f"{server.url}{AZURE}", api_key="k", api_version="2024-10-21")
        await household.open(route)
        assert household.state().available
        assert (await household.backends.resolve("big")).models == {"one": "big"}
        assert server.requests[0].target == "/openai/models?api-version=2024-10-21"


async def test_an_azure_resource_that_lists_nothing_is_there_all_the_same(
    household: Household,
) -> None:
    async with OpenAi(base=AZURE, list_path="/elsewhere") as server:
        await household.open(declare(f"{server.url}{AZURE}", api_version="v"))
        assert household.state().available
        assert (await household.backends.resolve("big")).models == {"one": "big"}


async def test_azure_with_a_token_of_entra(household: Household) -> None:
    async with EntraServer() as authority, OpenAi(base=AZURE, list_path="/openai/models") as server:
        server.key = ("authorization", "Bearer token-1")
        entra = Entra(tenant="t", client="c", secret="s", authority=authority.url)
        await household.open(declare(f"{server.url}{AZURE}", api_version="v", entra=entra))
        assert household.state().available
        assert household.state().headers == (("authorization", "Bearer token-1"),)
        assert not await household.backends.renewed("nobody")


async def test_a_token_that_is_refused_is_replaced(household: Household) -> None:
    async with EntraServer() as authority, OpenAi(base=AZURE, list_path="/openai/models") as server:
        entra = Entra(tenant="t", client="c", secret="s", authority=authority.url)
        await household.open(declare(f"{server.url}{AZURE}", api_version="v", entra=entra))
        household.time.pass_(CALM)
        server.key = ("authorization", "Bearer token-2")
        assert await household.backends.renewed("one")
        assert household.state().headers == (("authorization", "Bearer token-2"),)


async def test_without_a_token_the_backend_is_not_available(household: Household) -> None:
    async with EntraServer() as authority, OpenAi(base=AZURE, list_path="/openai/models") as server:
        authority.failure = {"error": "invalid_client", "error_description": "AADSTS7000215: no"}
        entra = Entra(tenant="t", client="c", secret="s", authority=authority.url)
        route = declare(f"{server.url}{AZURE}", api_version="v", entra=entra)
        await household.backends.apply([route], ())
        await household.until(lambda: "AADSTS7000215" in household.state().reason)
        assert not server.requests


# changes


async def test_what_is_declared_otherwise_is_there_all_the_time(household: Household) -> None:
    async with Ollama(a="d1") as server:
        server.loaded = {"a": 4096}
        await household.open(declare(server, slots=2))
        await household.until(lambda: contexts(household) == {"a": 4096})
        await household.backends.apply([declare(server, slots=3, weight=2.0)], ())
        assert household.scheduled["one"].available
        assert (household.scheduled["one"].slots, household.scheduled["one"].weight) == (3, 2.0)
        assert household.state().resident == frozenset("a")


async def test_another_server_under_the_same_name_begins_anew(household: Household) -> None:
    async with OpenAi("m") as one, OpenAi("n") as two:
        await household.open(declare(one))
        await household.backends.apply([declare(two)], ())
        assert not household.scheduled["one"].available
        assert (await household.backends.resolve("n")).models == {"one": "n"}


async def test_after_a_sleep_all_are_looked_at_at_once(household: Household) -> None:
    async with OpenAi("m") as server:
        await household.open(declare(server))
        household.time.sleep(3600.0)
        await household.turn(1.0)
        await household.until(lambda: server.seen["/v1/models"] == 2)


async def test_what_fails_right_after_a_sleep_is_nobodys_fault(household: Household) -> None:
    async with OpenAi("m") as server:
        await household.open(declare(server))
        household.time.sleep(3600.0)
        for _ in range(20):
            household.backends.failed("one", "m", ConnectFailed("no route to host"))
        await household.until(lambda: household.scheduled["one"].available)
        assert household.backends.circuits() == ()


async def test_the_scheduler_is_told_models_and_what_is_loaded(household: Household) -> None:
    async with Ollama(**{"a:latest": "d1", "b": "d2"}) as server, OpenAi("b") as other:
        server.loaded = {"a": 4096, "b": 4096}
        await household.open(declare(server, slots=2), declare(other, "two", slots=1))
        one, two = household.scheduled["one"], household.scheduled["two"]
        assert one.targets["tier:fast"] == one.targets["model:a:latest"] == "a:latest"
        assert (one.resident, one.capacity) == (frozenset({"a:latest", "b"}), 2)
        assert (two.targets["model:b"], two.resident) == ("b", None)
