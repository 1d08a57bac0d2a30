"""Gives memory back that an instance has and does not use."""

from __future__ import annotations

import ctypes
import mmap

LEAST = bytes(64 * 1024)
"""A shorter row of zeros is not worth a call."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_rows: dict[type, tuple[int, int]] = {}


def give_back_zeros(thing: object) -> None:
    """Lets go of the pages of a large buffer within ``thing``, which was made just now.

    Nothing changes for the program: such a page is there again, and full of zeros, as soon as it is
    touched. It is for an event loop of uvloop: Python fills the 250 KiB that it reads into with
    zeros, and each instance would hold them. Where the buffer is, is looked up once for each type,
    in the zygote.
    """
    if type(thing) not in _rows:
        _rows[type(thing)] = _row_of_zeros(thing)
    offset, size = _rows[type(thing)]
    begin = -(-(id(thing) + offset) // mmap.PAGESIZE) * mmap.PAGESIZE
    if size:
        _libc.madvise(begin, size, mmap.MADV_DONTNEED)


def _row_of_zeros(thing: object) -> tuple[int, int]:
    """Offset and size of a buffer; a page from either end of it, where other fields may be."""
    content = ctypes.string_at(id(thing), thing.__sizeof__())
    first = content.find(LEAST)
    if first < 0:
        return 0, 0
    zeros = len(content) - first - len(content[first:].lstrip(b"\0"))
    return first + mmap.PAGESIZE, (zeros // mmap.PAGESIZE - 3) * mmap.PAGESIZE
