"""Inboxes: bounds, order of each sender, retries, expiry. In virtual time."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sutazai.bus.inboxes import TAKEN, Fate, Inboxes, Outcome
from sutazai.bus.message import Bounds, Letter, Message, Reason
from sutazai.fleet.errors import QueueFull

FAILED = Outcome(Fate.FAILED, "as told")
LEFT = Outcome(Fate.LEFT, "nobody there", rest=1.0)


def message(name: str, sender: str = "ann", to: str = "bob", **more: object) -> Message:
    values = {"type": "t", "body": b"1", "published": 0.0, "expires": 1000.0, **more}
    return Message(id=name, sender=sender, to=to, **values)  # type: ignore[arg-type]


def names(messages: list[Message]) -> list[str]:
    return [one.id for one in messages]


def test_a_senders_next_message_waits_until_those_before_are_settled() -> None:
    inboxes = Inboxes(Bounds())
    inboxes.put(message("a1"))
    (first,) = inboxes.take("bob", 0.0)
    inboxes.put(message("a2"))
    inboxes.put(message("c1", sender="cid"))
    assert names(inboxes.take("bob", 0.0)) == ["c1"]
    assert inboxes.settle(first, TAKEN, 1.0) is True
    assert names(inboxes.take("bob", 1.0)) == ["a2"]


def test_what_was_left_comes_again_in_its_order_and_was_not_tried() -> None:
    inboxes = Inboxes(Bounds(tries=2))
    for name in ("1", "2", "3"):
        inboxes.put(message(name))
    for now in (0.0, 10.0, 20.0):
        taken = inboxes.take("bob", now)
        assert names(taken) == ["1", "2", "3"]
        assert inboxes.take("bob", now + 0.5) == []
        for one in reversed(taken):
            assert inboxes.settle(one, LEFT, now) is False


def test_one_that_failed_goes_alone_and_is_given_up_in_the_end() -> None:
    inboxes = Inboxes(Bounds(tries=3))
    for name in ("1", "2", "3"):
        inboxes.put(message(name))
    taken = inboxes.take("bob", 0.0)
    now = 0.0
    for tries in (1, 2):
        assert inboxes.settle(taken[0], FAILED, now) is False
        for one in taken[1:]:
            inboxes.settle(one, Outcome(Fate.LEFT), now)
        assert inboxes.take("bob", now) == []
        now += 2.0**tries
        taken = inboxes.take("bob", now)
        assert names(taken) == ["1"]
    letter = inboxes.settle(taken[0], FAILED, now)
    assert isinstance(letter, Letter)
    assert (letter.reason, letter.tries, letter.error) == (Reason.TRIES, 3, "as told")
    assert names(inboxes.take("bob", now)) == ["2", "3"]


def test_what_somebody_waits_for_holds_up_nobody_and_is_not_tried_again() -> None:
    inboxes = Inboxes(Bounds())
    inboxes.put(message("question", asked=True))
    (question,) = inboxes.take("bob", 0.0)
    inboxes.put(message("next"))
    assert names(inboxes.take("bob", 0.0)) == ["next"]
    assert inboxes.settle(question, FAILED, 0.0) is True


def test_what_expires_is_given_up_but_not_under_the_hands_of_who_handles_it() -> None:
    inboxes = Inboxes(Bounds())
    for name in ("handled", "failed"):
        inboxes.put(message(name, expires=5.0))
    handled, failed = inboxes.take("bob", 0.0)
    inboxes.put(message("waiting", expires=4.0))
    inboxes.put(message("later"))
    assert inboxes.next_due() == 4.0
    letters, _ = inboxes.due(5.0)
    assert [(one.message.id, one.reason) for one in letters] == [("waiting", Reason.EXPIRED)]
    assert inboxes.settle(handled, TAKEN, 6.0) is True
    letter = inboxes.settle(failed, FAILED, 6.0)
    assert isinstance(letter, Letter)
    assert (letter.reason, letter.error) == (Reason.EXPIRED, "as told")
    assert names(inboxes.take("bob", 6.0)) == ["later"]


def test_a_full_inbox_says_how_long_it_may_take() -> None:
    inboxes = Inboxes(Bounds(count=2))
    for name in ("1", "2"):
        inboxes.reserve(message(name))
        inboxes.put(message(name), reserved=True)
    with pytest.raises(QueueFull, match="inbox of bob is full") as caught:
        inboxes.reserve(message("3"))
    assert caught.value.data["retry_after"] == 1
    inboxes.reserve(message("4", to="cid"))
    for one in inboxes.take("bob", 0.0):
        inboxes.settle(one, TAKEN, 0.0)
    inboxes.reserve(message("3"))


def test_bounds_hold_in_bytes_for_one_and_for_all() -> None:
    inboxes = Inboxes(Bounds(size=1000, total=1500))
    big = b"x" * 700
    inboxes.reserve(message("1", body=big))
    with pytest.raises(QueueFull):
        inboxes.reserve(message("2", to="cid", body=big))
    inboxes.withdraw(message("1", body=big))
    inboxes.reserve(message("2", to="cid", body=big))


class InboxesAreFair(RuleBasedStateMachine):
    """Whatever happens: nothing is lost, nothing comes twice at once, each pair keeps its order."""

    def __init__(self) -> None:
        super().__init__()
        self.inboxes = Inboxes(Bounds(count=20, tries=3))
        self.now = 0.0
        self.number = 0
        self.alive: dict[str, Message] = {}
        self.out: dict[str, Message] = {}
        self.handled: dict[tuple[str, str], list[int]] = {}

    @rule(
        sender=st.sampled_from("abc"),
        to=st.sampled_from("xy"),
        lasts=st.integers(1, 200),
        asked=st.booleans(),
    )
    def publish(self, sender: str, to: str, lasts: int, asked: bool) -> None:
        self.number += 1
        one = message(str(self.number), sender, to, expires=self.now + lasts, asked=asked)
        try:
            self.inboxes.reserve(one)
        except QueueFull:
            assert sum(other.to == to for other in self.alive.values()) >= 20
            return
        self.inboxes.put(one, reserved=True)
        self.alive[one.id] = one

    @rule(to=st.sampled_from("xy"))
    def take(self, to: str) -> None:
        for one in self.inboxes.take(to, self.now):
            assert one.id in self.alive
            assert one.id not in self.out
            self.out[one.id] = one

    @rule(data=st.data(), fate=st.sampled_from(Fate))
    def settle(self, data: st.DataObject, fate: Fate) -> None:
        if not self.out:
            return
        # An instance handles the messages of one sender in their order.
        one = self.out[data.draw(st.sampled_from(sorted(self.out, key=int)))]
        rest = [
            other
            for other in self.out.values()
            if (other.sender, other.to) == (one.sender, one.to) and not other.asked
        ]
        one = one if one.asked else min(rest, key=lambda each: int(each.id))
        del self.out[one.id]
        result = self.inboxes.settle(one, Outcome(fate), self.now)
        if one.id not in self.alive:
            assert result is False
        elif result:
            del self.alive[one.id]
            if fate is Fate.TAKEN and not one.asked:
                self.handled.setdefault((one.sender, one.to), []).append(int(one.id))
        elif not one.asked:  # those behind it were not looked at
            for other in sorted(rest, key=lambda each: -int(each.id)):
                if other.id in self.out:
                    del self.out[other.id]
                    if self.inboxes.settle(other, Outcome(Fate.LEFT), self.now):
                        del self.alive[other.id]

    @rule(seconds=st.integers(1, 90))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds
        letters, _ = self.inboxes.due(self.now)
        for letter in letters:
            gone = self.alive.pop(letter.message.id)
            assert gone.expires <= self.now
            assert gone.id not in self.out
        waiting = [one for one in self.alive.values() if one.id not in self.out]
        assert all(one.expires > self.now for one in waiting)

    @invariant()
    def everything_is_accounted_for(self) -> None:
        assert {one.id for one in self.inboxes} == set(self.alive)
        assert self.inboxes.total == sum(one.size for one in self.alive.values())
        depths = self.inboxes.depths()
        for to in "xy":
            count = sum(one.to == to for one in self.alive.values())
            assert (depths[to].count if to in depths else 0) == count

    @invariant()
    def order_holds(self) -> None:
        for numbers in self.handled.values():
            assert numbers == sorted(numbers)

    def teardown(self) -> None:
        """In the end all that is alive can be delivered."""
        for one in list(self.out.values()):
            if isinstance(self.inboxes.settle(one, Outcome(Fate.LEFT), self.now), Letter):
                del self.alive[one.id]
        self.out.clear()
        self.now += 60.0
        self.time_passes(1)
        for to in "xy":
            while taken := self.inboxes.take(to, self.now):
                for one in taken:
                    self.inboxes.settle(one, TAKEN, self.now)
                    del self.alive[one.id]
        assert not self.alive


TestInboxesAreFair = InboxesAreFair.TestCase
TestInboxesAreFair.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
