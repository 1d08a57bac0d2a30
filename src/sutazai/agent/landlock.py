"""Landlock: what a process may reach, said by itself and held by the kernel from then on.

https://docs.kernel.org/userspace-api/landlock.html. A process in a domain can neither read the
memory or environment of one outside nor trace it, and from ABI 6 on it can send it no signal.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass

LEAST = 3
"""The ABI from which on we use it (Linux 6.2): before, moved and truncated files escape it."""
PORTS = 4
"""The ABI from which on it knows TCP ports (Linux 6.7)."""
SIGNALS = 6

_CREATE, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_BENEATH, _PORT = 1, 2
_CONNECT_TCP = 1 << 1
_SCOPE_SIGNALS = 1 << 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_MOVE, _TRUNCATE = 1 << 13, 1 << 14
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_ALL = (1 << 15) - 1
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, kw_only=True)
class Fence:
    """What a domain lets through.

    Args:
        reads, writes: paths with all below them, None for all paths; missing ones are passed over.
        ports: TCP ports that may be connected to, None for all.
    """

    reads: tuple[str, ...] | None = None
    writes: tuple[str, ...] = ()
    ports: tuple[int, ...] | None = None


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


class _Port(ctypes.Structure):
    _fields_ = (("allowed", ctypes.c_uint64), ("port", ctypes.c_uint64))


def abi() -> int:
    """The version of Landlock that this kernel offers; 0 where it has none, or it is off."""
    found: int = _libc.syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION)
    return max(0, found)


def enclose(fence: Fence) -> None:
    """Puts this process, which gains no new privileges, into a domain. Raises OSError."""
    version = abi()
    attributes = _Ruleset(
        files=_MOVE if fence.reads is None else _ALL,
        network=0 if fence.ports is None else _CONNECT_TCP,
        scoped=_SCOPE_SIGNALS if version >= SIGNALS else 0,
    )
    ruleset = _call(
        _CREATE, ctypes.byref(attributes), ctypes.c_size_t(ctypes.sizeof(attributes)), 0
    )
    try:
        if fence.reads is None:
            _allow(ruleset, ("/",), _MOVE)  # every domain denies moves that are not allowed
        else:
            _allow(ruleset, fence.reads, _READ)
            _allow(ruleset, fence.writes, _ALL)
        for port in fence.ports or ():
            rule = _Port(allowed=_CONNECT_TCP, port=port)
            _call(_ADD_RULE, ruleset, _PORT, ctypes.byref(rule), 0)
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, paths: Iterable[str], rights: int) -> None:
    for path in paths:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
                allowed = rights if folder else rights & _OF_FILES
                rule = _Beneath(allowed=allowed, parent=descriptor)
                _call(_ADD_RULE, ruleset, _BENEATH, ctypes.byref(rule), 0)
            finally:
                os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    result: int = _libc.syscall(number, *arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), "landlock")
    return result
