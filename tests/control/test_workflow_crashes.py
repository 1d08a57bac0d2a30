"""A workflow with a list, a loop, conditions and an approval, killed in the midst of each step."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from sutazai.control.settings import read_settings
from sutazai.fleet.places import Places
from sutazai.fleet.workflows import Workflow
from sutazai.tasks.workflow.machine import step_of
from tests.control.conftest import small_fleet, write_state
from tests.control.peers import Body, FakeGateway, FakeHost, FakeKeeper
from tests.control.test_process import client_of, control_process
from tests.postgres import postgres

pytestmark = pytest.mark.timeout(300)  # processes start again and again
STEPS: list[dict[str, Any]] = [
    {
        "name": "plan",
        "agent": "planner",
        "input": "Plan ${input.topic}.",
        "schema": {
            "type": "object",
            "properties": {"parts": {"type": "array", "items": {"type": "string"}}},
            "required": ["parts"],
        },
    },
    {
        "name": "write",
        "agent": "executor",
        "map": "${steps.plan.output.parts}",
        "parallel": 2,
        "input": "Write ${item}.",
        "artifact": "parts/${number}-${item}.md",
    },
    {
        "name": "join",
        "agent": "executor",
        "input": {"parts": "${steps.write.output}", "after": "${steps.review.output.comments}"},
    },
    {
        "name": "review",
        "agent": "reviewer",
        "input": "${steps.join.output}",
        "repeat": {"from": "join", "until": "${steps.review.output.good} == true", "max": 3},
    },
    {
        "name": "shorten",
        "agent": "executor",
        "when": "${steps.review.output.words} > 1000",
        "input": "${steps.join.output}",
    },
    {
        "name": "polish",
        "agent": "executor",
        "when": "${steps.review.output.words} <= 1000",
        "input": "${steps.join.output}",
        "artifact": "book.md",
    },
    {"name": "sign", "approval": "Publish ${input.topic}?"},
    {"name": "publish", "agent": "executor", "input": "${steps.polish.output}"},
]
PIECES = (
    "plan", "write[1]", "write[2]", "write[3]", "join", "review", "join#2", "review#2", "polish",
    "sign", "publish",
)  # fmt: skip
TELLING = ("plan", "write[2]", "review", "sign", "publish")
"""One of each kind: a step alone, of a list, in a loop, an approval, and what comes after it."""
OUTPUTS: dict[str, Any] = {
    "plan": {"parts": ["Tea", "Cake", "Jam"]},
    "review": {"good": False, "comments": "too dry", "words": 10},
    "review#2": {"good": True, "words": 12},
}


@pytest.fixture
def keeper(places: Places) -> Iterator[FakeKeeper]:
    port = read_settings(places).config.ports.control
    flow = Workflow.model_validate({"steps": STEPS})
    write_state(places, small_fleet(workflows={"book": flow}), port)
    keeper = FakeKeeper(places.keeper_socket, port)
    yield keeper
    keeper.close()


@dataclass
class Agents:
    """Do each piece of work once, however often they are asked; hold still where a kill comes.

    ``stuck`` has the pieces at which one comes, and is told when they are asked for.
    """

    stuck: dict[str, asyncio.Event]
    asked: Counter[str] = field(default_factory=Counter)
    effects: Counter[str] = field(default_factory=Counter)

    async def work(self, body: Body) -> Any:
        piece = body["task"].rpartition("/")[2]
        self.asked[piece] += 1
        if piece in self.stuck and not self.stuck[piece].is_set():
            self.stuck[piece].set()
            await asyncio.sleep(600)
        if piece not in self.effects:
            self.effects[piece] += 1
        return OUTPUTS.get(piece, f"made by {piece}")


async def until(
    api: httpx.AsyncClient, run_id: str, *, step: str = "", state: str = ""
) -> dict[str, Any]:
    """The run, once a step of it, or the whole, is in a state."""
    async with asyncio.timeout(60):
        while True:
            run: dict[str, Any] = (await api.get(f"/runs/{run_id}")).json()
            found = {each["name"]: each["state"] for each in run["steps"]}
            if (found.get(step) if step else run["state"]) == state or run["ended"]:
                return run
            await asyncio.sleep(0.02)


async def test_kill_9_in_the_midst_of_steps_does_no_other_step_again(
    places: Places, host: FakeHost, gateway: FakeGateway, keeper: FakeKeeper
) -> None:
    await survive(places, gateway, *TELLING)


@pytest.mark.soak
@pytest.mark.parametrize("killed", PIECES)
async def test_kill_9_in_the_midst_of_any_step_does_no_other_step_again(
    places: Places, host: FakeHost, gateway: FakeGateway, keeper: FakeKeeper, killed: str
) -> None:
    await survive(places, gateway, killed)


@pytest.mark.parametrize("killed", ["write[2]", pytest.param("sign", marks=pytest.mark.soak)])
async def test_on_postgres_too(
    places: Places,
    host: FakeHost,
    gateway: FakeGateway,
    keeper: FakeKeeper,
    monkeypatch: pytest.MonkeyPatch,
    killed: str,
) -> None:
    with postgres() as server:
        monkeypatch.setenv("SUTAZAI_DATABASE", server.create("control"))
        await survive(places, gateway, killed)


async def survive(places: Places, gateway: FakeGateway, *killed: str) -> None:
    """A run whose control is killed in the midst of one piece after another, and started again."""
    agents = Agents({piece: asyncio.Event() for piece in killed if piece != "sign"})
    gateway.agents.update(dict.fromkeys(("planner", "executor", "reviewer"), agents.work))
    run_id = ""
    for piece in killed:
        async with control_process(places) as process, client_of(places) as api:
            run_id = run_id or await begin(api)
            if piece in ("sign", "publish"):
                await until(api, run_id, step="sign", state="waiting")
            if piece == "publish":
                await approve(api, run_id)
            if piece != "sign":
                await asyncio.wait_for(agents.stuck[piece].wait(), 60)
            process.kill()
            await process.wait()

    async with control_process(places), client_of(places) as api:
        if "publish" not in killed:
            await until(api, run_id, step="sign", state="waiting")
            await approve(api, run_id)
        run = await until(api, run_id, state="done")

    assert run["state"] == "done", run
    assert [step["name"] for step in run["steps"]] == [*PIECES[:8], "shorten", *PIECES[8:]]
    assert all(step["state"] == "done" for step in run["steps"])
    assert agents.effects == Counter(piece for piece in PIECES if piece != "sign")
    steps = {step_of(piece) for piece in killed}
    others = [piece for piece in agents.effects if step_of(piece) not in steps]
    assert all(agents.asked[piece] == 1 for piece in others)
    assert all(agents.asked[piece] == 2 for piece in agents.stuck)
    files = {artifact["name"] for artifact in run["artifacts"]}
    assert files == {"parts/01-tea.md", "parts/02-cake.md", "parts/03-jam.md", "book.md"}


async def begin(api: httpx.AsyncClient) -> str:
    request = {"workflow": "book", "input": {"topic": "a feast"}}
    return str((await api.post("/runs", json=request)).json()["id"])


async def approve(api: httpx.AsyncClient, run_id: str) -> None:
    answer = await api.post(f"/runs/{run_id}/approvals/sign", json={"approved": True})
    assert answer.status_code == 200, answer.text
