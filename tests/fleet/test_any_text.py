"""Whatever a file holds, it gives a fleet or a BadFleet, and never anything else."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sutazai.fleet.checks import check_fleet
from sutazai.fleet.errors import BadFleet
from sutazai.fleet.fit import Machine
from sutazai.fleet.hierarchy import Hierarchy
from sutazai.fleet.load import parse
from sutazai.fleet.order import cycles, dependencies
from sutazai.fleet.profiles import profile_text
from sutazai.fleet.spec import Agent, Fleet, Service
from tests.examples import tried
from tests.fleet.fleets import CATALOGUE

YAML_BITS = st.sampled_from(
    [
        *":-?,[]{}#&*!|>'\"%@`~ \n\t\r",
        *(
            "  ",
            "\n  ",
            ": ",
            "- ",
            "? ",
            "<<: ",
            "*a",
            "&a ",
            "---\n",
            "...\n",
            "!!int ",
            "\\x",
            "\0",
        ),
        *(
            "name: x\n",
            "agents:\n",
            "  a: ",
            "{",
            "}",
            "null",
            ".inf",
            "0x",
            "1e9",
            "\ud800",
            "é",
            "😀",
        ),
    ]
)
_KEYS = sorted(
    {
        field.alias or name
        for model in (Fleet, Agent, Service)
        for name, field in model.model_fields.items()
    }
    | {
        "a",
        "b-c",
        "worker",
        "chief",
        "queue",
        "path",
        "interval",
        "url",
        "slots",
        "pools",
        "Bad",
        "",
    }
)
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["a", "worker", "all", "none", "hot", "remote", "command", "container", "lead"]
    ),
    st.sampled_from(["512MiB", "30s", "0s", "m:C", "${X}", "http://[", "http://127.0.0.1:10104"]),
    st.sampled_from(["9" * 400 + "B", "9" * 400 + "s"]),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(_KEYS), inner, max_size=4)
    ),
    max_leaves=12,
)
_FLEETS = st.dictionaries(st.sampled_from(_KEYS), _VALUES, max_size=5)


def _gives_a_fleet_or_says_why_not(text: str) -> None:
    try:
        loaded = parse(text, file="f.yaml", catalogue=CATALOGUE)
    except BadFleet as error:
        _is_in_order(text, error)
        return
    assert isinstance(loaded.fleet, Fleet)
    check_fleet(loaded.fleet, Machine(2**30, 1), loaded.positions)
    cycles(dependencies(loaded.fleet))
    assert Fleet.model_validate_json(loaded.fleet.model_dump_json(by_alias=True))
    assert Hierarchy.of(loaded.fleet).members.keys() == loaded.fleet.agents.keys()


def _is_in_order(text: str, error: BadFleet) -> None:
    assert str(error).startswith("f.yaml:")
    assert json.dumps(error.as_dict())
    lines = text.count("\n") + text.count("\r") + text.count("\x85") + 2
    for problem in error.data["problems"]:
        assert problem["message"].isprintable()
        assert (problem["hint"] or "").isprintable()
        assert 1 <= problem["line"] <= lines + text.count("\u2028") + text.count("\u2029")
        assert problem["column"] >= 1


@settings(max_examples=200, deadline=None)
@given(text=st.one_of(st.text(max_size=60), st.lists(YAML_BITS, max_size=25).map("".join)))
def test_any_text(text: str) -> None:
    _gives_a_fleet_or_says_why_not(text)


@tried(60, 2000, data=_FLEETS)
def test_any_data(data: dict[str, Any]) -> None:
    _gives_a_fleet_or_says_why_not(json.dumps({"name": "x", **data}))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    at=st.integers(0, 5000),
    cut=st.integers(0, 20),
    put=st.lists(YAML_BITS, max_size=4).map("".join),
)
def test_a_good_file_with_anything_cut_out_or_put_in(at: int, cut: int, put: str) -> None:
    text = profile_text("c")
    at %= len(text)

    _gives_a_fleet_or_says_why_not(text[:at] + put + text[at + cut :])
