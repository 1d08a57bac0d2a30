"""Agents whose instructions have nothing in common, and what each of them asks."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass

SYSTEM_TOKENS = 350
"""Of each agent's instructions, about."""

REQUEST_TOKENS = 45
"""Of a question with its answer, and of the frame around them, about."""

ANSWER_TOKENS = 16

_RULES = 26
_ROLES = (
    "planner", "reviewer", "librarian", "translator", "auditor", "gardener", "cartographer",
    "archivist", "tutor", "dispatcher", "chemist", "editor", "broker", "surveyor", "navigator",
)  # fmt: skip
_VERBS = (
    "check", "collect", "compare", "describe", "explain", "measure", "name", "order", "question",
    "record", "repeat", "report", "sort", "summarise", "test", "translate", "verify", "weigh",
)  # fmt: skip
_THINGS = (
    "every bill", "the open tickets", "all older maps", "the weather notes", "the kitchen stock",
    "the night shifts", "each contract", "the source files", "unpaid orders", "the test results",
    "the visitors' letters", "the tide tables", "train delays", "the greenhouse logs",
)  # fmt: skip
_TIMES = (
    "before noon", "after each meeting", "twice a week", "when nobody asks", "on request only",
    "as soon as you can", "at the end of a month", "while others wait", "once it is certain",
)  # fmt: skip
_WAYS = (
    "in plain words", "without a table", "with two examples", "in one line", "by name", "politely",
    "with the numbers", "and say why", "from memory", "with care", "in the order of their age",
)  # fmt: skip


@dataclass(frozen=True)
class Agent:
    """``secret`` is its key at the gateway."""

    name: str
    secret: str
    system: str


@dataclass(frozen=True)
class Request:
    agent: Agent
    body: bytes


def fleet(agents: int) -> list[Agent]:
    """The same each time."""
    return [_agent(number) for number in range(agents)]


def requests(agents: list[Agent], each: int) -> list[Request]:
    """``each`` different questions of every agent, in an order that is random and always the
    same."""
    found = [_request(agent, number, ANSWER_TOKENS) for agent in agents for number in range(each)]
    random.Random(4).shuffle(found)
    return found


def greetings(agents: list[Agent]) -> list[Request]:
    """One question of every agent of which hardly more is computed than the prompt."""
    return [_request(agent, -1, 1) for agent in agents]


def _agent(number: int) -> Agent:
    chance = random.Random(number)
    name = f"a{number:02}"
    rules = (
        f"{chance.choice(_VERBS).capitalize()} {chance.choice(_THINGS)} {chance.choice(_TIMES)},"
        f" {chance.choice(_WAYS)}."
        for _ in range(_RULES)
    )
    system = f"{name} is your name, {chance.choice(_ROLES)} your work. {' '.join(rules)}"
    return Agent(name, f"{name}-0123456789abcdef0123456789abcdef", system)


def _request(agent: Agent, number: int, tokens: int) -> Request:
    chance = random.Random(f"{agent.name} {number}")
    question = f"Question {number + 2}: {chance.choice(_VERBS)} {chance.choice(_THINGS)}?"
    value: Mapping[str, object] = {
        "model": "standard",
        "messages": [
            {"role": "system", "content": agent.system},
            {"role": "user", "content": question},
        ],
        "max_tokens": tokens,
        "ignore_eos": True,  # so that all answers have one length
        "temperature": 0.8,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    return Request(agent, json.dumps(value).encode())
