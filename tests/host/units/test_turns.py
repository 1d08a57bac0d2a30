"""Whose turn it is to start, over whole machines of units in virtual steps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from sutazai.fleet.declared import Priority
from sutazai.fleet.desired import Kind, Standing
from sutazai.host.units.pacing import BURST, RATE, Pace
from sutazai.host.units.turns import AT_ONCE, LONGEST_WAITING, Claim, Turns


def agent(name: str, **changes: object) -> Claim:
    claim = Claim(unit=name, kind=Kind.AGENT, missing=1)
    return replace(claim, **changes)  # type: ignore[arg-type]


@dataclass
class Starts:
    """Plays units that start as soon as they may, and are well when they are told so."""

    now: float = 0.0
    pace: Pace = field(default_factory=Pace)
    turns: Turns = field(init=False)
    claims: dict[str, Claim] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.turns = Turns(self.pace)

    def ask(self, *claims: Claim) -> None:
        for claim in claims:
            self.claims[claim.unit] = claim
            assert self.turns.claim(claim) == 0, "nobody starts before the others have asked"

    def go_on(self) -> None:
        """Hands out turns, and lets everybody start who got one."""
        for name in sorted(self.turns.give(self.now)):
            claim = self.claims[name]
            may = self.turns.claim(claim)
            self.started += [name] * may
            self._now(replace(claim, starting=claim.starting + may, missing=claim.missing - may))

    def well(self, name: str) -> None:
        """One start of that unit ended, well or not."""
        self._now(replace(self.claims[name], starting=self.claims[name].starting - 1))

    def badly(self, name: str) -> None:
        """One start of that unit ended badly, and is to be made up for at once."""
        self.pace.ended(self.now)
        claim = self.claims[name]
        starting, missing = claim.starting - 1, claim.missing + 1
        self._now(replace(claim, ends=claim.ends + 1, starting=starting, missing=missing))

    @property
    def starting(self) -> int:
        return sum(claim.starting for claim in self.claims.values())

    def _now(self, claim: Claim) -> None:
        self.claims[claim.unit] = claim
        assert self.turns.claim(claim) == 0


def test_ten_start_at_once_and_the_next_one_when_one_of_them_is_well() -> None:
    starts = Starts()
    starts.ask(*(agent(f"a{number:02}") for number in range(12)))

    starts.go_on()
    assert starts.started == [f"a{number:02}" for number in range(10)]

    starts.well("a03")
    starts.go_on()
    assert starts.started[10:] == ["a10"]


def test_what_was_called_for_comes_first_then_services_the_critical_and_by_priority() -> None:
    starts = Starts()
    starts.ask(*(agent(f"early{number}") for number in range(AT_ONCE)))
    starts.go_on()
    starts.ask(
        agent("low", priority=Priority.LOW),
        agent("high", priority=Priority.HIGH),
        agent("crashes", priority=Priority.HIGH, ends=3),
        agent("critical", standing=Standing.CRITICAL, priority=Priority.LOW),
        Claim(unit="database", kind=Kind.SERVICE, missing=1),
        agent("called", called=True, priority=Priority.LOW),
    )
    for number in range(6):
        starts.well(f"early{number}")
        starts.go_on()

    assert starts.started[AT_ONCE:] == [
        "called", "database", "critical", "high", "crashes", "low",
    ]  # fmt: skip


def test_the_house_itself_starts_at_once() -> None:
    starts = Starts()
    starts.ask(*(agent(f"early{number}", called=True) for number in range(2 * AT_ONCE)))
    starts.go_on()

    assert starts.turns.claim(Claim(unit="gateway", kind=Kind.PLANE, missing=1)) == 1
    llm = Claim(unit="llm", kind=Kind.SERVICE, standing=Standing.PROTECTED, missing=1)
    assert starts.turns.claim(llm) == 1


def test_a_thousand_that_crash_start_at_the_pace_and_what_is_called_for_comes_between() -> None:
    starts = Starts()
    starts.ask(*(agent(f"bad{number}") for number in range(1_000)))
    while starts.now < 60.0:
        starts.go_on()
        for name in [name for name, claim in starts.claims.items() if claim.starting]:
            starts.badly(name)
        starts.now = max(starts.now, starts.turns.due_at or 0.0)
    # Ten may be under way when the allowance is used up.
    assert len(starts.started) <= BURST + AT_ONCE + 60 * RATE

    asked = starts.now
    starts.ask(agent("good", called=True))
    while "good" not in starts.started:
        starts.now = max(starts.now, starts.turns.due_at or 0.0)
        starts.go_on()
    assert starts.now <= asked + 2 / RATE


def test_a_unit_of_many_instances_leaves_turns_to_its_equals() -> None:
    starts = Starts()
    starts.ask(agent("many", missing=100), agent("one"), agent("two", missing=2))

    starts.go_on()

    assert starts.starting == AT_ONCE
    assert {"one", "two"} < set(starts.started)


def test_who_no_longer_wants_a_turn_gives_it_back() -> None:
    starts = Starts()
    starts.ask(*(agent(f"a{number:02}") for number in range(11)))
    starts.turns.give(0.0)

    starts.turns.claim(agent("a00", missing=0))

    assert starts.turns.give(0.0) == {"a10"}


claims = st.builds(
    Claim,
    unit=st.integers(0, 40).map("u{}".format),
    kind=st.sampled_from((Kind.SERVICE, Kind.AGENT)),
    standing=st.sampled_from((Standing.ORDINARY, Standing.CRITICAL)),
    priority=st.sampled_from(Priority),
    called=st.booleans(),
    ends=st.integers(0, 8),
    missing=st.integers(1, 25),
)


@given(st.lists(claims, max_size=30, unique_by=lambda claim: claim.unit), st.randoms())
def test_never_more_than_ten_and_in_the_end_everybody_has_started(
    wanted: list[Claim], random: object
) -> None:
    starts = Starts()
    waiting, choose = list(wanted), random.randrange  # type: ignore[attr-defined]
    while waiting or starts.starting or starts.turns.due_at is not None:
        for claim in waiting[: choose(4)]:
            starts.ask(claim)
            waiting.remove(claim)
        starts.go_on()
        assert starts.starting <= AT_ONCE
        if running := [name for name, claim in starts.claims.items() if claim.starting]:
            starts.well(running[choose(len(running))])
    assert sorted(starts.started) == sorted(
        claim.unit for claim in wanted for _ in range(claim.missing)
    )


@given(st.lists(claims, min_size=1, max_size=20, unique_by=lambda claim: claim.unit))
def test_nobody_waits_for_ever_whoever_else_comes(others: list[Claim]) -> None:
    """All others want to start again as soon as they are well, for ever."""
    starts = Starts()
    last = agent("last", priority=Priority.LOW, ends=9)
    again = [replace(claim, called=True, missing=10) for claim in others]
    starts.ask(*again, last)
    for _ in range(LONGEST_WAITING * (len(others) + 1)):
        starts.go_on()
        if "last" in starts.started:
            break
        for claim in again:
            if starts.claims[claim.unit].starting:
                now = replace(starts.claims[claim.unit], starting=0, missing=10)
                starts.claims[claim.unit] = now
                starts.turns.claim(now)
    assert "last" in starts.started
