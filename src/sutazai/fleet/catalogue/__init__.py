"""The built-in catalogue: the 69 named agents, one file per group.

Belongs here: what the product ships as agents, and reading it.
Does not belong here: choosing among them and laying a fleet file over them; that is the fleet
file's loader.

A file is named after its group and holds ``agents``, by name, and the ``lead`` to whom its
workers report. Everything else stands in it as in a fleet file.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from importlib.resources import files
from typing import Any

from ruamel.yaml import YAML

GROUPS = (
    "orchestration",
    "ai-ml",
    "development",
    "infrastructure",
    "security",
    "monitoring",
    "specialised",
    "workflow",
)
"""The groups in the order of their ports; each is a file beside this one."""


def agents() -> dict[str, dict[str, Any]]:
    """Every agent by name, each as the fleet file would declare it (see ``fleet.spec.Agent``).

    The files are read on the first call. What is returned is the caller's own copy.
    """
    return deepcopy(_agents())


def groups() -> dict[str, tuple[str, ...]]:
    """The names of the agents of each group."""
    members: dict[str, tuple[str, ...]] = dict.fromkeys(GROUPS, ())
    for name, agent in _agents().items():
        members[agent["group"]] += (name,)
    return members


@cache
def _agents() -> dict[str, dict[str, Any]]:
    return dict(agent for group in GROUPS for agent in _read(group))


def _read(group: str) -> Iterator[tuple[str, dict[str, Any]]]:
    text = (files(__name__) / f"{group}.yaml").read_text(encoding="utf-8")
    content = YAML(typ="safe", pure=True).load(text)
    for name, declared in content["agents"].items():
        worker = {} if "rank" in declared else {"lead": content["lead"]}
        yield name, {"group": group, **worker, **declared}
