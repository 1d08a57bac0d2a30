"""Which processes are ended, and how: pure decisions over made-up process tables."""

from __future__ import annotations

import signal
from collections.abc import Collection

from hypothesis import given
from hypothesis import strategies as st

from sutazai.keeper.ending import Ending, descendants, lineage, ours
from sutazai.keeper.processes import Process

KEEPER = 100


def process(
    pid: int, parent: int, *, session: int = 0, terminal: int = 0, state: str = "S", start: int = 1
) -> Process:
    return Process(
        pid, parent, session=session or pid, terminal=terminal, start_time=start, state=state
    )


def picked(
    *table: Process, marked: Collection[int] = (), requesters: Collection[int] = ()
) -> set[int]:
    found = ours(
        {each.pid: each for each in table},
        lambda pid: pid in marked,
        keeper=KEEPER,
        requesters=requesters,
    )
    return {each.pid for each in found}


INIT = process(1, 0)
ROOT = process(KEEPER, 1)


def test_every_descendant_is_ours_with_or_without_the_mark() -> None:
    assert picked(INIT, ROOT, process(101, KEEPER), process(102, 101), process(103, 1)) == {
        101,
        102,
    }


def test_an_orphan_of_a_killed_keeper_is_known_by_its_mark() -> None:
    assert picked(INIT, ROOT, process(50, 1), process(51, 1), marked={50}) == {50}


def test_init_and_the_keeper_itself_are_never_ended() -> None:
    assert picked(INIT, ROOT, marked={1, KEEPER}) == set()


def test_what_has_ended_needs_no_ending() -> None:
    assert picked(INIT, ROOT, process(101, KEEPER, state="Z")) == set()


def test_a_shell_that_exported_the_mark_lives_on_with_all_its_programs() -> None:
    shell = process(60, 1, terminal=34816)
    editor = process(61, 60, session=60, terminal=34816)
    assert picked(INIT, ROOT, shell, editor, marked={60, 61}) == set()


def test_the_requester_its_ancestors_and_their_sessions_live_on() -> None:
    build = process(70, 1)
    command = process(71, 70, session=70)
    neighbour = process(72, 70, session=70)
    stray = process(73, 1)
    table = (INIT, ROOT, build, command, neighbour, stray)
    assert picked(*table, marked={70, 71, 72, 73}, requesters={71}) == {73}


def test_a_requester_from_inside_the_fleet_is_ended_with_it() -> None:
    assert picked(INIT, ROOT, process(101, KEEPER), requesters={101}) == {101}


def test_whoever_started_the_keeper_lives_on() -> None:
    starter = process(90, 1)
    assert picked(INIT, starter, process(KEEPER, 90), marked={90}) == set()


tables = st.dictionaries(
    st.integers(1, 30),
    st.tuples(st.integers(0, 30), st.integers(1, 30), st.sampled_from([0, 1]), st.booleans()),
)


@given(tables, st.integers(1, 30), st.sets(st.integers(1, 30), max_size=2))
def test_no_stranger_is_ever_ended(
    rows: dict[int, tuple[int, int, int, bool]], keeper: int, requesters: set[int]
) -> None:
    table = {
        pid: process(pid, parent, session=session, terminal=terminal)
        for pid, (parent, session, terminal, _) in rows.items()
    }
    below = descendants(table, keeper)
    for each in ours(table, lambda pid: rows[pid][3], keeper=keeper, requesters=requesters):
        assert each.pid in below or rows[each.pid][3]
        assert each.pid in below or each.pid not in {1, keeper, *requesters}
        assert each.pid in below or not each.terminal


def test_the_lineage_of_a_process_that_is_gone_is_empty() -> None:
    assert lineage({1: INIT}, 12345) == []


def test_each_is_asked_once_and_killed_when_patience_is_over() -> None:
    ending = Ending(1000.0, patience=5.0, insistence=10.0)
    one, two = process(101, KEEPER), process(102, KEEPER)
    ask, kill = (signal.SIGTERM, signal.SIGCONT), (signal.SIGKILL,)

    assert ending.signals(1000.0, [one]) == [(one, ask)]
    assert ending.signals(1000.1, [one, two]) == [(two, ask)]
    assert ending.signals(1004.9, [one, two]) == []
    assert ending.signals(1005.0, [one]) == [(one, kill)]
    assert ending.signals(1005.1, [one]) == [(one, kill)]
    assert not ending.given_up(1014.9)
    assert ending.given_up(1015.0)


def test_a_new_process_with_a_used_pid_is_asked_anew() -> None:
    ending = Ending(1000.0, patience=5.0, insistence=10.0)
    ending.signals(1000.0, [process(101, KEEPER, start=1)])
    assert ending.signals(1000.1, [process(101, KEEPER, start=2)]) != []
