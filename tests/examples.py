"""Properties that few examples try in the suite, and many in long runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

Check = Callable[..., None]


def tried(few: int, many: int, **strategies: SearchStrategy[Any]) -> Callable[[Check], Check]:
    """Makes a test of what holds for all that ``strategies`` draw."""

    def decorate(check: Check) -> Check:
        @pytest.mark.parametrize("examples", [few, pytest.param(many, marks=pytest.mark.soak)])
        def test(examples: int) -> None:
            limits = settings(
                max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow]
            )
            limits(given(**strategies)(check))()

        test.__name__, test.__doc__ = check.__name__, check.__doc__
        return test

    return decorate
