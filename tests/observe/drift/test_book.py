"""What is remembered of drift, and what is put right when."""

from __future__ import annotations

from itertools import pairwise

from sutazai.fleet.drift import Drift, DriftKind, Heal, Healed
from sutazai.observe.drift import healing
from sutazai.observe.drift.book import BOOK, Book, Noted, declared, note, report
from sutazai.observe.drift.facts import Fact, Look

LIMITS, CODE = DriftKind.LIMITS, DriftKind.CODE
AUTO = Drift(limits=Healed(heal=Heal.AUTO), code=Healed(heal=Heal.AUTO))


def look(*drifting: str, kind: DriftKind = LIMITS, seen: str = "512MiB", all_: int = 10) -> Look:
    """These units drift, and as many more facts hold that there are ten."""
    facts = tuple(
        Fact(
            kind=kind,
            unit=unit,
            instance="" if kind is CODE else f"{unit}-1",
            what="memory",
            expected="256MiB",
            seen=seen,
        )
        for unit in drifting
    )
    return Look(facts, same=all_ - len(facts))


def after(book: Book, *looks: Look, kind: DriftKind = LIMITS, now: float = 0.0) -> Noted:
    noted = Noted(book)
    for each in looks:
        noted = note(noted.book, kind, each, now)
    return noted


def found(*units: str, kind: DriftKind = LIMITS, seen: str = "512MiB") -> Book:
    one = look(*units, kind=kind, seen=seen)
    return after(Book(), one, one, kind=kind).book


def test_a_difference_counts_once_it_was_seen_twice() -> None:
    first = after(Book(), look("tea"))
    assert not first.found and first.book.unsure == {LIMITS}

    second = note(first.book, LIMITS, look("tea"), 6.0)
    assert [one.unit for one in second.found] == ["tea"]
    assert second.found[0].since == 6.0
    assert not second.book.unsure

    third = note(second.book, LIMITS, look("tea"), 11.0)
    assert not third.found and not third.gone


def test_what_comes_and_goes_or_changes_does_not() -> None:
    assert not after(Book(), look("tea"), look(), look("tea")).found
    assert not after(Book(), look("tea"), look("tea", seen="1GiB")).found


def test_what_is_as_declared_again_is_gone() -> None:
    noted = after(found("tea", "milk"), look("tea"))
    assert [one.unit for one in noted.gone] == ["milk"]
    assert [one.unit for one in noted.book.findings] == ["tea"]
    assert not noted.book.healed, "nobody did anything about it"


def test_the_score_is_the_share_of_all_that_was_looked_at() -> None:
    book = after(found("tea", "milk"), look(kind=CODE), kind=CODE).book
    told = report(book, 9.0, ["model: the gateway does not answer"])
    assert (told.score, told.checked, told.by_kind) == (0.1, 20, {LIMITS: 10, CODE: 10})
    assert told.unchecked == ("model: the gateway does not answer",)
    assert report(Book(), 9.0).score == 0.0


def test_it_outlives_the_process_and_digests_do_not_outlive_the_revision() -> None:
    book = healing.tried(found("tea"), found("tea").findings, 5.0)
    book = BOOK.validate_json(BOOK.dump_json(book))
    kept = declared(book, AUTO, revision=1, units=["tea"])
    assert kept.findings == book.findings and kept.tries == book.tries
    assert not declared(book, AUTO, revision=1, units=[]).tries[LIMITS]

    known = Book(revision=1, digests={"own": {"llama": "1"}})
    assert declared(known, AUTO, revision=1, units=[]).digests
    assert not declared(known, AUTO, revision=2, units=[]).digests


def test_what_is_not_watched_any_more_is_no_finding() -> None:
    off = Drift(limits=Healed(heal=Heal.OFF))
    assert not declared(found("tea"), off, revision=1, units=[]).findings


def test_only_what_is_told_is_put_right_and_never_in_a_rollout() -> None:
    book = found("tea")
    assert not healing.due(book, Drift(), 0.0, rolling=False)
    assert not healing.due(book, AUTO, 0.0, rolling=True)
    assert healing.due(book, AUTO, 0.0, rolling=False) == {LIMITS: book.findings}


def test_few_are_restarted_after_one_look() -> None:
    book = found(*(f"unit-{n:02}" for n in range(12)))
    chosen = healing.due(book, AUTO, 0.0, rolling=False)[LIMITS]
    assert len(chosen) == healing.AT_ONCE
    book = healing.tried(book, chosen, 0.0)
    others = healing.due(book, AUTO, 5.0, rolling=False)[LIMITS]
    assert len(others) == healing.AT_ONCE and not set(others) & set(chosen)


def test_what_does_not_help_is_tried_ever_more_rarely() -> None:
    book, now, waits = found("tea"), 0.0, []
    for _ in range(9):
        while not healing.due(book, AUTO, now, rolling=False):
            now += 5.0
        waits.append(now)
        book = healing.tried(book, book.findings, now)
    between = [later - before for before, later in pairwise(waits)]
    assert between == [60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_what_was_put_right_is_told_as_healed() -> None:
    book = healing.tried(found("tea"), found("tea").findings, 5.0)
    noted = after(book, look())
    assert [one.healed for one in noted.gone] == [5.0]
    assert noted.book.healed == noted.gone


def test_code_is_accepted_once_however_often_it_comes_back() -> None:
    book = found("tea", kind=CODE, seen="worse")
    book = healing.tried(book, book.findings, 0.0)
    book = after(book, look(kind=CODE), kind=CODE).book
    back = look("tea", kind=CODE, seen="worse")
    book = after(book, back, back, kind=CODE).book
    assert book.findings and not healing.due(book, AUTO, 1e9, rolling=False)

    better = look("tea", kind=CODE, seen="better")
    book = after(book, better, kind=CODE).book
    assert healing.due(book, AUTO, 1e9, rolling=False)
