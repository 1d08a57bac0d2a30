"""What is done to a fleet on purpose, to see that it bears it: declared in a file, or drawn by lot.

Pure: a plan says what happens when; who is hit among those that run then is drawn with the same
seed.
"""

from __future__ import annotations

import json
from random import Random
from typing import Annotated, Literal

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from sutazai.fleet.declared import Interval, Spec
from sutazai.fleet.document import read_document
from sutazai.fleet.explain import explain, kind_of
from sutazai.fleet.problems import bad_fleet
from sutazai.fleet.units import Duration, Size

AGENTS = "agents"
"""Stands for instances of agents, drawn by lot."""

PLANES = ("gateway", "control", "llm", "host")

FIRST = 2.0
"""Seconds before the first thing that is drawn happens."""

PAUSES = (3.0, 8.0)
"""The shortest and the longest time from one drawn thing to the next, in seconds."""


class Act(Spec):
    """Something that is done ``at`` a time after the start."""

    at: Duration


class Kill(Act):
    """SIGKILL: to ``count`` instances of agents, or to all processes of one unit or plane."""

    do: Literal["kill"]
    what: str = AGENTS
    count: int = Field(1, ge=1, le=1000)


class Freeze(Act):
    """SIGSTOP for a time."""

    do: Literal["freeze"]
    what: str = AGENTS
    count: int = Field(1, ge=1, le=1000)
    lasts: Interval = Field(3.0, alias="for")


class Memory(Act):
    """A program beside the fleet takes memory; without a size, a quarter of what is free."""

    do: Literal["memory"]
    size: Size | None = None
    lasts: Interval = Field(5.0, alias="for")


class Cpu(Act):
    """Programs beside the fleet burn cores."""

    do: Literal["cpu"]
    cores: int = Field(2, ge=1, le=1024)
    lasts: Interval = Field(5.0, alias="for")


class Connections(Act):
    """The gateway cuts a share of the requests that come, and delays all of them."""

    do: Literal["connections"]
    drop: float = Field(0.0, ge=0, le=1)
    delay: Duration = 0.0
    lasts: Interval = Field(5.0, alias="for")


Action = Annotated[Kill | Freeze | Memory | Cpu | Connections, Field(discriminator="do")]


class Chaos(Spec):
    """A chaos file: what is done within a time, while tasks are given to the fleet's agents."""

    seed: int = 0
    lasts: Interval = Field(60.0, alias="for")
    tasks_per_minute: int = Field(20, ge=0, le=6000)
    actions: tuple[Action, ...] = ()


def parse_chaos(text: str, *, file: str) -> Chaos:
    """The chaos that ``text`` declares. Raises BadFleet with the place of every mistake."""
    document = read_document(text, file)
    if not isinstance(document.data, dict):
        message = f"a chaos file must be keys with values, not {kind_of(document.data)}"
        raise bad_fleet([document.positions.problem((), message, hint="begin with `for: 60s`")])
    try:
        found = Chaos.model_validate_json(json.dumps(document.data), strict=True, by_name=False)
    except ValidationError as error:
        errors = map(_in_place, error.errors(include_url=False))
        problems = explain(errors, document.positions, root=Chaos)
        raise bad_fleet([*document.problems, *problems]) from error
    if document.problems:
        raise bad_fleet(list(document.problems))
    return found


def _in_place(error: ErrorDetails) -> ErrorDetails:
    """An error without the kind of action, which pydantic puts between its number and its key."""
    place = error["loc"]
    if len(place) > 2 and place[0] == "actions":
        error["loc"] = (*place[:2], *place[3:])
    return error


def random_chaos(seed: int, seconds: float) -> Chaos:
    """Things drawn by lot for ``seconds``; the same for the same seed."""
    chance = Random(seed)  # noqa: S311 (no secret)
    actions = []
    at = FIRST
    while at < seconds:
        lasts = min(chance.uniform(1.0, 4.0), seconds - at)
        actions.append({"at": _in_file(at), **_drawn(chance, _in_file(lasts))})
        at += chance.uniform(*PAUSES)
    return Chaos.model_validate({"seed": seed, "for": _in_file(seconds), "actions": actions})


def _drawn(chance: Random, lasts: str) -> dict[str, object]:
    """One action as a file would say it."""
    kind = chance.choices(
        ("kill", "freeze", "memory", "cpu", "connections"), weights=(8, 3, 1, 1, 2)
    )[0]
    more: dict[str, object] = {"for": lasts}
    if kind == "kill":
        what = chance.choice((AGENTS, AGENTS, AGENTS, *PLANES))
        more = {"what": what, "count": chance.randint(1, 3)}
    elif kind == "freeze":
        more["what"] = chance.choice((AGENTS, AGENTS, "gateway", "control", "llm"))
    elif kind == "connections":
        more |= {"drop": 0.2, "delay": "200ms"}
    return {"do": kind, **more}


def _in_file(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"
