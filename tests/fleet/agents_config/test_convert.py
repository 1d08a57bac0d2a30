"""An old `agents.config.json` becomes a fleet file, and nothing is lost in silence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sutazai.fleet.agents_config import convert, is_agents_config
from sutazai.fleet.compose.convert import Imported
from sutazai.fleet.errors import BadFleet
from sutazai.fleet.load import load_fleet
from sutazai.fleet.spec import Fleet, Runtime

CONFIG = Path(__file__).with_name("agents.config.json").read_text()
FILE = "agents.config.json"


def converted(text: str = CONFIG) -> Imported:
    return convert(text, file=FILE, project="folder")


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    path = tmp_path / "fleet.yaml"
    path.write_text(converted().text)
    return load_fleet(path)


def test_it_is_known_by_its_content() -> None:
    assert is_agents_config(CONFIG)
    assert not is_agents_config('{"services": {"agents": {}}, "agents": []}')
    assert not is_agents_config("services:\n  agents: {image: x}\n")
    assert not is_agents_config("{ no json")


def test_agents_fetch_their_tasks_and_keep_ports_and_models(fleet: Fleet) -> None:
    assert set(fleet.agents) == {"planner", "code-writer", "reviewer"}
    coder = fleet.agents["code-writer"]
    assert (coder.runtime, coder.command) == (Runtime.COMMAND, ("python3", "agents/coder.py"))
    assert (coder.pull, coder.port, coder.tier) == (True, 10461, "deepseek-coder")
    assert (coder.sampling.temperature, coder.depends_on) == (0.5, ("planner",))
    planner = fleet.agents["planner"]
    assert (planner.command[0], planner.tier, planner.sampling.temperature) == (
        "node",
        "standard",
        0.3,
    )


def test_providers_become_backends_and_models_tiers_with_their_fallbacks(fleet: Fleet) -> None:
    assert set(fleet.backends) == {"ollama", "github", "azure"}
    ollama = fleet.backends["ollama"]
    assert (ollama.url, ollama.slots) == ("http://127.0.0.1:11434", 2)
    assert ollama.models["deepseek-coder"].context == 16384
    assert fleet.backends["github"].api_key == "${GITHUB_TOKEN}"
    standard = fleet.tiers["standard"]
    assert (standard.model, standard.backends) == ("phi3.5", ("ollama",))
    assert standard.fallback == ("gpt-4o-mini", "gpt-4o")
    assert converted().variables == ("AZURE_KEY", "GITHUB_TOKEN")


def test_edges_become_the_steps_of_a_workflow(fleet: Fleet) -> None:
    steps = fleet.workflows["main"].steps
    assert [step.name for step in steps] == ["planner", "code-writer", "reviewer"]
    assert [step.artifact for step in steps] == ["plan.md", "patch.diff", None]
    assert steps[1].input == {"goal": "${input}", "planner": "${steps.planner.output}"}


def test_the_rest_of_the_settings_has_its_place(fleet: Fleet) -> None:
    assert (fleet.name, fleet.description) == ("shop-floor", "Agents of the shop")
    assert (fleet.tasks.concurrency, fleet.tasks.keep) == (3, 14 * 86_400.0)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (2, "`owner` is not carried over"),
        (16, "`url` of backend `azure` needs what stood in AZURE_ENDPOINT and AZURE_DEPLOYMENT"),
        (25, "`tools` is kept as a comment"),
        (29, "it requires redis, which is no agent of this file"),
        (31, "port 10461 is `Code_Writer`'s already"),
        (31, "`models` has no `llama9`"),
        (32, "`ghost` is left out: it has no `entryPoint`"),
        (37, "the way back from `reviewer` to `code-writer` is left out"),
        (38, "the edge from `reviewer` to `nobody` is left out"),
        (40, "`logLevel` is not carried over"),
    ],
)
def test_what_cannot_be_carried_over_is_told_with_its_place(line: int, told: str) -> None:
    messages = [(one.line, one.message) for one in converted().findings]
    assert any(told in message for _, message in messages), messages
    assert any(told in message and at == line for at, message in messages), messages


def test_models_may_stand_in_lists(tmp_path: Path) -> None:
    config = {
        "agents": {"solo": {"entryPoint": "solo:Agent", "defaultModel": "gemma2"}},
        "models": {"ollama": {"models": ["phi3.5", {"name": "gemma2", "temperature": 0.4}]}},
    }
    path = tmp_path / "fleet.yaml"
    path.write_text(converted(json.dumps(config)).text)
    fleet = load_fleet(path)
    assert fleet.tiers["gemma2"].model == "gemma2"
    assert (fleet.agents["solo"].class_, fleet.agents["solo"].tier) == ("solo:Agent", "gemma2")


def test_what_lists_no_agents_is_refused_with_its_place() -> None:
    with pytest.raises(BadFleet, match="must be a list of agents"):
        converted('{"agents": 7}')
