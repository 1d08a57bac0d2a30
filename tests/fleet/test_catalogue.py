"""The built-in catalogue: every named agent is there, usable, and in its place."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter

import pytest

from sutazai.fleet import catalogue
from sutazai.fleet.declared import Priority
from sutazai.fleet.spec import Agent, Pool, Rank, Runtime, Temperature

PORTS = {
    "orchestration": {
        "agentzero-coordinator": 10300,
        "agent-orchestrator": 10301,
        "task-assignment-coordinator": 10302,
        "autonomous-system-controller": 10303,
        "bigagi-system-manager": 10304,
    },
    "ai-ml": {
        "deep-learning-brain-architect": 10320,
        "neural-architecture-search": 10321,
        "model-training-specialist": 10322,
        "transformers-migration-specialist": 10323,
        "gradient-compression-specialist": 10324,
        "knowledge-distillation-expert": 10325,
        "meta-learning-specialist": 10326,
        "reinforcement-learning-trainer": 10327,
        "federated-learning-coordinator": 10328,
        "synthetic-data-generator": 10329,
    },
    "development": {
        "senior-ai-engineer": 10350,
        "senior-backend-developer": 10351,
        "senior-frontend-developer": 10352,
        "senior-full-stack-developer": 10353,
        "gpt-engineer": 10354,
        "aider": 10355,
        "code-generation-improver": 10356,
        "opendevin-code-generator": 10357,
        "development-lead": 10465,
    },
    "infrastructure": {
        "infrastructure-devops-manager": 10380,
        "deployment-automation-master": 10381,
        "container-orchestrator-k3s": 10382,
        "cicd-pipeline-orchestrator": 10383,
        "hardware-resource-optimizer": 10384,
        "cpu-only-hardware-optimizer": 10385,
        "gpu-hardware-optimizer": 10386,
        "ram-hardware-optimizer": 10387,
    },
    "security": {
        "kali-security-specialist": 10400,
        "pentestgpt": 10401,
        "semgrep-security-analyzer": 10402,
        "container-vulnerability-scanner-trivy": 10403,
        "secrets-vault-manager-vault": 10404,
        "honeypot-deployment-agent": 10405,
        "adversarial-attack-detector": 10406,
        "prompt-injection-guard": 10407,
        "security-lead": 10466,
    },
    "monitoring": {
        "system-performance-forecaster": 10420,
        "observability-monitoring-engineer": 10421,
        "metrics-collector-prometheus": 10422,
        "log-aggregator-loki": 10423,
        "distributed-tracing-analyzer-jaeger": 10424,
        "health-monitor": 10425,
        "resource-visualiser": 10426,
        "cognitive-load-monitor": 10427,
    },
    "specialised": {
        "autogpt": 10440,
        "crewai": 10441,
        "letta": 10442,
        "langflow-workflow-designer": 10443,
        "flowise": 10444,
        "n8n": 10445,
        "dify": 10446,
        "browser-use": 10447,
        "skyvern": 10448,
        "finrobot": 10449,
        "documind": 10450,
        "context-framework": 10451,
        "llamaindex": 10452,
        "tabbyml": 10453,
        "specialists-lead": 10467,
    },
    "workflow": {
        "planner": 10460,
        "executor": 10461,
        "reviewer": 10462,
        "diagnostic": 10463,
        "communication": 10464,
    },
}
PRODUCTS_OF_OTHERS = {
    "aider",
    "autogpt",
    "browser-use",
    "crewai",
    "dify",
    "finrobot",
    "flowise",
    "gpt-engineer",
    "langflow-workflow-designer",
    "letta",
    "n8n",
    "opendevin-code-generator",
    "pentestgpt",
    "skyvern",
    "tabbyml",
}
TOOL_WRAPPERS = {
    "container-vulnerability-scanner-trivy": "trivy",
    "honeypot-deployment-agent": "cowrie",
    "kali-security-specialist": "nmap",
    "secrets-vault-manager-vault": "vault",
    "semgrep-security-analyzer": "semgrep",
}
CRITICAL = {
    "agentzero-coordinator",
    "deployment-automation-master",
    "health-monitor",
    "system-performance-forecaster",
}
LEADS = {
    "ai-ml": "deep-learning-brain-architect",
    "development": "development-lead",
    "infrastructure": "infrastructure-devops-manager",
    "security": "security-lead",
    "monitoring": "observability-monitoring-engineer",
    "specialised": "specialists-lead",
    "workflow": "planner",
}
AGENTS = {name: Agent.model_validate(value) for name, value in catalogue.agents().items()}
WITH_PROMPT = sorted(AGENTS.keys() - PRODUCTS_OF_OTHERS)


def named(**fields: object) -> set[str]:
    """The agents whose fields have these values."""
    return {
        name
        for name, agent in AGENTS.items()
        if all(getattr(agent, field) == value for field, value in fields.items())
    }


def test_the_69_agents_are_there_in_their_groups_on_their_ports() -> None:
    found: dict[str, dict[str, int | None]] = {group: {} for group in PORTS}
    for name, agent in AGENTS.items():
        found[agent.group][name] = agent.port
    assert found == PORTS
    assert len(AGENTS) == 69


def test_groups_list_their_members_in_the_order_of_the_files() -> None:
    assert catalogue.groups() == {group: tuple(members) for group, members in PORTS.items()}


def test_ports_are_unique_and_leave_the_runtime_pools_alone() -> None:
    ports = Counter(agent.port for agent in AGENTS.values())
    assert set(ports.values()) == {1}
    assert all(port is not None and 10300 <= port <= 10499 for port in ports)


def test_twenty_are_hot_thirty_warm_and_nineteen_cold() -> None:
    counts = Counter(agent.temperature for agent in AGENTS.values())
    assert counts == {Temperature.HOT: 20, Temperature.WARM: 30, Temperature.COLD: 19}
    assert named(rank=Rank.ORCHESTRATOR) | named(rank=Rank.LEAD) <= named(temperature="hot")
    assert set(PORTS["workflow"]) | CRITICAL <= named(temperature="hot")


def test_every_group_has_one_lead_and_every_worker_reports_to_it() -> None:
    assert named(rank=Rank.LEAD) == set(LEADS.values())
    assert named(rank=Rank.ORCHESTRATOR) == set(PORTS["orchestration"])
    for agent in AGENTS.values():
        reports_to = LEADS[agent.group] if agent.rank is Rank.WORKER else None
        assert agent.lead == reports_to
    assert all(AGENTS[lead].group == group for group, lead in LEADS.items())


def test_the_critical_pool_has_its_four_members_and_they_come_first() -> None:
    assert named(pool=Pool.CRITICAL) == CRITICAL == named(priority=Priority.HIGH)
    assert named(pool=Pool.MONITORING) == set(PORTS["monitoring"]) - CRITICAL
    assert all(AGENTS[name].memory == "standard" for name in CRITICAL)


def test_products_of_others_are_started_as_themselves_and_stay_cold() -> None:
    for name in PRODUCTS_OF_OTHERS:
        agent = AGENTS[name]
        assert agent.runtime in (Runtime.COMMAND, Runtime.CONTAINER)
        assert agent.temperature is Temperature.COLD
        assert "Install" in agent.description
    others = AGENTS.keys() - PRODUCTS_OF_OTHERS
    assert {AGENTS[name].runtime for name in others} == {Runtime.PYTHON}


def test_tool_wrappers_name_their_tool_and_how_to_install_it() -> None:
    for name, tool in TOOL_WRAPPERS.items():
        agent = AGENTS[name]
        assert agent.class_ == "sutazai.agent.tool:ToolAgent"
        assert agent.options["tool"] == tool
        assert agent.options["install"]
    assert {name for name, agent in AGENTS.items() if agent.class_} == set(TOOL_WRAPPERS)
    assert AGENTS["kali-security-specialist"].options["targets"] == "private"


@pytest.mark.parametrize("name", WITH_PROMPT)
def test_a_prompt_says_what_comes_in_and_what_goes_out(name: str) -> None:
    prompt = AGENTS[name].prompt
    assert 80 <= len(prompt.split()) <= 260
    assert prompt.startswith("You ")
    assert "\nInput" in prompt
    assert re.search(r"^(Answer|If JSON is asked for, answer) ", prompt, re.MULTILINE)
    assert len(prompt) <= 1800, "600 tokens at three characters each, beside input and answer"


def test_no_two_prompts_or_descriptions_are_alike() -> None:
    prompts = [AGENTS[name].prompt for name in WITH_PROMPT]
    descriptions = [agent.description for agent in AGENTS.values()]
    assert len(set(prompts)) == len(prompts)
    assert len(set(descriptions)) == len(descriptions)


def test_prompts_hand_on_to_agents_that_exist() -> None:
    like_an_agent = re.compile(r"\b(?:[a-z0-9]+(?:-[a-z0-9]+){2,}|[a-z]+-lead)\b")
    for name in WITH_PROMPT:
        mentioned = set(like_an_agent.findall(AGENTS[name].prompt))
        assert mentioned <= AGENTS.keys(), name


def test_every_agent_has_one_line_of_description_and_two_to_four_capabilities() -> None:
    for name, agent in AGENTS.items():
        assert 20 <= len(agent.description) <= 120, name
        assert "\n" not in agent.description
        assert 2 <= len(set(agent.capabilities)) == len(agent.capabilities) <= 4, name
        assert agent.tier in ("fast", "standard", "complex")


def test_role_agents_are_asked_with_a_calm_temperature() -> None:
    assert all(0.3 <= AGENTS[name].sampling.temperature <= 0.5 for name in WITH_PROMPT)


def test_nothing_in_it_names_a_place_on_a_machine_or_in_the_net() -> None:
    text = str(catalogue.agents())
    assert not re.search(r"/(home|work|root|Users|usr|opt|tmp)\b|https?://", text)


def test_what_a_caller_changes_stays_its_own() -> None:
    catalogue.agents()["planner"]["capabilities"].clear()
    assert catalogue.agents()["planner"]["capabilities"]


def test_nothing_is_read_before_it_is_asked_for() -> None:
    program = "from sutazai.fleet import catalogue; print(catalogue._agents.cache_info().misses)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip() == "0"
