"""What a zygote does to its memory before it forks. Each story is a process of its own, for what is
packed stays so."""

from __future__ import annotations

import subprocess
import sys

SCATTERED = """
from sutazai.agent.packing import fill_holes

def pages(things):
    return len({id(each) // 4096 for each in things})

kept = [[number] for number in range(100_000)]
del kept[::100]  # holes of small objects among what is in use
buffers = [bytes(3000) for _ in range(1000)]
del buffers[::2]  # and of large ones
"""
PACKED = """
import functools

from sutazai.agent.packing import pack_code

def doubled(function):
    @functools.wraps(function)
    def twice(*arguments):
        return 2 * function(*arguments)
    return twice

@doubled
def scaled(number, by=3):
    return sum(number * by for _ in range(2))

class Cook:
    def __init__(self):
        self.done = []

    def cook(self, *dishes):
        self.done += sorted(dishes, key=lambda dish: dish[::-1])
        return self

def never():
    return "run"

def ran():
    return scaled(7), Cook().cook("tea", "egg").done

code = {each: each.__code__ for each in (ran, Cook.cook, never)}
before = ran()
pack_code(ran)
"""


def said(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_what_is_made_after_holes_were_filled_lies_together() -> None:
    into_holes = SCATTERED + "print(pages([[number] for number in range(1000)]))"
    behind = SCATTERED + "fill_holes()\nprint(pages([[number] for number in range(1000)]))"

    assert int(said(behind)) < int(said(into_holes)) / 2


def test_large_things_are_made_behind_the_holes_too() -> None:
    program = SCATTERED + (
        "fill_holes()\n"
        "made = [bytes(2900) for _ in range(100)]\n"
        "print(max(map(id, made)) - min(map(id, made)) < 2 * 100 * 2900)"
    )

    assert said(program) == "True"


def test_filling_twice_takes_next_to_nothing_more() -> None:
    resident = "int(open('/proc/self/statm').read().split()[1])"
    program = SCATTERED + (
        f"fill_holes()\nbefore = {resident}\n"
        f"for _ in range(20): fill_holes()\n"
        f"print({resident} - before)"
    )

    assert int(said(program)) < 256


def test_moved_code_does_what_it_did() -> None:
    assert said(PACKED + "print(ran() == before, before)") == "True (84, ['tea', 'egg'])"


def test_only_what_ran_is_moved() -> None:
    moved = "print([each.__name__ for each in code if each.__code__ is not code[each]])"

    assert said(PACKED + moved) == "['ran', 'cook']"


def test_an_error_in_moved_code_is_shown_at_its_line() -> None:
    program = PACKED + (
        "import traceback\n"
        "try:\n    Cook().cook(1, 2)\n"
        "except TypeError as error:\n"
        "    print([frame.name for frame in traceback.extract_tb(error.__traceback__)])"
    )

    assert said(program) == "['<module>', 'cook', '<lambda>']"
