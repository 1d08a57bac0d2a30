"""LiteLLM's client and LangChain's chat models, unchanged, against backends of both dialects."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from sutazai.fleet.declared import Dialect
from sutazai.fleet.routes import BackendRoute
from tests.gateway import llama
from tests.gateway.conformance.cases import HI, PNG, SCHEMA, TEXT, TOOL
from tests.gateway.fake_backend import TOOL_CALL, FakeBackend, Script
from tests.gateway.house import House, route

needed = ("litellm", "langchain_openai", "langchain_ollama")
pytestmark = pytest.mark.skipif(not all(map(find_spec, needed)), reason=f"needs {needed}")

OPENAI_LIKE = ("litellm-openai", "langchain-openai")
OLLAMA_LIKE = ("litellm-ollama", "langchain-ollama")
CHATS = (*OPENAI_LIKE, *OLLAMA_LIKE)
ASYNC = ("langchain-openai-async", "langchain-ollama-async")


SETTINGS = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # it would ask the internet
    "LANGSMITH_TRACING": "false",
    "NO_PROXY": "*",
}


@dataclass
class Foreign:
    """The process with the clients, and the gateway that they are to ask."""

    process: subprocess.Popen[str]
    url: str = ""

    async def ask(self, who: str, **job: Any) -> dict[str, Any]:
        """What the client ``who`` made of the answer."""
        line = json.dumps({"client": who, "url": self.url, "messages": HI, **job})
        found: dict[str, Any] = json.loads(await asyncio.to_thread(self._exchange, line))
        return found

    async def heard(self, who: str, **job: Any) -> dict[str, Any]:
        """The same, where there must be no error."""
        heard = await self.ask(who, **job)
        assert not heard["error"], (heard["error"], heard["message"])
        return heard

    def _exchange(self, line: str) -> str:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()


@pytest.fixture(scope="module")
def process() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.gateway.conformance.foreign"]
    with subprocess.Popen(
        command,
        cwd=Path(__file__).parents[3],
        env={**os.environ, **SETTINGS},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as running:
        yield running
        running.terminate()  # its libraries take their time to end by themselves
        running.wait(60)


@pytest.fixture(params=list(Dialect))
async def fake(request: pytest.FixtureRequest, house: House) -> AsyncIterator[FakeBackend]:
    async with FakeBackend(request.param) as made:
        await house.start(route(made))
        yield made


@pytest.fixture
def foreign(process: subprocess.Popen[str], fake: FakeBackend, house: House) -> Foreign:
    return Foreign(process, house.url)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("who", [*CHATS, *ASYNC, "litellm-generate"])
async def test_a_chat(foreign: Foreign, who: str, stream: bool) -> None:
    heard = await foreign.heard(who, stream=stream)
    assert heard["text"] == TEXT
    assert heard["finish"] == "stop"
    assert heard["pieces"] >= (4 if stream else 1)
    # LiteLLM counts the tokens of a streamed answer itself where they came in Ollama's last line.
    if not (stream and who in ("litellm-ollama", "litellm-generate")):
        assert heard["usage"] == [7, 4]


@llama.needed
async def test_all_of_them_hear_the_same_of_a_real_model(
    process: subprocess.Popen[str], house: House, embedded_llm: BackendRoute
) -> None:
    bound = {"litellm": "max_tokens", "langchain-openai": "max_tokens"}
    heard = set()
    await house.start(embedded_llm)
    foreign = Foreign(process, house.url)
    for who in (*CHATS, "litellm-anthropic"):
        most = bound.get(who.split("-")[0], bound.get(who, "num_predict"))
        more = {"temperature": 0, most: 6}
        for stream in (False, True):
            said = await foreign.heard(who, model=llama.MODEL, stream=stream, more=more)
            heard.add(said["text"])
    assert len(heard) == 1 and heard.pop()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("who", CHATS)
async def test_tool_calls(foreign: Foreign, fake: FakeBackend, who: str, stream: bool) -> None:
    fake.script = Script(tokens=(), tool_calls=(TOOL_CALL, TOOL_CALL))
    heard = await foreign.heard(who, stream=stream, more={"tools": [TOOL]})
    assert heard["tool_calls"] == [TOOL_CALL, TOOL_CALL]
    (asked,) = fake.calls
    assert [tool["function"]["name"] for tool in asked["tools"]] == ["look_up"]


@pytest.mark.parametrize("who", CHATS)
async def test_the_results_of_tools_go_back(foreign: Foreign, fake: FakeBackend, who: str) -> None:
    called = {"id": "x1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
    messages = [
        *HI,
        {"role": "assistant", "content": "", "tool_calls": [called]},
        {"role": "tool", "content": "sunny", "tool_call_id": "x1"},
    ]
    assert (await foreign.heard(who, messages=messages))["text"] == TEXT
    *_, call, result = fake.calls[0]["messages"]
    if who != "litellm-ollama":  # which leaves them out
        assert call["tool_calls"][0]["function"]["name"] == "look_up"
    assert (result["role"], result["content"]) == ("tool", "sunny")


@pytest.mark.parametrize("who", OPENAI_LIKE)
async def test_a_schema(foreign: Foreign, fake: FakeBackend, who: str) -> None:
    shape = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
    more = {"response_format": shape}
    if who.startswith("langchain"):
        more = {"model_kwargs": more}  # type: ignore[dict-item]
    await foreign.heard(who, more=more)
    (asked,) = fake.calls
    sent = asked.get("format") or asked["response_format"]["json_schema"]["schema"]
    assert sent == SCHEMA


async def test_a_schema_of_langchains_ollama(foreign: Foreign, fake: FakeBackend) -> None:
    await foreign.heard("langchain-ollama", more={"format": SCHEMA})
    (asked,) = fake.calls
    sent = asked.get("format") or asked["response_format"]["json_schema"]["schema"]
    assert sent == SCHEMA


@pytest.mark.parametrize("who", CHATS)
async def test_an_image(foreign: Foreign, fake: FakeBackend, who: str) -> None:
    content = [
        {"type": "text", "text": "what is it?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    ]
    await foreign.heard(who, messages=[{"role": "user", "content": content}])
    assert PNG in json.dumps(fake.calls[0]["messages"])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("who", ["litellm-openai", "langchain-ollama"])
async def test_thinking(foreign: Foreign, fake: FakeBackend, who: str, stream: bool) -> None:
    fake.script = Script(thinking="hm")
    more = {"reasoning": True} if who == "langchain-ollama" else {}
    heard = await foreign.heard(who, stream=stream, more=more)
    assert (heard["thinking"], heard["text"]) == ("hm", TEXT)


@pytest.mark.parametrize("who", OPENAI_LIKE)
async def test_logprobs(foreign: Foreign, who: str) -> None:
    heard = await foreign.heard(who, more={"logprobs": True, "top_logprobs": 2})
    assert "".join(heard["logprobs"]) == TEXT


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("who", "finish"), [("litellm-anthropic", "stop"), ("litellm-responses", "completed")]
)
async def test_newer_apis(foreign: Foreign, who: str, finish: str, stream: bool) -> None:
    heard = await foreign.heard(who, stream=stream)
    assert (heard["text"], heard["finish"], heard["usage"]) == (TEXT, finish, [7, 4])


@pytest.mark.parametrize(
    "who",
    [
        "litellm-openai-embedding",
        "litellm-ollama-embedding",
        "langchain-openai-embedding",
        "langchain-ollama-embedding",
    ],
)
async def test_embeddings(foreign: Foreign, who: str) -> None:
    heard = await foreign.heard(who, texts=["a", "bcd"])
    assert heard["vectors"] == [[1.0, 0.5], [3.0, 0.5]]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("who", [*CHATS, "litellm-anthropic", "litellm-responses"])
async def test_a_refusal_is_an_error(
    foreign: Foreign, fake: FakeBackend, who: str, stream: bool
) -> None:
    fake.script = Script(status=500)
    heard = await foreign.ask(who, stream=stream)
    assert heard["error"] and "scripted trouble" in heard["message"]


@pytest.mark.parametrize("who", [*CHATS, "litellm-anthropic"])
@pytest.mark.parametrize("trouble", [Script(error_after=2), Script(drop_after=2)])
async def test_trouble_in_mid_stream_is_an_error(
    foreign: Foreign, fake: FakeBackend, who: str, trouble: Script
) -> None:
    fake.script = trouble
    heard = await foreign.ask(who, stream=True)
    assert heard["error"], heard
