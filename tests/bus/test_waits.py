"""Who waits for whom: circles are found, and only circles."""

from __future__ import annotations

from collections.abc import Iterable

from sutazai.bus.message import Message
from sutazai.bus.waits import Waits
from tests.bus.test_inboxes import message


def nothing(_: Message) -> Iterable[Message]:
    return ()


def question(name: str, sender: str, to: str, cause: str = "") -> Message:
    return message(name, sender, to, asked=True, cause=cause)


def test_a_chain_that_comes_back_to_one_who_waits_is_a_circle() -> None:
    waits = Waits()
    waits.begin(question("1", "a", "b"))
    assert waits.circle(question("2", "b", "c", "1"), nothing) == ()
    waits.begin(question("2", "b", "c", "1"))
    waits.begin(question("3", "c", "d", "2"))
    for to, circle in (("a", "dabcd"), ("b", "dbcd"), ("c", "dcd"), ("d", "dd")):
        assert waits.circle(question("4", "d", to, "3"), nothing)[:1] == ("d",)
        assert "".join(waits.circle(question("4", "d", to, "3"), nothing)) == circle


def test_questions_of_different_pieces_of_work_are_no_circle() -> None:
    waits = Waits()
    waits.begin(question("1", "a", "b"))
    assert waits.circle(question("2", "b", "a"), nothing) == ()
    assert waits.circle(question("2", "b", "a", "unknown"), nothing) == ()


def test_what_one_says_of_others_questions_is_not_believed() -> None:
    waits = Waits()
    waits.begin(question("1", "a", "b"))
    assert waits.circle(question("2", "c", "a", "1"), nothing) == ()


def test_an_answered_question_waits_no_more() -> None:
    waits = Waits()
    first = question("1", "a", "b")
    waits.begin(first)
    waits.end(first)
    assert waits.circle(question("2", "b", "a", "1"), nothing) == ()
    assert len(waits) == 0


def test_a_circle_over_the_order_of_messages_is_found() -> None:
    """a works on s1 from b and asks b, behind m0; b works on m0 and has asked a, behind s1."""
    waits = Waits()
    sent_to_b, sent_to_a = message("m0", "a", "b"), message("s1", "b", "a")
    asked_by_b = question("q3", "b", "a", "m0")
    waits.begin(asked_by_b)
    before = {"q2": [sent_to_b], "q3": [sent_to_a]}
    ahead = before.get
    circle = waits.circle(question("q2", "a", "b", "s1"), lambda one: ahead(one.id, []))
    assert circle == ("a", "b", "a")
    without = waits.circle(question("q2", "a", "b", "other"), lambda one: ahead(one.id, []))
    assert without == ()
