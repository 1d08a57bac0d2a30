"""What pages show: causes first, every agent once, and texts from outside as texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.fleet.desired import Kind
from sutazai.fleet.spec import Runtime, Temperature
from sutazai.fleet.status import (
    AgentStatus,
    Event,
    FleetStatus,
    Level,
    LlmStatus,
    PressureStatus,
    State,
)
from sutazai.fleet.troubles import troubles_of
from sutazai.web.look import pieces
from sutazai.web.look.fleet_map import fleet_map
from sutazai.web.look.verdict import verdict
from sutazai.web.look.words import CLASSES, ago, colour
from tests.web.tags import Tags


def agent(name: str, *, state: State = State.HEALTHY, reason: str = "") -> AgentStatus:
    return AgentStatus(
        name=name,
        kind=Kind.AGENT,
        runtime=Runtime.PYTHON,
        temperature=Temperature.WARM,
        state=state,
        reason=reason,
        since=0.0,
        group="workers",
    )


def fleet(*agents: AgentStatus, healthy: bool = True, **more: object) -> FleetStatus:
    llm = LlmStatus(source="embedded", healthy=healthy)
    fields = {"fleet": "f", "revision": 1, "started": 0.0, "state": "/s", **more}
    return FleetStatus.model_validate({**fields, "agents": agents, "llm": llm})


def test_a_fleet_without_trouble_is_well() -> None:
    assert "All is well" in verdict(fleet())


def test_causes_come_before_what_follows_from_them() -> None:
    short = PressureStatus(level=Level.CRITICAL, percent=91.0, withheld=3)
    status = fleet(healthy=False, problems=("planner is failed: it ended",), pressure=short)

    first, second, third = troubles_of(status)

    assert first.startswith("No LLM answers")
    assert second.startswith("Memory is short (critical): 91 % in use, 3 instances")
    assert third == "planner is failed: it ended"
    assert "3 things need you" in verdict(status)


def test_many_troubles_are_cut_and_counted() -> None:
    status = fleet(problems=tuple(f"trouble {number}" for number in range(20)))

    assert "and 12 more" in verdict(status)


def test_the_map_has_a_link_for_every_agent() -> None:
    names = [f"agent-{number}" for number in range(1_000)]
    shown = fleet_map(fleet(*(agent(name) for name in names)))

    assert all(f'href="/agents/{name}"' in shown for name in names)
    assert "workers (1000)" in shown


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_a_colour(state: State) -> None:
    assert state in CLASSES
    assert colour(state.value) == CLASSES[state]


@given(text=st.text(max_size=50))
def test_texts_from_outside_are_shown_as_texts(text: str) -> None:
    event = Event(sequence=1, at=0.0, source="host", kind="x", unit=text, message=text)
    shown = Tags(pieces.events([event]))

    assert set(shown.names) <= {"div", "table", "thead", "tbody", "tr", "th", "td", "a"}


def test_times_are_said_in_words() -> None:
    assert (ago(0.2), ago(12.7), ago(3_600)) == ("now", "12s ago", "1h ago")
