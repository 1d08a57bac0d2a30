"""The LLM client of an agent: one gateway, reached over its Unix socket, in the OpenAI dialect."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sutazai.agent.identity import Identity
from sutazai.agent.task import TASK, Usage, current_task
from sutazai.fleet.errors import BadInput, BadPeer, SutazaiError, from_dict
from sutazai.wire import Address, Client, SseDecoder, SseEvent, Timeout

Message = Mapping[str, Any]
"""``{"role": "system" | "user" | "assistant", "content": text}``."""

DONE = "[DONE]"


@dataclass(frozen=True)
class Answer:
    """What a model said. ``finish_reason`` is `stop`, or `length` where it was cut."""

    text: str
    usage: Usage
    model: str
    finish_reason: str


class Llm:
    """Asks the fleet's models through the gateway.

    Every call may raise ``QueueFull``, ``NoModel``, ``DeadlineExceeded``, ``PeerClosed`` or
    ``BadPeer``. A call made while serving a task ends with that task's deadline, and raises
    ``TaskStopped`` where the task went in circles or its budget is spent: then its work is over.
    """

    def __init__(self, identity: Identity, client: Client) -> None:
        self._identity = identity
        self._client = client
        self._gateway = Address.parse(identity.gateway) if identity.gateway else None

    async def generate(self, prompt: str, **how: Any) -> Answer:
        """Answers one prompt; takes what `chat` takes."""
        return await self.chat([{"role": "user", "content": prompt}], **how)

    async def chat(
        self,
        messages: Sequence[Message],
        *,
        schema: Mapping[str, Any] | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        tier: str | None = None,
    ) -> Answer:
        """The model's answer to a conversation, as a whole.

        Args:
            messages: the conversation. Raises BadInput for a text alone.
            schema: JSON Schema that the answer's text must follow.
            max_tokens: bound on the answer; the agent's own by default.
            temperature: randomness, 0 to 2; the agent's own by default.
            tier: class of model, or a model's name; the agent's own by default.
        """
        body = self._body(messages, schema, max_tokens, temperature, tier)
        reply = await self._call("/v1/chat/completions", body)
        try:
            choice = reply["choices"][0]
            text = choice["message"].get("content") or ""
            finish = choice.get("finish_reason") or "stop"
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise BadPeer("the model's answer has no message", body=str(reply)[:200]) from error
        return Answer(text, _count(reply.get("usage")), str(reply.get("model", "")), finish)

    async def stream(
        self,
        messages: Sequence[Message],
        *,
        schema: Mapping[str, Any] | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        tier: str | None = None,
    ) -> AsyncIterator[str]:
        """The model's answer, piece by piece; arguments as in `chat`."""
        body = self._body(messages, schema, max_tokens, temperature, tier)
        body |= {"stream": True, "stream_options": {"include_usage": True}}
        response = await self._client.request(
            "POST",
            self._address(),
            "/v1/chat/completions",
            headers=self._headers(),
            body=json.dumps(body).encode(),
            timeout=_timeout(),
        )
        async with response:
            if response.status != 200:
                raise _error_of(response.status, await response.read())
            async for event in _events(response.stream()):
                if event.data == DONE:
                    return
                if piece := _piece_of(event):
                    yield piece
        raise BadPeer("the model's answer ended before its end mark")

    async def embed(self, texts: Sequence[str], *, tier: str | None = None) -> list[list[float]]:
        """One vector for each text."""
        body = {"model": tier or self._identity.tier, "input": list(texts)}
        reply = await self._call("/v1/embeddings", body)
        try:
            return [[float(number) for number in item["embedding"]] for item in reply["data"]]
        except (KeyError, TypeError, ValueError) as error:
            raise BadPeer("the model's answer has no embeddings") from error

    def _body(
        self,
        messages: Sequence[Message],
        schema: Mapping[str, Any] | None,
        max_tokens: int | None,
        temperature: float | None,
        tier: str | None,
    ) -> dict[str, Any]:
        if isinstance(messages, str):
            raise BadInput("a conversation is a list of messages", hint="one text: generate(text)")
        sampling = self._identity.sampling
        body: dict[str, Any] = {
            "model": tier or self._identity.tier,
            "messages": list(messages),
            "max_tokens": max_tokens or sampling.max_tokens,
            "temperature": sampling.temperature if temperature is None else temperature,
        }
        if schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": dict(schema)},
            }
        return body

    async def _call(self, target: str, body: Mapping[str, Any]) -> Any:
        response = await self._client.request(
            "POST",
            self._address(),
            target,
            headers=self._headers(),
            body=json.dumps(body).encode(),
            timeout=_timeout(),
        )
        async with response:
            if response.status != 200:
                raise _error_of(response.status, await response.read())
            return await response.json()

    def _address(self) -> Address:
        if self._gateway is None:
            raise SutazaiError("this instance was started without a gateway")
        return self._gateway

    def _headers(self) -> list[tuple[str, str]]:
        headers = [
            ("authorization", f"Bearer {self._identity.key}"),
            ("content-type", "application/json"),
        ]
        if (task := current_task.get()) is not None:
            headers.append((TASK, task.id))
        return headers


def _timeout() -> Timeout:
    task = current_task.get()
    left = None if task is None else max(0.001, task.deadline)
    return Timeout(connect=5.0, headers=left, idle=left)


def _count(usage: Any) -> Usage:
    counted = Usage()
    if not isinstance(usage, dict):
        return counted
    prompt, completion = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    counted.add(prompt_tokens=prompt, completion_tokens=completion)
    if (task := current_task.get()) is not None:
        task.usage.add(prompt_tokens=prompt, completion_tokens=completion)
    return counted


async def _events(chunks: AsyncIterator[bytes]) -> AsyncIterator[SseEvent]:
    decoder = SseDecoder()
    async for chunk in chunks:
        for event in decoder.feed(chunk):
            yield event


def _piece_of(event: SseEvent) -> str:
    """The text in one streamed chunk; counts its usage; raises what it reports as an error."""
    try:
        chunk = json.loads(event.data)
    except ValueError as error:
        raise BadPeer("the model's answer is not JSON", body=event.data[:200]) from error
    if not isinstance(chunk, dict):
        raise BadPeer("the model's answer is not a chunk", body=event.data[:200])
    if "error" in chunk:
        raise _error_of(500, event.data.encode())
    if chunk.get("usage"):
        _count(chunk["usage"])
    choices = chunk.get("choices") or [{}]
    return (choices[0].get("delta") or {}).get("content") or ""


def _error_of(status: int, body: bytes) -> SutazaiError:
    """The gateway's refusal, which comes in the OpenAI shape, as one of our errors."""
    try:
        error = json.loads(body)["error"]
        code, message = error.get("sutazai_code"), error["message"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return BadPeer(f"the gateway answered {status}", body=body[:200].decode("utf-8", "replace"))
    by_status = {404: "NotFound", 429: "QueueFull", 503: "Unavailable", 504: "DeadlineExceeded"}
    return from_dict({"code": code or by_status.get(status, "BadPeer"), "message": message})
