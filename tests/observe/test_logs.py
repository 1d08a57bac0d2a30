"""Lines of logs, as the host and the keeper write them."""

from __future__ import annotations

import re

from sutazai.observe.logs import LogLine, Wanted, lines_of

AT = 1_767_323_045.0


def test_the_time_and_who_wrote_it_are_read() -> None:
    written = [
        "2026-01-02T03:04:05Z planner-1 | WARNING a | b: c",
        "2026-01-02T04:04:05+0100 keeper: runs (pid 7)",
        "2026-01-02T03:04:05Z planner-1 | ",
    ]

    assert [*lines_of("planner", written)] == [
        LogLine(AT, "planner", "planner-1", "WARNING a | b: c"),
        LogLine(AT, "planner", "keeper", "runs (pid 7)"),
        LogLine(AT, "planner", "planner-1", ""),
    ]


def test_a_line_without_a_time_is_of_the_time_before() -> None:
    written = ["Traceback", "2026-01-02T03:04:05Z a-1 | x", "  File", "2026-99-99T99:99:99Z a | y"]

    assert [(line.at, line.text) for line in lines_of("a", written[:3], at=1.0)] == [
        (1.0, "Traceback"),
        (AT, "x"),
        (AT, "  File"),
    ]


def test_a_time_that_is_none_is_text() -> None:
    text = "2026-99-99T99:99:99Z a | y"

    assert [*lines_of("a", [text], at=1.0)] == [LogLine(1.0, "a", "a", text)]


def test_lines_are_wanted_by_time_and_by_what_is_in_them() -> None:
    line = LogLine(AT, "a", "a-1", "ERROR out of memory")

    assert Wanted().has(line)
    assert Wanted(AT, re.compile("ERR.R")).has(line)
    assert not Wanted(AT + 1).has(line)
    assert not Wanted(0.0, re.compile("WARNING")).has(line)
