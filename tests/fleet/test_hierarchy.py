"""Workers speak with their lead, leads with orchestrators, and nobody past them."""

from __future__ import annotations

import pytest

from sutazai.fleet.errors import NotFound
from sutazai.fleet.hierarchy import Hierarchy, Member
from sutazai.fleet.load import parse_fleet
from sutazai.fleet.spec import Rank

TWO_TEAMS = Hierarchy(
    {
        "chief": Member(Rank.ORCHESTRATOR),
        "vice": Member(Rank.ORCHESTRATOR),
        "red": Member(Rank.LEAD),
        "blue": Member(Rank.LEAD),
        "red-1": Member(Rank.WORKER, "red"),
        "red-2": Member(Rank.WORKER, "red"),
        "blue-1": Member(Rank.WORKER, "blue"),
        "direct": Member(Rank.WORKER, "chief"),
        "alone": Member(Rank.WORKER),
    }
)


@pytest.mark.parametrize(
    ("one", "other", "may"),
    [
        ("red-1", "red", True),
        ("red-1", "red-2", False),
        ("red-1", "blue", False),
        ("red-1", "chief", False),
        ("red", "chief", True),
        ("red", "vice", True),
        ("red", "blue", False),
        ("chief", "vice", True),
        ("direct", "chief", True),
        ("direct", "vice", False),
        ("alone", "red", False),
        ("alone", "chief", False),
        ("red", "red", True),
        ("red", "nobody", False),
        ("nobody", "nobody", False),
    ],
)
def test_who_may_speak_with_whom_in_both_directions(one: str, other: str, may: bool) -> None:
    assert TWO_TEAMS.may_speak(one, other) is may
    assert TWO_TEAMS.may_speak(other, one) is may


def test_contacts_are_exactly_those_one_may_speak_with() -> None:
    for name in TWO_TEAMS.members:
        others = {other for other in TWO_TEAMS.members if other != name}
        assert set(TWO_TEAMS.contacts(name)) == {
            other for other in others if TWO_TEAMS.may_speak(name, other)
        }
    assert TWO_TEAMS.contacts("red") == ("red-1", "red-2", "chief", "vice")
    assert TWO_TEAMS.contacts("nobody") == ()


def test_the_way_between_teams_leads_over_the_top() -> None:
    assert TWO_TEAMS.path("red-1", "blue-1") == ("red-1", "red", "chief", "blue", "blue-1")
    assert TWO_TEAMS.path("red-1", "red-2") == ("red-1", "red", "red-2")
    assert TWO_TEAMS.path("red", "red") == ("red",)
    assert TWO_TEAMS.path("red", "alone") == ()
    with pytest.raises(NotFound, match="no agent nobody"):
        TWO_TEAMS.path("red", "nobody")


def test_where_no_hierarchy_is_declared_everyone_speaks_with_everyone() -> None:
    flat = Hierarchy({name: Member(Rank.WORKER) for name in "abc"})

    assert not flat.declared
    assert flat.may_speak("a", "c")
    assert flat.contacts("a") == ("b", "c")
    assert flat.path("a", "c") == ("a", "c")


def test_the_catalogue_has_few_pairs_and_a_way_between_any_two() -> None:
    hierarchy = Hierarchy.of(parse_fleet("name: x\ncatalogue: all\n", file="f.yaml"))

    names = [*hierarchy.members]
    pairs = sum(len(hierarchy.contacts(name)) for name in names) // 2
    assert pairs < 150 < len(names) * (len(names) - 1) // 2
    assert all(hierarchy.path(names[0], name) for name in names)


def test_a_thousand_agents_are_found_through_at_once() -> None:
    members = {"chief": Member(Rank.ORCHESTRATOR)}
    members |= {f"lead-{at}": Member(Rank.LEAD) for at in range(50)}
    members |= {f"worker-{at}": Member(Rank.WORKER, f"lead-{at % 50}") for at in range(950)}

    path = Hierarchy(members).path("worker-0", "worker-949")

    assert path == ("worker-0", "lead-0", "chief", "lead-49", "worker-949")
