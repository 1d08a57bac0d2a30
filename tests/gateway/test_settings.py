"""What an Ollama has otherwise than the fleet counts on, whoever started it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sutazai.fleet.declared import Dialect
from sutazai.fleet.routes import BackendRoute, PinnedRoute
from sutazai.gateway.backends.pins import EVERY_MODEL
from sutazai.gateway.backends.settings import (
    UNSET,
    Difference,
    Observed,
    compare,
    differences,
    listener_environment,
    observe,
)
from sutazai.gateway.backends.state import BackendState
from sutazai.gateway.dialects.neutral import Model
from sutazai.wire import Client
from tests.gateway.fake_ollama import MODEL, installed

GOOD = {
    "OLLAMA_NUM_PARALLEL": "2",
    "OLLAMA_MAX_LOADED_MODELS": "1",
    "OLLAMA_CONTEXT_LENGTH": "8192",
    "OLLAMA_KEEP_ALIVE": "30m",
}


def wanted(**more: Any) -> BackendRoute:
    """A backend as the fleet starts it."""
    pin = PinnedRoute(context=8192, keep_alive=1800.0)
    values = {"slots": 2, "loaded_models": 1, "models": {EVERY_MODEL: pin}, **more}
    return BackendRoute(name="o", address="http://x", dialect=Dialect.OLLAMA, **values)


def observed(environment: Mapping[str, str] | None = None, **more: Any) -> Observed:
    return Observed(**{"version": "0.12.0", "environment": environment, **more})


def test_what_is_as_it_should_be_is_no_difference() -> None:
    assert compare(wanted(), observed(GOOD, contexts={"m": 8192})) == ()


def test_what_cannot_be_known_is_no_difference() -> None:
    assert compare(wanted(), Observed()) == ()


def test_what_nobody_asked_for_is_no_difference() -> None:
    anything = wanted(slots=None, loaded_models=None, models={})

    assert compare(anything, observed({}, contexts={"m": 2048}, version="0.1.0")) == ()


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"OLLAMA_NUM_PARALLEL": "4"}, ("OLLAMA_NUM_PARALLEL", "2", "4")),
        ({"OLLAMA_NUM_PARALLEL": ""}, ("OLLAMA_NUM_PARALLEL", "2", UNSET)),
        ({"OLLAMA_NUM_PARALLEL": "many"}, ("OLLAMA_NUM_PARALLEL", "2", "many")),
        ({"OLLAMA_MAX_LOADED_MODELS": "0"}, ("OLLAMA_MAX_LOADED_MODELS", "1", "0")),
        ({"OLLAMA_CONTEXT_LENGTH": "4096"}, ("OLLAMA_CONTEXT_LENGTH", "8192", "4096")),
        ({"OLLAMA_KEEP_ALIVE": "5m"}, ("OLLAMA_KEEP_ALIVE", "30m", "5m")),
        ({"OLLAMA_KEEP_ALIVE": "-1"}, ("OLLAMA_KEEP_ALIVE", "30m", "-1")),
    ],
)
def test_each_difference_is_told(changed: dict[str, str], difference: tuple[str, str, str]) -> None:
    assert compare(wanted(), observed({**GOOD, **changed})) == (Difference(*difference),)


@pytest.mark.parametrize("text", ["1800", "30m", "30m0s", "0h30m", " '1800s' "])
def test_a_duration_is_the_same_however_it_is_written(text: str) -> None:
    assert compare(wanted(), observed({**GOOD, "OLLAMA_KEEP_ALIVE": text})) == ()


def test_a_model_is_compared_with_its_own_pin_first() -> None:
    models = {"llama3.2": PinnedRoute(context=4096), EVERY_MODEL: PinnedRoute(context=8192)}
    loaded = {"llama3.2:latest": 4096, "qwen3:8b": 2048}

    (difference,) = compare(wanted(models=models), observed(contexts=loaded))

    assert difference == Difference("context of qwen3:8b", "8192", "2048")


def test_a_model_that_cannot_have_so_much_context_is_as_it_should_be() -> None:
    bert = observed(contexts={"bert": 512}, longest={"bert": 512})

    assert compare(wanted(), bert) == ()


def test_a_version_that_does_not_tell_contexts_is_told() -> None:
    (difference,) = compare(wanted(), observed(version="0.9.6"))

    assert (difference.name, difference.actual) == ("version", "0.9.6")
    assert difference.wanted.startswith("0.10.0")


@contextmanager
def ollama(folder: Path, **environment: str) -> Iterator[int]:
    """An Ollama in a process of its own; gives its port."""
    process = subprocess.Popen(
        [installed(folder), "serve"],
        env={"OLLAMA_HOST": "127.0.0.1:0", **environment},
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline().split()[-1])
        finally:
            process.kill()


async def test_an_ollama_that_somebody_started_is_looked_at(client: Client, tmp_path: Path) -> None:
    with ollama(tmp_path, OLLAMA_NUM_PARALLEL="4", OLLAMA_CONTEXT_LENGTH="2048") as port:
        route = wanted(loaded_models=None, models={EVERY_MODEL: PinnedRoute(context=8192)})
        route = route.model_copy(update={"address": f"http://localhost:{port}"})

        found = await observe(client, BackendState(route, loaded={MODEL: 2048}))

    assert (found.version, found.parallel, found.contexts) == ("0.12.0", 4, {MODEL: 2048})
    assert compare(route, found) == (
        Difference("OLLAMA_NUM_PARALLEL", "2", "4"),
        Difference("OLLAMA_CONTEXT_LENGTH", "8192", "2048"),
        Difference(f"context of {MODEL}", "8192", "2048"),
    )


async def test_what_the_gateway_saw_of_its_models_counts(client: Client) -> None:
    route = wanted().model_copy(update={"address": "http://127.0.0.1:1"})
    state = BackendState(route, models=(Model("bert", context=512),), loaded={"bert": 512, "x": 0})

    found = await observe(client, state)

    assert (found.contexts, found.longest) == ({"bert": 512}, {"bert": 512})


async def test_only_an_ollama_that_is_there_is_asked(client: Client, tmp_path: Path) -> None:
    with ollama(tmp_path, OLLAMA_NUM_PARALLEL="4") as port:
        route = wanted(loaded_models=None, models={}).model_copy(
            update={"address": f"http://127.0.0.1:{port}"}
        )
        there = BackendState(route, available=True)
        other = route.model_copy(update={"dialect": Dialect.OPENAI})

        assert await differences(client, there) == (Difference("OLLAMA_NUM_PARALLEL", "2", "4"),)
        assert await differences(client, BackendState(route)) == ()
        assert await differences(client, BackendState(other, available=True)) == ()


async def test_of_one_that_is_not_there_nothing_is_known(client: Client) -> None:
    route = wanted().model_copy(update={"address": "http://127.0.0.1:1"})

    assert await observe(client, BackendState(route)) == Observed()


def test_of_another_machine_s_process_nothing_is_known() -> None:
    assert listener_environment(None) is None
