"""What a newcomer sees: the default fleet, a real LLM, and a backlog worked through."""

from __future__ import annotations

import json
import time
from pathlib import Path

import ollama
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.e2e.asking import ask_control
from tests.e2e.fleet import Fleet, eventually

MODEL = "smollm2-135m-instruct"


def test_status_shows_all_69_agents_and_the_pools(default_fleet: Fleet) -> None:
    status = json.loads(default_fleet.must("status", "--json"))
    agents = status["agents"]
    assert len(agents) == 69
    assert {"name", "temperature", "state", "instances", "port"} <= agents[0].keys()
    pools = {name: pool["declared"] for name, pool in status["pools"].items()}
    assert pools == {"hot": 20, "warm": 30, "cold": 19}
    hot = [agent for agent in agents if agent["temperature"] == "hot"]
    assert [agent["name"] for agent in hot if agent["state"] != "healthy"] == []
    assert all(agent["instances"][0]["pss"] > 0 for agent in hot)


def test_the_backlog_becomes_a_plan_work_products_and_review_notes(small_fleet: Fleet) -> None:
    """Its agents make few words, so that a run takes seconds."""
    works_through_the_backlog(small_fleet)


@pytest.mark.soak
def test_so_it_does_in_the_default_fleet(default_fleet: Fleet) -> None:
    works_through_the_backlog(default_fleet)


def works_through_the_backlog(fleet: Fleet) -> None:
    run = json.loads(fleet.must("run", "--json", timeout=350))
    assert run["state"] == "done", run
    folder = fleet.state / "artifacts" / run["id"]
    names = [artifact["name"] for artifact in run["artifacts"]]
    assert "plan.md" in names and "review-notes.md" in names
    assert sum(name.startswith("work/") for name in names) >= 2
    assert all(len((folder / name).read_text()) > 40 for name in names)


def test_a_warm_agent_wakes_when_it_is_asked(default_fleet: Fleet) -> None:
    warm = next(
        agent["name"]
        for agent in default_fleet.status()["agents"]
        if agent["temperature"] == "warm" and agent["state"] == "asleep"
    )
    question = {"input": "Say hello in five words.", "max_tokens": 12}
    answer = ask_control(default_fleet, "POST", f"/agents/{warm}/invoke", question)
    assert answer is not None and answer["output"].strip()
    assert default_fleet.agent(warm)["state"] == "healthy"


def test_an_agent_that_is_not_installed_says_what_to_install(default_fleet: Fleet) -> None:
    done = default_fleet.cli("ask", "aider", "hello")
    assert done.returncode == 6
    assert "aider" in done.stderr


def test_the_official_openai_client_chats_and_lists(default_fleet: Fleet) -> None:
    client = openai.OpenAI(base_url=f"{default_fleet.gateway}/v1", api_key="unused", max_retries=0)
    with client:
        assert MODEL in {model.id for model in client.models.list()}
        question: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Name a colour."}]
        answer = client.chat.completions.create(
            model=MODEL,
            messages=question,
            max_tokens=12,
        )
        assert answer.choices[0].message.content
        stream = client.chat.completions.create(
            model="fast",
            messages=question,
            max_tokens=12,
            stream=True,
        )
        pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
        assert "".join(pieces).strip()
        with pytest.raises(openai.NotFoundError, match="no-such-model"):
            client.chat.completions.create(
                model="no-such-model",
                messages=question,
            )


def test_the_official_ollama_client_chats_and_lists(default_fleet: Fleet) -> None:
    client = ollama.Client(host=default_fleet.gateway)
    assert MODEL in {str(model.model).removesuffix(":latest") for model in client.list().models}
    question = [{"role": "user", "content": "Name a fruit."}]
    options = {"num_predict": 12}
    assert client.chat(MODEL, question, options=options).message.content
    pieces = [
        part.message.content or ""
        for part in client.chat(MODEL, question, options=options, stream=True)
    ]
    assert "".join(pieces).strip()
    assert client.generate(MODEL, "Count to three.", options=options).response
    with pytest.raises(ollama.ResponseError, match="no-such-model"):
        client.chat("no-such-model", question)
    client._client.close()


def test_a_second_up_says_that_it_runs(default_fleet: Fleet) -> None:
    again = default_fleet.up()
    assert again.returncode == 0
    assert "run" in again.stdout


def test_at_rest_the_house_takes_little(default_fleet: Fleet) -> None:
    """Under 5 % of a core for everything, control under 180 MiB; figures are printed."""
    eventually(lambda: default_fleet.status()["llm"]["running"] == 0, 60, "the LLM is at rest")
    eventually(lambda: cores_used(default_fleet) < 0.05, 120, "all that was asked has calmed down")
    control = default_fleet.plane("control")["instances"][0]["pss"] / 1024**2
    print(f"control {control:.0f} MiB")
    assert control < 180


def cores_used(fleet: Fleet, seconds: float = 10.0) -> float:
    """Cores that a fleet's processes take in so many seconds."""
    before = {pid: cpu_seconds(pid) for pid in fleet.processes()}
    time.sleep(seconds)
    used = sum(max(0.0, cpu_seconds(pid) - before[pid]) for pid in before) / seconds
    print(f"at rest: {100 * used:.2f} % of a core")
    return used


def cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / 100
