"""When a backend has to show that it can generate."""

from __future__ import annotations

from typing import Any

from sutazai.gateway.backends.checks import Standing, check

NEVER = float("-inf")


def standing(**what: Any) -> Standing:
    usual: dict[str, Any] = {
        "every": 60.0,
        "since": 0.0,
        "answered": {},
        "checked": NEVER,
        "resident": None,
        "models": ("a", "b"),
    }
    return Standing(**{**usual, **what})


def test_silence_for_as_long_as_declared_makes_it_due() -> None:
    assert check(59.0, standing()) is None
    assert check(60.0, standing()) == "a"
    assert check(60.0, standing(answered={"b": 1.0})) is None
    assert check(61.0, standing(answered={"b": 1.0})) == "b", "what was used last"


def test_it_goes_on_for_as_long_as_the_silence() -> None:
    assert check(119.0, standing(checked=60.0)) is None
    assert check(120.0, standing(checked=60.0)) == "a"


def test_a_model_is_never_loaded_for_it() -> None:
    assert check(100.0, standing(resident=frozenset())) is None
    assert check(100.0, standing(resident=frozenset("b"), answered={"a": 1.0})) == "b"


def test_a_model_that_leaves_when_idle_is_asked_once_after_a_call() -> None:
    answered = {"a": 10.0}
    assert check(70.0, standing(resident=frozenset("a"), answered=answered)) == "a"
    checked = standing(resident=frozenset("a"), answered=answered, checked=70.0)
    assert check(1_000.0, checked) is None


def test_a_backend_without_models_cannot_be_asked() -> None:
    assert check(100.0, standing(models=())) is None
