"""A real fleet, broken in one way after the other: the cause is named first, and it alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest

from tests.e2e.asking import status_of
from tests.e2e.faults import AGENTS, LOOPING, Model, alerts, breakable, heard
from tests.e2e.fleet import Fleet, eventually

WITHIN = 120.0
FLOOD = 40
SOON = {"for": "0s", "hold_off": "0s"}


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    model = Model()
    yield model
    model.kill()


@pytest.fixture(scope="module")
def fleet(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    quick = {
        "queue-long": {**SOON, "value": FLOOD // 2},
        "llm-down": SOON,
        "calls-fail": {**SOON, "at_least": 2},
        "agent-calls-fail": {**SOON, "at_least": 1},
        "backend-down": SOON,
        "agent-down": SOON,
    }
    with breakable(tmp_path_factory.mktemp("faults"), model, quick) as fleet:
        yield fleet


def ask_model(fleet: Fleet, agent: str, *, patience: float) -> int:
    """Asks for an answer with the key of an agent; the status, 0 where nobody waited for it."""
    keys = json.loads((fleet.state / "keys.json").read_text())
    with suppress(httpx.TransportError):
        answer = httpx.post(
            f"{fleet.gateway}/v1/chat/completions",
            json={"model": "fake-7b", "messages": [{"role": "user", "content": "hi"}]},
            headers={"authorization": f"Bearer {keys[agent]}"},
            timeout=patience,
        )
        return answer.status_code
    return 0


def one_alert(fleet: Fleet, rule: str) -> str:
    """Waits until this is what is heard, and nothing else; its summary, which `status` begins
    with."""
    eventually(lambda: rule in heard(fleet), WITHIN, f"{rule} among {alerts(fleet)}")
    eventually(lambda: heard(fleet) == [rule], WITHIN, f"{rule} alone")
    first = alerts(fleet)[0]
    assert first["rule"] == rule
    status = status_of(fleet)
    assert status["alerts"][0] == f"{first['severity']} {rule}: {first['summary']}"
    return str(first["summary"])


@pytest.mark.timeout(300)
@pytest.mark.soak
def test_a_flood_of_calls_is_one_alert(fleet: Fleet, model: Model) -> None:
    model.script(hang_after=0)
    with ThreadPoolExecutor(FLOOD) as pool:
        flood = [
            pool.submit(ask_model, fleet, AGENTS[at % len(AGENTS)], patience=WITHIN)
            for at in range(FLOOD)
        ]
        summary = one_alert(fleet, "queue-long")
        model.script(hang_after=None)
        model.kill()
        model.start()
    assert "calls wait for the model" in summary
    assert all(call.result() for call in flood)
    eventually(lambda: not heard(fleet), WITHIN, "all is well again")


@pytest.mark.timeout(300)
def test_a_model_that_is_gone_is_one_alert_whoever_suffers(fleet: Fleet, model: Model) -> None:
    model.kill()
    with ThreadPoolExecutor(len(AGENTS)) as pool:
        asked = list(pool.map(lambda name: ask_model(fleet, name, patience=1.0), AGENTS * 2))
    assert 200 not in asked

    summary = one_alert(fleet, "llm-down")

    assert "no LLM can be reached" in summary
    muted = {one["rule"]: one["muted"] for one in alerts(fleet) if one["muted"]}
    assert muted["backend-down"] == "cause: llm-down"
    model.start()


@pytest.mark.timeout(300)
def test_an_agent_that_ends_again_and_again_is_named(fleet: Fleet) -> None:
    """And it alone: the model is back, and nothing is said of it any more."""
    fleet.cli("agents", "start", LOOPING)

    summary = one_alert(fleet, "crash-loop")

    assert summary == f"it ends again and again: {LOOPING}"
    assert fleet.must("status").splitlines()[1].startswith("! critical crash-loop: ")
