"""Whatever a Compose file holds, it gives a fleet that `check` accepts, or says why not."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sutazai.fleet.compose import BadCompose, convert, grouped
from sutazai.fleet.compose.interpolation import as_references, with_defaults
from sutazai.fleet.compose.ports import PORT_MAX, parse_port
from sutazai.fleet.compose.quantities import (
    duration_text,
    parse_bytes,
    parse_cores,
    parse_count,
    parse_seconds,
    size_text,
)
from sutazai.fleet.compose.secrecy import without_secrets
from sutazai.fleet.compose.volumes import parse_volume
from sutazai.fleet.compose.writing import scalar_text
from sutazai.fleet.document import read_document
from sutazai.fleet.secrets import resolve_secret
from sutazai.fleet.units import parse_duration, parse_size
from tests.examples import tried
from tests.fleet.compose.imports import STACK, fleet_of

BITS = st.sampled_from(
    [
        *"$${}:-?+/.,=@ '\"\\\n#",
        *("${", "}", ":-", "A", "B_1", "http://", "ollama", "redis", "80", "8080", "/tcp", "file:"),
        *("--password", "x", "é", "\0", "\x7f", "😀", "{port}", "1.5", "g", "m", "30s", "[::1]"),
    ]
)
TEXTS = st.one_of(st.text(max_size=12), st.lists(BITS, max_size=12).map("".join))
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(allow_nan=False), TEXTS
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
ENTRIES = {
    "environment": st.one_of(st.dictionaries(TEXTS, SCALARS, max_size=4), st.lists(TEXTS)),
    "ports": st.lists(VALUES, max_size=3),
    "volumes": st.lists(VALUES, max_size=3),
    "command": st.one_of(TEXTS, st.lists(SCALARS, max_size=4)),
    "entrypoint": st.one_of(TEXTS, st.lists(SCALARS, max_size=4)),
    "depends_on": st.lists(st.sampled_from(["a", "Ollama", "data-agent"]), max_size=2),
    "healthcheck": st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("test", "interval", "retries", "start_period"), VALUES)
    ),
    "deploy": st.fixed_dictionaries(
        {},
        optional={
            "replicas": SCALARS,
            "resources": st.fixed_dictionaries(
                {"limits": st.fixed_dictionaries({}, optional={"memory": SCALARS, "cpus": SCALARS})}
            ),
        },
    ),
    "mem_limit": SCALARS,
    "cpus": SCALARS,
    "scale": SCALARS,
    "restart": SCALARS,
    "profiles": st.lists(SCALARS, max_size=2),
    "stop_grace_period": SCALARS,
    "labels": st.one_of(st.lists(VALUES, max_size=2), st.dictionaries(TEXTS, SCALARS, max_size=2)),
    "networks": st.dictionaries(TEXTS, VALUES, max_size=2),
    "container_name": VALUES,
    "build": st.one_of(TEXTS, st.dictionaries(TEXTS, VALUES, max_size=2)),
    "extends": st.sampled_from(["a", "Ollama", "data-agent"]),
    "x-other": VALUES,
}
SERVICES = st.dictionaries(
    st.one_of(st.sampled_from(["a", "Ollama", "data-agent", "web"]), TEXTS),
    st.fixed_dictionaries({"image": TEXTS}, optional=ENTRIES),
    min_size=1,
    max_size=4,
)


def _gives_a_fleet_or_says_why_not(text: str) -> None:
    try:
        result = convert(text, file="c.yml", project="x")
    except BadCompose as error:
        _is_in_order(error)
        return
    fleet = fleet_of(result)
    assert {*fleet.agents} == {*result.agents} and {*fleet.services} == {*result.services}
    assert all(one.line >= 1 for one in result.findings)
    assert all(f"{one.message}{one.hint}".isprintable() for one in result.findings)
    assert len(grouped(result.findings)) <= len(result.findings)


def _is_in_order(error: BadCompose) -> None:
    assert error.exit_code == 2
    assert json.dumps(error.as_dict())
    assert all(one["line"] >= 1 and one["column"] >= 1 for one in error.data["problems"])


@tried(50, 2000, services=SERVICES)
def test_any_services(services: dict[str, Any]) -> None:
    _gives_a_fleet_or_says_why_not(json.dumps({"services": services}))


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 10_000), cut=st.integers(0, 20), put=TEXTS)
def test_a_good_file_with_anything_cut_out_or_put_in(at: int, cut: int, put: str) -> None:
    text = STACK.read_text()
    at %= len(text)

    _gives_a_fleet_or_says_why_not(text[:at] + put + text[at + cut :])


@given(text=TEXTS)
def test_any_variables(text: str) -> None:
    try:
        written = as_references(text)
    except ValueError:
        return
    environ = dict.fromkeys(written.variables, "set")
    if not written.text.startswith("file:"):
        assert isinstance(resolve_secret(written.text, environ, Path()), str)
    assert with_defaults(text).text is not None


@given(text=st.text(alphabet="a$ {", max_size=12).filter(lambda text: "${" not in text))
def test_a_text_without_variables_means_itself(text: str) -> None:
    escaped = text.replace("$", "$$")

    assert resolve_secret(as_references(escaped).text, {}, Path()) == text


@given(value=VALUES)
def test_any_port_volume_or_amount(value: Any) -> None:
    for parse in (parse_port, parse_volume, parse_bytes, parse_seconds, parse_cores, parse_count):
        with suppress(ValueError):
            assert parse(value) is not None


@given(first=st.integers(1, PORT_MAX), second=st.integers(1, PORT_MAX))
def test_two_ports_are_told_apart(first: int, second: int) -> None:
    port = parse_port(f"{first}:{second}")

    assert (port.published, port.target, port.count) == (first, second, 1)


@given(size=st.integers(0, 2**45), seconds=st.floats(0, 1e6))
def test_what_is_written_is_read_the_same_by_a_fleet(size: int, seconds: float) -> None:
    assert parse_size(size_text(size)) == size
    assert abs(parse_duration(duration_text(seconds)) - seconds) <= 0.0006


@given(words=st.lists(TEXTS.filter(lambda text: "\0" not in text)))
def test_arguments_stay_as_many(words: list[str]) -> None:
    assert len(without_secrets(words, lambda what, secret: "V")) == len(words)


@given(value=st.one_of(st.booleans(), st.integers(-(10**15), 10**15), st.text()))
def test_yaml_reads_what_was_written(value: bool | int | str) -> None:
    assert read_document(f"key: {scalar_text(value)}\n", "f").data["key"] == value
