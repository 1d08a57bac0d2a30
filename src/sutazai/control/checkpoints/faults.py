"""What errors of the disk, of SQLite and of archives mean: the one place that says it."""

from __future__ import annotations

import errno
import sqlite3
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from sutazai.fleet.errors import BadCheckpoint, DiskFull, Unavailable

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CLASH = (FileExistsError, NotADirectoryError, IsADirectoryError)


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Raises DiskFull or Unavailable for ``what`` could not be written."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        full = isinstance(error, OSError) and error.errno in _FULL
        if full or "is full" in str(error):
            raise DiskFull(
                f"the disk is full: {what} could not be written",
                hint="make room, or let checkpoints go elsewhere: `checkpoints.to` or --to",
            ) from error
        raise Unavailable(f"{what} could not be written: {error}") from error


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Raises BadCheckpoint where ``name`` is damaged, and says which it is."""
    try:
        yield
    except BadCheckpoint as error:
        raise BadCheckpoint(
            f"checkpoint {name} cannot be used: {error.message}", hint=error.hint
        ) from error
    except (tarfile.TarError, EOFError, zlib.error, UnicodeError, *_CLASH) as error:
        raise BadCheckpoint(f"checkpoint {name} is damaged: {error}") from error
    except OSError as error:
        if error.errno is None:  # gzip's own: a wrong checksum, or no gzip at all
            raise BadCheckpoint(f"checkpoint {name} is damaged: {error}") from error
        raise
