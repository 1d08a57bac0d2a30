"""Calls carry what is declared of how their model is loaded."""

from __future__ import annotations

from typing import Any

import pytest

from sutazai.fleet.declared import Dialect
from sutazai.fleet.routes import BackendRoute, PinnedRoute
from sutazai.gateway.backends.pins import EVERY_MODEL, pin_of
from sutazai.gateway.backends.state import BackendState

PIN = PinnedRoute(context=8192, options={"num_gpu": 0}, keep_alive=1800.0)


def state(dialect: Dialect = Dialect.OLLAMA, **models: PinnedRoute) -> BackendState:
    route = BackendRoute(name="one", address="http://h:1", dialect=dialect, models=models)
    return BackendState(route)


def test_no_caller_can_have_a_declared_model_loaded_anew() -> None:
    body: dict[str, Any] = {
        "model": "a",
        "options": {"num_ctx": 99_999, "num_thread": 64, "temperature": 0.5},
        "keep_alive": 0,
    }
    assert state(a=PIN).pinned(body, "a") == {
        "model": "a",
        "options": {"num_ctx": 8192, "num_gpu": 0, "temperature": 0.5},
        "keep_alive": "1800s",
    }
    assert body["options"]["num_ctx"] == 99_999, "the client's own body stays as it was"


def test_what_is_not_declared_is_left_alone() -> None:
    body = {"model": "b", "options": {"num_ctx": 512}}
    assert state(a=PIN).pinned(body, "b") is body
    assert state(Dialect.OPENAI, b=PIN).pinned(body, "b") is body


def test_a_pin_that_says_little_changes_little() -> None:
    body = {"model": "a", "options": "nonsense", "keep_alive": "5m"}
    pinned = state(a=PinnedRoute(context=4096)).pinned(body, "a")
    assert pinned == {"model": "a", "options": {"num_ctx": 4096}, "keep_alive": "5m"}


@pytest.mark.parametrize("declared", ["a", "a:latest", EVERY_MODEL])
@pytest.mark.parametrize("asked", ["a", "a:latest"])
def test_the_tag_latest_may_be_left_out_and_one_pin_may_be_for_all(
    declared: str, asked: str
) -> None:
    assert pin_of({declared: PIN}, asked) is PIN


def test_a_models_own_pin_goes_before_the_one_for_all() -> None:
    own = PinnedRoute(context=1024)
    assert pin_of({EVERY_MODEL: PIN, "a": own}, "a") is own
