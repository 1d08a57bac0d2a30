"""The calls to the kernel that Python's library lacks, and the limit of open files."""

from __future__ import annotations

import ctypes
import os
import resource

KEEPER_NAME = "sutazai-keeper"  # the kernel keeps 15 characters

_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_MOST_OPEN_FILES = 65536  # a soft limit of a billion makes programs that close "all" files crawl


def become_subreaper() -> None:
    """From now on every descendant whose parent died becomes our child. Raises OSError."""
    _prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1))


def take_name() -> None:
    """Shows as ``KEEPER_NAME`` in ps, and to a later keeper that asks who lives."""
    _prctl(_PR_SET_NAME, ctypes.c_char_p(KEEPER_NAME.encode()))


def raise_open_files() -> int:
    """Lifts the soft limit of open files towards the hard one; returns it.

    One listener takes one file. Children inherit it: the gateway needs it just as much.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ceiling = _MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < ceiling:
        resource.setrlimit(resource.RLIMIT_NOFILE, (ceiling, hard))
        soft = ceiling
    return _MOST_OPEN_FILES if soft == resource.RLIM_INFINITY else soft


def _prctl(option: int, argument: ctypes.c_ulong | ctypes.c_char_p) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    if libc.prctl(option, argument, zero, zero, zero) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
