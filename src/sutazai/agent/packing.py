"""Packs a zygote's memory, so that its forks write to few pages of it.

Python writes to nearly all that it uses, were it only to count references, and each page that a
fork writes to is one that it no longer shares. So what all forks write to should lie together, and
what they make anew should not come to lie in holes between what they share.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable
from types import CodeType, FrameType, FunctionType

POOL, POOL_HEADER = 16 * 1024, 48
"""Bytes of the pools that Python cuts small objects from, and of their headers."""
POOLS_MOST = 1024 * 1024
"""Bytes of holes of one size: where Python was told to use another allocator there are no pools."""
FEW = 4
"""Objects in a pool that is new; the numbers that are counted with may be in it too."""
SMALL = range(16, 513, 16)
"""Sizes of small objects; each pool has those of one size."""
LARGE = tuple(2**power for power in range(16, 9, -1))
LARGE += (768, 640, 576, 544, 528, *range(512, 15, -16))
"""Sizes of holes in the C library's heap, from the largest on."""


class _HeapInfo(ctypes.Structure):
    """What ``mallinfo2`` of the GNU C library tells; the last is what is free at the heap's end."""

    _fields_ = (("others", ctypes.c_size_t * 9), ("at_end", ctypes.c_size_t))


_libc = ctypes.CDLL(None)
_libc.malloc.restype, _libc.malloc.argtypes = ctypes.c_void_p, (ctypes.c_size_t,)
_libc.free.restype, _libc.free.argtypes = None, (ctypes.c_void_p,)
_python = ctypes.pythonapi
_python.PyObject_Malloc.restype = ctypes.c_void_p
_python.PyObject_Malloc.argtypes = (ctypes.c_size_t,)
_python.PyObject_Free.restype, _python.PyObject_Free.argtypes = None, (ctypes.c_void_p,)


def fill_holes() -> None:
    """Takes all free memory between what is in use, for good: what follows is made behind it.

    The holes that imports leave are some hundred KiB.
    """
    gc.collect()
    if hasattr(_libc, "mallinfo2"):
        _libc.mallinfo2.restype = _HeapInfo
        for size in LARGE:
            _fill_heap(size)
    for size in SMALL:
        _fill_pools(size)


def pack_code(play: Callable[[], object]) -> None:
    """Moves all code together that runs in ``play``; it lies among much that is never run.

    Python writes to code that it runs: references, and what it has learnt of its operands.
    """
    ran: dict[int, CodeType] = {}

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            ran[id(frame.f_code)] = frame.f_code

    sys.setprofile(note)
    try:
        play()
    finally:
        sys.setprofile(None)
    functions = (each for each in gc.get_objects() if type(each) is FunctionType)
    moved = [each for each in functions if id(each.__code__) in ran]
    fill_holes()
    for function in moved:
        function.__code__ = _copied(function.__code__)


def _copied(code: CodeType) -> CodeType:
    """A copy, with copies of the functions within it."""
    constants = (_copied(one) if isinstance(one, CodeType) else one for one in code.co_consts)
    return code.replace(co_consts=tuple(constants))


def _fill_heap(size: int) -> None:
    while True:
        before = _libc.mallinfo2().at_end
        place = _libc.malloc(size)
        if _libc.mallinfo2().at_end != before:
            _libc.free(place)
            return


def _fill_pools(size: int) -> None:
    for _ in range(POOLS_MOST // size):
        place = _python.PyObject_Malloc(size)
        if place % POOL == POOL_HEADER and _in_use(place - POOL_HEADER) <= FEW:
            _python.PyObject_Free(place)  # the first of a new pool
            return


def _in_use(pool: int) -> int:
    """How many objects are in a pool, which its header begins with."""
    return ctypes.c_uint32.from_address(pool).value
