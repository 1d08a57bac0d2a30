"""What must outlive control: the book of alerts and the outbox, in one file, so that an alert which
was noted as told is in the outbox."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from sutazai.fleet.files import replace_file
from sutazai.observe.alerts.book import Book
from sutazai.observe.alerts.outbox import Outbox

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kept:
    """Everything that is remembered."""

    book: Book = Book()  # noqa: RUF009 (frozen)
    outbox: Outbox = ()


_KEPT: TypeAdapter[Kept] = TypeAdapter(Kept)


def read_kept(path: Path) -> Kept:
    """What was kept; nothing where there is no file. One that cannot be read is put aside."""
    try:
        return _KEPT.validate_json(path.read_bytes())
    except FileNotFoundError:
        return Kept()
    except ValidationError as error:
        aside = path.with_suffix(".unreadable")
        path.replace(aside)
        log.warning("%s cannot be read and is now %s: %s", path, aside, error)
        return Kept()


def write_kept(path: Path, kept: Kept) -> None:
    """Keeps it; blocks. Raises OSError, and what was kept before is still there."""
    replace_file(path, _KEPT.dump_json(kept))
