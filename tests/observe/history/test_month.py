"""A month of 150 agents takes less than a GiB, whatever they do."""

from __future__ import annotations

from pathlib import Path

import pytest

from sutazai.observe.history import Tier
from sutazai.observe.history.tiers import TIERS
from tests.observe.history.simulated import size_after

GIB = 1024**3


@pytest.mark.soak
def test_a_month_of_150_agents_is_less_than_a_gib(tmp_path: Path) -> None:
    """The day and the month apart: what one tier keeps does not depend on the others, and a month
    of ten seconds would take an hour to simulate."""
    hour, day, month = TIERS
    two_days = 2 * day.kept * day.step // hour.step
    halves = Tier(month.step // 2, 2)
    five_weeks = 2 * (month.kept + 2 * month.packed)

    recent = size_after(tmp_path / "day.sqlite", (hour, day), two_days)
    rest = size_after(tmp_path / "month.sqlite", (halves, month), five_weeks)

    print(f"{recent / 1e6:.0f} MB and {rest / 1e6:.0f} MB")
    assert recent + rest < GIB
