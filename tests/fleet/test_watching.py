"""What is done when the files of a fleet change, in virtual time."""

from __future__ import annotations

from dataclasses import dataclass, field

from sutazai.fleet.watching import (
    RETRY_AFTER,
    Apply,
    Decision,
    Look,
    Rest,
    TellGone,
    Watching,
    begin,
    decide,
    done,
    put_off,
)


@dataclass
class Desk:
    """Files on a desk, and somebody who looks at them every second."""

    files: dict[str, int]
    secrets: dict[str, int | None] = field(default_factory=dict)
    now: float = 100.0

    def __post_init__(self) -> None:
        self.state: Watching = begin(self._found())

    def look(self) -> Decision:
        self.now += 1.0
        self.state, decision = decide(self.state, self._found(), self.now)
        return decision

    def settled(self) -> Decision:
        """The decision once what changed has rested."""
        assert self.look() == Rest()
        return self.look()

    def handled(self) -> None:
        self.state = done(self.state)

    def put_off(self, why: str) -> bool:
        self.state, news = put_off(self.state, why, self.now)
        return news

    def _found(self) -> Look:
        secrets = {
            path: None if stamp is None else (stamp,) for path, stamp in self.secrets.items()
        }
        return Look({path: (stamp,) for path, stamp in self.files.items()}, secrets)


def applied(**files: int) -> Desk:
    desk = Desk(dict(files))
    assert desk.look() == Apply()
    desk.handled()
    assert desk.look() == Rest()
    return desk


def test_what_lies_there_at_first_is_applied_once() -> None:
    desk = applied(fleet=1)
    assert desk.look() == Rest()


def test_a_change_is_applied_once_it_has_rested() -> None:
    desk = applied(fleet=1, more=1)
    desk.files["more"] = 2
    assert desk.look() == Rest()
    desk.files["fleet"] = 2
    assert desk.settled() == Apply(("fleet", "more"))
    desk.handled()
    assert desk.look() == Rest()


def test_a_new_part_is_a_change() -> None:
    desk = applied(fleet=1)
    desk.files["more"] = 1
    assert desk.settled() == Apply(("more",))


def test_what_was_refused_waits_for_the_next_change() -> None:
    desk = applied(fleet=1)
    desk.files["fleet"] = 2
    assert desk.settled() == Apply(("fleet",))
    desk.handled()  # refused, which is as good as done
    assert [desk.look() for _ in range(3)] == [Rest()] * 3
    desk.files["fleet"] = 3
    assert desk.settled() == Apply(("fleet",))


def test_what_cannot_be_done_now_is_tried_again_and_told_once() -> None:
    desk = applied(fleet=1)
    desk.files["fleet"] = 2
    assert desk.settled() == Apply(("fleet",))
    assert desk.put_off("a rollout goes on")
    for _ in range(3):
        assert [desk.look() for _ in range(int(RETRY_AFTER))][-1] == Apply(("fleet",))
        assert not desk.put_off("a rollout goes on")
    assert desk.put_off("control is away")


def test_a_further_change_while_it_waits_is_taken_along() -> None:
    desk = applied(fleet=1, more=1)
    desk.files["fleet"] = 2
    assert desk.settled() == Apply(("fleet",))
    desk.put_off("a rollout goes on")
    desk.files["more"] = 2
    decisions = [desk.look() for _ in range(int(RETRY_AFTER) + 1)]
    assert next(each for each in decisions if each != Rest()) == Apply(("fleet", "more"))
    desk.handled()
    assert desk.look() == Rest()


def test_the_first_time_is_put_off_too() -> None:
    desk = Desk({"fleet": 1})
    assert desk.look() == Apply()
    desk.put_off("no fleet runs")
    assert desk.look() == Rest()
    assert [desk.look() for _ in range(int(RETRY_AFTER))][-1] == Apply()


def test_what_is_gone_is_told_once_and_holds_everything_up() -> None:
    desk = applied(fleet=1, more=1)
    del desk.files["more"]
    assert desk.settled() == TellGone(("more",), holds=True)
    desk.files["fleet"] = 2
    assert desk.settled() == Rest()
    desk.files["more"] = 1
    assert desk.settled() == Apply(("fleet",))


def test_the_middle_of_a_save_is_not_gone() -> None:
    desk = applied(fleet=1)
    del desk.files["fleet"]
    assert desk.look() == Rest()
    desk.files["fleet"] = 2
    assert desk.settled() == Apply(("fleet",))


def test_secrets_count_too_but_hold_nothing_up() -> None:
    desk = applied(fleet=1)
    desk.secrets = {"key": 1, "later": None}
    assert [desk.look() for _ in range(2)] == [Rest(), Rest()]  # declared by what was applied
    desk.secrets["key"] = 2
    assert desk.settled() == Apply(secrets=("key",))
    desk.handled()
    desk.secrets["later"] = 1
    assert desk.settled() == Apply(secrets=("later",))
    desk.handled()
    desk.secrets["key"] = None
    assert desk.settled() == TellGone(("key",), holds=False)
    desk.files["fleet"] = 2
    assert desk.settled() == Apply(("fleet",))
    desk.handled()
    del desk.secrets["key"]
    assert [desk.look() for _ in range(2)] == [Rest(), Rest()]
