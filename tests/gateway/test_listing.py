"""What the gateway says of its models, in both dialects."""

from __future__ import annotations

from sutazai.fleet.declared import Dialect
from tests.gateway.fake_backend import FakeBackend
from tests.gateway.house import House, route

OPENAI, OLLAMA = Dialect.OPENAI, Dialect.OLLAMA


async def test_lists_hold_the_models_of_all_backends_and_the_tiers(house: House) -> None:
    async with (
        FakeBackend(OPENAI, models=("a", "both")) as one,
        FakeBackend(OLLAMA, models=("b:1b", "both")) as two,
    ):
        await house.start(route(one, "one"), route(two, "two"))
        expected = {"a", "b:1b", "both", "fast", "standard", "complex"}
        listed = (await house.get("/v1/models")).json
        assert {each["id"] for each in listed["data"]} == expected
        tags = (await house.get("/api/tags")).json["models"]
        assert {each["name"] for each in tags} == expected
        (own,) = [each for each in tags if each["name"] == "b:1b"]
        assert own["digest"] == "abc" and own["details"] == {"family": "llama"}
        models = {(each["name"], each["tier"]): each for each in await house.api("GET", "/models")}
        assert models["both", False]["backends"] == ["one", "two"]
        assert models["fast", True]["backends"] == ["one", "two"]


async def test_one_model_by_its_name(house: House) -> None:
    async with FakeBackend(models=("org/model",)) as fake:
        await house.start(route(fake))
        assert (await house.get("/v1/models/org/model")).json["id"] == "org/model"
        assert (await house.get("/v1/models/fast")).json["id"] == "fast"
        missing = await house.get("/v1/models/nope")
        assert missing.status == 404 and missing.json["error"]["code"] == "model_not_found"


async def test_show_asks_ollama_or_says_what_is_known(house: House) -> None:
    async with FakeBackend(OLLAMA, models=("x:latest",)) as ollama, FakeBackend() as other:
        await house.start(route(ollama, "ollama"), route(other, "other"))
        assert (await house.post("/api/show", {"model": "x"})).json["modelfile"] == "FROM x:latest"
        shown = (await house.post("/api/show", {"model": "fake-7b"})).json
        assert shown["capabilities"] and "model_info" in shown
        missing = await house.post("/api/show", {"model": "nope"})
        assert (missing.status, missing.json) == (404, {"error": "model 'nope' not found"})
        assert (await house.post("/api/show", b"[]")).status == 400


async def test_ps_lists_what_is_loaded(house: House) -> None:
    async with FakeBackend(OLLAMA, models=("x",)) as ollama, FakeBackend() as other:
        await house.start(route(ollama, "ollama"), route(other, "other"))
        loaded = (await house.get("/api/ps")).json["models"]
        assert [each["name"] for each in loaded] == ["x", "fake-7b", "fake-70b"]


async def test_what_ollama_clients_ask_first(house: House) -> None:
    await house.start()
    root = await house.get("/")
    assert (root.status, root.data) == (200, b"Ollama is running")
    for path in ("/", "/api/tags", "/api/version"):
        head = await house.client.request("HEAD", house.address, path)
        async with head:
            assert (head.status, await head.read()) == (200, b"")
    assert (await house.get("/api/version")).json["version"]


async def test_a_call_that_only_loads_a_model_is_answered(house: House) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake))
        reply = (await house.post("/api/generate", {"model": "fake-7b"})).json
        assert (reply["response"], reply["done"], reply["done_reason"]) == ("", True, "load")
        reply = (await house.post("/api/chat", {"model": "fast", "keep_alive": 0})).json
        assert (reply["done"], reply["done_reason"]) == (True, "unload")
        reply = (await house.post("/api/embeddings", {"model": "fast"})).json
        assert reply == {"embedding": []}
        assert not fake.calls
