"""One instance's whole day, played once in the zygote before anything is forked.

What a process does for the first time changes memory that forks would otherwise go on sharing: the
interpreter specialises the code it runs, caches fill, objects are made lazily. Played here once,
all of it is there before the fork, and an instance after its first tasks takes a megabyte less.
Everything that is opened here is closed again: nothing but memory is left.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from itertools import repeat

from sutazai.agent.identity import Identity
from sutazai.agent.process import heed_sigterm, new_loop, serve, set_up_logging
from sutazai.wire import Address, Client, Request, Response, Server, sse_event

TIMES = 40
"""A function is specialised after 8 calls, and each place in it after some more."""
ROLE = "sutazai.agent.role:RoleAgent"
OPTIONS = {
    "agent": "rehearsal",
    "version": "",
    "prompt": "",
    "tier": "standard",
    "concurrency": 4,
    "options": {},
    "sampling": {"temperature": 0.4, "max_tokens": 512},
}


def rehearse(folder: str, times: int) -> None:
    """Starts a role agent ``times``, and has it serve as many health checks and tasks, against a
    model that says a few words.

    ``folder`` takes the two sockets for as long as it lasts.
    """
    set_up_logging()
    heed_sigterm()
    stage = f"{folder}/rehearsal-{os.getpid()}"
    for tasks in (*repeat(1, times - 1), times):
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(_play(f"{stage}-llm", f"{stage}-agent", tasks))


async def _play(llm_path: str, agent_path: str, tasks: int) -> None:
    llm = Server(_answer)
    await llm.listen_unix(llm_path, "llm")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(agent_path)
    listener.listen()
    options = {**OPTIONS, "gateway": f"unix:{llm_path}"}
    identity = Identity.from_options(options, instance="rehearsal-1", entry=ROLE, key="none")
    agent = asyncio.create_task(serve(identity, listener), name="rehearsal")
    try:
        await _ask(Address.parse(f"unix:{agent_path}"), tasks)
    finally:
        os.unlink(agent_path)
    signal.raise_signal(signal.SIGTERM)
    await agent
    await llm.close(grace=1.0)


async def _ask(agent: Address, tasks: int) -> None:
    body = json.dumps({"input": "rehearse", "schema": {"type": "string"}}).encode()
    async with Client() as client:
        for number in range(tasks):
            await client.call("GET", agent, "/health")
            headers = [("accept", "text/event-stream")] if number % 2 else []
            response = await client.request("POST", agent, "/invoke", headers=headers, body=body)
            async with response:
                await response.read()


async def _answer(request: Request) -> Response:
    await request.json()
    return Response(200, [("content-type", "text/event-stream")], _words())


async def _words() -> AsyncIterator[bytes]:
    for _ in range(TIMES):
        yield sse_event(json.dumps({"choices": [{"delta": {"content": "word "}}]}))
    yield sse_event(json.dumps({"choices": [], "usage": {"prompt_tokens": 1}}))
    yield sse_event("[DONE]")
