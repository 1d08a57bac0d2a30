"""Lines of logs, as the host and the keeper write them."""

from __future__ import annotations

import json
import re

import pytest

from sutazai.fleet.log_lines import Said
from sutazai.observe.logs import LogLine, Wanted, lines_of

AT = 1_767_323_045.0
STAMP = "2026-01-02T03:04:05Z"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_the_time_and_who_wrote_it_are_read() -> None:
    written = [
        "2026-01-02T03:04:05Z planner-1 | WARNING a | b: c",
        "2026-01-02T04:04:05+0100 keeper: runs (pid 7)",
        "2026-01-02T03:04:05Z planner-1 | ",
    ]

    assert [*lines_of("planner", written)] == [
        LogLine(AT, "planner", "planner-1", Said("a | b: c", "WARNING")),
        LogLine(AT, "planner", "keeper", Said("runs (pid 7)")),
        LogLine(AT, "planner", "planner-1", Said("", "WARNING"), rest=True),
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

    assert [*lines_of("a", [text], at=1.0)] == [LogLine(1.0, "a", "a", Said(text))]


def test_objects_and_lines_stand_in_one_log() -> None:
    told = {"time": "2026-01-02T03:04:05.250Z", "instance": "a-1", "agent": "a", "logger": "a"}
    told |= {"level": "ERROR", "message": "it failed", "exception": "ValueError: x", "task": "t"}

    first, second = lines_of("a", [f"{STAMP} a-2 | INFO before", json.dumps(told)])

    assert (first.source, first.text) == ("a-2", "INFO before")
    assert (second.source, second.at) == ("a-1", AT + 0.25)
    assert second.text == "ERROR it failed\nValueError: x"
    assert second.said.task == "t"


def test_what_goes_on_with_a_line_is_about_the_same() -> None:
    written = [
        f"{STAMP} a-1 | ERROR it failed [task=t run=r trace={TRACE}]",
        f"{STAMP} a-2 | INFO something else",
        f"{STAMP} a-1 |   Traceback (most recent call last):",
        f"{STAMP} a-1 |   ValueError: x",
        f"{STAMP} a-1 | printed",
        f"{STAMP} a-1 |  further in",
    ]

    lines = [*lines_of("a", written)]

    assert [line.said.task for line in lines] == ["t", "", "t", "t", "", ""]
    assert [line.said.level for line in lines] == ["ERROR", "INFO", "ERROR", "ERROR", "", ""]
    assert [line.rest for line in lines] == [False, False, True, True, False, False]
    assert lines[0].text == "ERROR it failed" and lines[3].text == "  ValueError: x"


def test_a_traceback_that_nobody_caught_is_an_error() -> None:
    written = ["INFO ready", "Traceback (most recent call last):", '  File "x"', "OSError: y", "z"]

    lines = [*lines_of("a", [f"{STAMP} a-1 | {text}" for text in written])]

    assert [line.said.level for line in lines] == ["INFO", "ERROR", "ERROR", "ERROR", ""]
    assert [line.text for line in lines] == written


LINE = LogLine(AT, "a", "a-1", Said("of memory, says task-2", "ERROR", task="task-1", run="run-1"))


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(),
        Wanted(AT, re.compile("^ERR.R of")),
        Wanted(level="ERROR"),
        Wanted(level="DEBUG"),
        Wanted(task="task-1", run="run-1"),
        Wanted(task="task-2"),
    ],
)
def test_a_line_that_has_all_that_is_asked_for_is_wanted(wanted: Wanted) -> None:
    assert wanted.has(LINE)


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(AT + 1),
        Wanted(pattern=re.compile("WARNING")),
        Wanted(level="CRITICAL"),
        Wanted(task="task-3"),
        Wanted(task="task-1", run="run-2"),
    ],
)
def test_any_other_is_not(wanted: Wanted) -> None:
    assert not wanted.has(LINE)


def test_a_line_without_a_level_is_of_none() -> None:
    assert not Wanted(level="DEBUG").has(LogLine(AT, "a", "a-1", Said("printed")))
