"""A fleet whose agents move to versions that are well or ill in a known way, and steady load.

The version of an agent is what its environment says: ``VERSION`` names how it behaves.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.rollouts import RolloutState, RolloutView, Step
from sutazai.wire import Address, Client, Timeout
from tests.e2e.asking import status_of
from tests.e2e.fleet import Fleet, eventually

GOOD = "good"
VERSIONS = """
import asyncio
import os
from sutazai.agent import Agent
from sutazai.fleet.errors import BadInput

VERSION = os.environ["VERSION"]

class Versioned(Agent):
    leaked = []
    asked = 0

    async def start(self):
        if VERSION == "crashes-at-start":
            os._exit(3)
        if VERSION == "never-healthy":
            await asyncio.Event().wait()

    async def run(self, task):
        if VERSION == "crashes-at-work":
            os._exit(4)
        if VERSION == "fails":
            raise RuntimeError("this version fails")
        self.asked += 1
        if VERSION == "hasty" and self.asked % 2:
            raise BadInput("this version does not take its time")
        if VERSION == "leaks":
            self.leaked.append(b"x" * (512 * 1024))
        for _ in range(2 if VERSION == "wordy" else 1):
            await self.llm.generate("Say something.")
        return {"version": VERSION, "given": task.input}
"""
PROGRAM = """
import http.server, json, os, sys

class Door(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer({"status": "ok"})

    def do_POST(self):
        given = json.loads(self.rfile.read(int(self.headers["content-length"])))["input"]
        version = os.environ["VERSION"]
        done = {"output": {"version": version, "given": given}}
        self.answer({"status": "ok"} if version == "dead" else done)

    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *about):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Door).serve_forever()
"""
SWIFT: Mapping[str, Any] = {
    "phases": [{"percent": 50, "for": "9s"}, {"percent": 100, "for": "9s"}],
    "warm": "0s",
    "validate": "9s",
    "bake": "1s",
    "no_traffic": "extend",
    "extension": "1m",
    "drain": "10s",
    "start": "20s",
    "preflight": "60s",
}
"""A rollout in seconds. Eight slices of a second are the least that a verdict is given on."""
LENIENT: Mapping[str, Any] = {
    "minimum_sample": 30,
    "false_alarms": 0.05,
    "misses": 0.2,
    "effects": {"share": 0.4, "p95": 20, "task_rate": 0.2, "tokens": 1.8, "memory": 3, "cpu": 20},
    "phases": {"p95": 10, "cpu": 10, "memory": 2, "task_rate": 0.5},
    "end": {"p95": 10, "cpu": 10, "memory": 2, "task_rate": 0.5},
}
"""What few requests on a machine with other work can tell."""
PATIENCE = Timeout(connect=10.0, headers=60.0, idle=60.0)


@dataclass(frozen=True)
class Answer:
    """What became of one request; ``sent`` and ``ended`` in wall-clock seconds, ``status`` 0 where
    there was no answer, ``version`` empty where it was no result."""

    agent: str
    sent: float
    ended: float
    status: int
    version: str
    words: str = ""

    @property
    def is_good(self) -> bool:
        return bool(self.version)


@dataclass
class Ledger:
    """Every request by its id: the agent that it was sent to, and what became of it."""

    sent: dict[str, str] = field(default_factory=dict)
    ended: dict[str, Answer] = field(default_factory=dict)

    @property
    def open(self) -> set[str]:
        """What has not ended yet."""
        return set(self.ended).symmetric_difference(list(self.sent))

    def unanswered(self, since: float = 0.0) -> list[Answer]:
        """Requests since then whose connection ended before there was an answer or an error."""
        return [one for one in self.since(since) if not one.status]

    def failed(self, since: float = 0.0) -> list[Answer]:
        """Requests since then that ended without a result."""
        return [one for one in self.since(since) if not one.is_good]

    def since(self, moment: float) -> list[Answer]:
        """What was sent since then and has ended."""
        return [one for one in list(self.ended.values()) if one.sent >= moment]


class Load:
    """Asks all agents at their front doors in turn, so many times a second, in a thread of its own
    as long as the block lasts. All that was sent has ended when it does."""

    def __init__(self, fleet: Fleet, *, rate: float) -> None:
        keys: dict[str, str] = json.loads((fleet.state / "keys.json").read_text())
        self._headers = [("authorization", f"Bearer {next(iter(keys.values()))}")]
        agents = status_of(fleet)["agents"]
        ports = {one["name"]: one["port"] for one in agents if one["port"]}
        self.doors = {
            name: Address.parse(f"http://127.0.0.1:{port}") for name, port in ports.items()
        }
        self._rate = rate
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load")
        self.ledger = Ledger()

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        began, number = clock(), 0
        async with Client() as client, asyncio.TaskGroup() as under_way:
            while not self._over.is_set():
                for agent, door in self.doors.items():
                    await asyncio.sleep(max(0.0, began + number / self._rate - clock()))
                    under_way.create_task(self._ask(client, agent, door, f"{agent}/{number}"))
                    number += 1

    async def _ask(self, client: Client, agent: str, door: Address, given: str) -> None:
        self.ledger.sent[given] = agent
        body, sent = json.dumps({"input": given}).encode(), time.time()
        status, version, words = 0, "", ""
        try:
            async with await client.request(
                "POST", door, "/invoke", headers=self._headers, body=body, timeout=PATIENCE
            ) as response:
                status, answer = response.status, await response.read()
                version, words = _version(answer, given), answer.decode()[:300]
        except SutazaiError as error:
            status, words = 0, repr(error)
        self.ledger.ended[given] = Answer(agent, sent, time.time(), status, version, words)


def _version(answer: bytes, given: str) -> str:
    """The version that answered; empty where this is no answer to what was given."""
    output = json.loads(answer).get("output")
    right = isinstance(output, dict) and output.get("given") == given
    return str(output["version"]) if right else ""


class Rolling:
    """A running fleet that is moved from version to version; ``version`` is the one in force."""

    def __init__(self, fleet: Fleet, declared: dict[str, Any]) -> None:
        self.fleet = fleet
        self.version = GOOD
        self._declared = declared
        self._api = httpx.Client(base_url=f"{fleet.control}/api/v1/rollouts", timeout=20)

    def declare(self, version: str, **changes: Any) -> None:
        """Writes the fleet file anew, with all agents at that version and other keys changed."""
        agents = {
            name: {**agent, "environment": {"VERSION": version}}
            for name, agent in self._declared["agents"].items()
        }
        assert self.fleet.file is not None
        self.fleet.file.write_text(json.dumps({**self._declared, **changes, "agents": agents}))

    def apply(self, version: str, **changes: Any) -> int:
        """Applies it; the number of the rollout that has begun."""
        self.declare(version, **changes)
        plan = json.loads(self.fleet.must("apply", str(self.fleet.file), "--json"))
        number: int = plan["rollout"]
        eventually(lambda: self._seen(number), 60, "the rollout is there")
        return number

    def view(self) -> RolloutView | None:
        """The rollout that goes on or was the last one, None while control is away."""
        told = self._asked("GET", "/current")
        return RolloutView.model_validate_json(told.content) if told is not None else None

    def tell(self, command: str) -> None:
        """Says it, as soon as control hears."""
        eventually(lambda: self._asked("POST", f"/current/{command}"), 60, f"{command} is heard")

    def close(self) -> None:
        """To be called when the fleet is to end."""
        self._api.close()

    def until(self, *steps: Step, within: float = 120.0, every: float = 0.05) -> RolloutState:
        """The state as soon as the rollout is at one of these steps; looks ``every`` so many
        seconds."""
        last: list[RolloutState] = []

        def there() -> bool:
            if view := self.view():
                last[:] = [view.state]
            return bool(last) and last[0].step in steps

        try:
            eventually(there, within, "", every)
        except AssertionError:
            told = [f"{one.step}: {one.text}" for one in last[0].history] if last else []
            said = "\n".join(told)
            raise AssertionError(f"it never was at {steps} in {within:.0f} s:\n{said}") from None
        return last[0]

    def end(self, within: float = 120.0, every: float = 0.05) -> RolloutState:
        """The state in which it has ended, one way or the other, or asks a person."""
        ends = Step.SUCCEEDED, Step.ROLLED_BACK, Step.INCONCLUSIVE
        return self.until(*ends, within=within, every=every)

    def helped(self, within: float) -> tuple[RolloutState, int]:
        """How it ended, and how often a person had to say that it may go on: few requests, or a
        machine that is busy otherwise, may leave the evidence inconclusive. Looks as rarely as
        who watches: a look costs, and load is measured meanwhile."""
        promoted = 0
        while (state := self.end(within, every=1.0)).step is Step.INCONCLUSIVE:
            self.tell("promote")
            promoted += 1
        return state, promoted

    def reached(self, step: Step) -> None:
        """Returns as soon as the rollout has come to that step, or gone past it."""

        def has_been() -> bool:
            view = self.view()
            return view is not None and any(one.step is step for one in view.state.history)

        eventually(has_been, 120, f"it comes to {step}")

    def kill(self, plane: str) -> None:
        """Ends host, gateway or control with a signal that nobody can catch."""
        os.kill(int(self.fleet.plane(plane)["instances"][0]["pid"]), signal.SIGKILL)

    def _asked(self, method: str, path: str) -> httpx.Response | None:
        """What control says; None while it is away, or sees no sense in that."""
        headers = {"authorization": f"Bearer {self.fleet.token}"}
        json = {"by": "test"} if method == "POST" else None
        try:
            answer = self._api.request(method, path, json=json, headers=headers)
        except httpx.HTTPError:
            return None
        return answer if answer.is_success else None

    def _seen(self, number: int) -> bool:
        view = self.view()
        return view is not None and view.number == number


@contextmanager
def rolling(
    folder: Path,
    model: str,
    agents: Mapping[str, Mapping[str, Any]],
    *,
    rollout: Mapping[str, Any] = SWIFT,
    criteria: Mapping[str, Any] = LENIENT,
    slots: int = 4,
    fleet: Fleet | None = None,
    patience: float = 120.0,
) -> Iterator[Rolling]:
    """A fleet of these agents at the good version; ``model`` is the URL of a model server."""
    (folder / "versions.py").write_text(VERSIONS)
    (folder / "program.py").write_text(PROGRAM)
    declared = {
        "name": "rolling",
        "backends": {"fake": {"url": model, "slots": slots}},
        "agents": dict(agents),
        "rollout": dict(rollout),
        "criteria": dict(criteria),
    }
    fleet = fleet or Fleet()
    fleet.file = folder / "fleet.yaml"
    moved = Rolling(fleet, declared)
    moved.declare(GOOD)
    try:
        done = fleet.up(timeout=patience)
        assert done.returncode == 0, done.stdout + done.stderr
        yield moved
    finally:
        moved.close()
        fleet.stop()
