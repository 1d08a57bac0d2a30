"""Smoke tests: whether the gateway answers, a model writes, and an agent works."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from sutazai.control.api.parts import Parts
from sutazai.fleet.emergency import Smoke
from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.spec import Runtime
from sutazai.fleet.status import State
from sutazai.fleet.work import Invocation
from sutazai.wire import Address, Client, Timeout

WITHIN = 60.0
"""Seconds that each test has."""
QUESTION = "Say yes."
TOKENS = 8


async def smoke_tests(parts: Parts) -> tuple[Smoke, ...]:
    """All of them, one after the other: where the first fails, the others tell no more."""
    tests = (("gateway", _gateway), ("model", _model), ("agent", _agent))
    return tuple([await _tried(name, test(parts)) for name, test in tests])


async def _tried(name: str, test: Awaitable[str]) -> Smoke:
    began = time.monotonic()
    try:
        async with asyncio.timeout(WITHIN):
            told, passed = await test, True
    except SutazaiError as error:
        told, passed = error.message, False
    except TimeoutError:
        told, passed = f"no answer within {WITHIN:.0f} s", False
    return Smoke(name=name, passed=passed, told=told, seconds=round(time.monotonic() - began, 3))


async def _gateway(parts: Parts) -> str:
    stats = await parts.gateway.stats()
    available = [backend.name for backend in stats.backends if backend.available]
    return f"answers; backends: {', '.join(available) or 'none is available'}"


async def _model(parts: Parts) -> str:
    """One call as any program makes it."""
    ports, tier = parts.settings.config.ports, next(iter(parts.settings.fleet.tiers))
    body = {
        "model": tier,
        "messages": [{"role": "user", "content": QUESTION}],
        "max_tokens": TOKENS,
    }
    async with Client() as client:
        answer = await client.call(
            "POST",
            Address.parse(ports.url(ports.gateway)),
            "/v1/chat/completions",
            body,
            headers=[("authorization", f"Bearer {parts.settings.token}")],
            timeout=Timeout(headers=WITHIN, idle=WITHIN),
        )
    return f"{answer['model']} wrote {answer['usage']['completion_tokens']} tokens"


async def _agent(parts: Parts) -> str:
    """One piece of work for the first agent of ours that is well."""
    name = await _first(parts, lambda state: state is State.HEALTHY)
    if name is None:
        name = await _first(parts, lambda state: state is State.ASLEEP)
    if name is None:
        return "no agent of runtime python could be asked"
    asked = Invocation(input=QUESTION, deadline=WITHIN, max_tokens=TOKENS)
    result = await parts.work.calls.invoke(name, asked)
    return f"{name} worked for {result.seconds:.1f} s"


async def _first(parts: Parts, fits: Callable[[State], bool]) -> str | None:
    agents = (await parts.status.read()).agents
    ours = (agent for agent in agents if agent.runtime is Runtime.PYTHON)
    return next((agent.name for agent in ours if fits(agent.state)), None)
