"""Imports a module in a zygote, and tells whether instances can still be forked from there.

What an import leaves open or running would be shared by all that is forked later, or be missing in
it: a thread is not in the fork, and two processes on one connection or event loop disturb each
other.
"""

from __future__ import annotations

import gc
import importlib
import os
import traceback
from dataclasses import dataclass
from enum import StrEnum

TEXT_MAX = 2000
_SHARED = {"anon_inode:[eventpoll]": "an event loop", "socket:": "a connection"}


class Fitness(StrEnum):
    """What an import has made of its zygote."""

    FIT = "fit"
    UNFIT = "unfit"
    """It must not fork: what was imported is imported by each instance in an interpreter of its
    own."""
    FAILED = "failed"
    """The import failed, as it will in an instance, which then says so."""


@dataclass(frozen=True)
class Verdict:
    """``reason`` is empty for what is fit."""

    fitness: Fitness
    reason: str = ""


def preload(module: str) -> Verdict:
    """Imports ``module``, whatever that does."""
    before = _opened()
    try:
        importlib.import_module(module)
    except BaseException as error:  # noqa: BLE001 (somebody else's code; the instance will say it)
        text = "".join(traceback.format_exception_only(error)).strip()
        return Verdict(Fitness.FAILED, f"importing {module} failed: {text[:TEXT_MAX]}")
    gc.collect()
    if (threads := len(os.listdir("/proc/self/task")) - 1) > 0:
        return Verdict(Fitness.UNFIT, f"importing {module} starts {threads} thread(s)")
    if left := sorted(_opened() - before):
        return Verdict(Fitness.UNFIT, f"importing {module} opens {left[0][1]}")
    return Verdict(Fitness.FIT)


def _opened() -> set[tuple[str, str]]:
    """Event loops and connections of this process: what each descriptor is, and in words."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:  # the one that lists them
            continue
        found |= {(target, words) for sign, words in _SHARED.items() if target.startswith(sign)}
    return found
