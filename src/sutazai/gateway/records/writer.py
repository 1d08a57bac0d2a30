"""The one thread that writes records and dead letters, and what waits for it.

Calls are packed by the thread of the event loop, which has them at hand: for another core to fetch
them, and to give them back to be freed, costs more than the packing. Whoever has something to be
written never waits and never fails: where the thread or the disk is too slow, or the disk is full,
the oldest of what waits is dropped, and counted. The thread works for a tenth of the time at most,
so that a flood of refused calls does not cost the others their core.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from sutazai.fleet.errors import Unavailable
from sutazai.fleet.serving import Record
from sutazai.gateway.records.backlog import Backlog
from sutazai.gateway.records.batch import Batch, Text, Texts, batch_of, batch_row
from sutazai.gateway.records.bounds import forget_expired, keeps, shrink
from sutazai.gateway.records.call import CallRecord
from sutazai.gateway.records.file import CallsFile
from sutazai.gateway.records.letter import BODY_MAX, DeadLetter, kept_letter, letter_row
from sutazai.gateway.records.redaction import redact

log = logging.getLogger("sutazai.gateway")

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
Errand = tuple[Callable[[], Any], Future[Any]]

GATHER = 2.0
"""Seconds in which what comes is gathered into one write, unless it is `MANY` batches sooner, or
somebody reads. What came in these may be missing after the process was killed."""

BATCH, BATCH_BYTES = 256, 1024**2
"""Most calls of a batch, and bytes of their prompts and answers, but for those of the last one."""

MANY, MANY_BYTES = 40, 4 * 1024**2
"""Batches that are written at once, and their bytes."""

AT_ONCE, AT_ONCE_BYTES = 100, 1024**2
"""Batches or letters of one transaction, and their bytes."""

BATCHES, BATCHES_BYTES = 10_000, 16 * 1024**2
"""Batches that may wait, and their bytes: some 100,000 calls without prompts and answers."""

LETTERS, LETTERS_BYTES = 1_000, 16 * 1024**2
"""Dead letters that may wait, and bytes of their bodies."""

CONTENT_MAX = 64 * 1024
"""Characters that are kept of a prompt and of an answer."""

IDLE = 9.0
"""Times as long as it worked the thread rests at least."""

TIDY = 60.0
"""Seconds between two looks for what is too old."""

AGAIN = 5.0
"""Seconds until the next try where nothing could be written."""

SETTLE_WITHIN = 5.0
"""Seconds that reading waits for the writing of what was put before; then it does without."""

CLOSE_WITHIN = 10.0


class Writer:
    """Writes to the file at ``path``. All methods are for one thread, that of the event loop.

    Args:
        record: what is kept, and how long.
        wall: seconds since 1970.
    """

    def __init__(self, path: Path, record: Record, *, wall: Callable[[], float]) -> None:
        self._path = path
        self._file = CallsFile(path)
        self._record = record
        self._keeps = keeps(record)
        self._wall = wall
        self._calls: list[CallRecord] = []
        self._texts: list[Texts] = []
        self._texts_size = 0
        self._gathering: asyncio.TimerHandle | None = None
        self._batches: Backlog[Batch] = Backlog(limit=BATCHES, size=BATCHES_BYTES)
        self._letters: Backlog[DeadLetter] = Backlog(limit=LETTERS, size=LETTERS_BYTES)
        self._errands: SimpleQueue[Errand] = SimpleQueue()
        self._some = threading.Event()
        self._urgent = threading.Event()
        self._closing = threading.Event()
        self._tidied = float("-inf")
        self._tidied_for = record
        self._failing = False
        self._lost = 0  # taken and not written
        self._refused = 0  # letters that were too large
        self._thread = threading.Thread(target=self._run, name="gateway-records", daemon=True)

    @property
    def dropped(self) -> int:
        """Records and dead letters that were never written."""
        return self._batches.dropped + self._letters.dropped + self._lost + self._refused

    def start(self) -> None:
        self._thread.start()

    def apply(self, record: Record) -> None:
        """Keep this much from now on."""
        self._record = record
        self._keeps = keeps(record)
        self._hurry()

    def put_calls(self, records: Iterable[CallRecord]) -> None:
        """To be written soon."""
        if not self._keeps:
            return
        if self._gathering is None:
            self._gather()
        for record in records:
            if record.prompt is not None or record.answer is not None:
                record = self._put_texts(record)
            self._calls.append(record)
            if len(self._calls) >= BATCH or self._texts_size >= BATCH_BYTES:
                self._pack()

    def put_letter(self, letter: DeadLetter) -> None:
        """To be written soon, unless it is too large."""
        size = len(letter.body)
        if size > BODY_MAX:
            self._refused += 1
        elif self._keeps:
            self._letters.put(letter, size)
            if self._gathering is None:
                self._gather()

    def submit(self, work: Work[T]) -> Future[T]:
        """Has ``work`` done at the writer's connection, after all that was put before."""
        return self._send(partial(self._file.run, work))

    async def settle(self) -> None:
        """Until all that was put before is written, or cannot be just now."""
        if self._failing:  # each try loses what it takes: nobody who reads hastens the next one
            return
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(SETTLE_WITHIN):
                await asyncio.wrap_future(self._send(_nothing))

    def end(self) -> None:
        """Nothing is put any more; what waits is written."""
        self._pack()
        self._closing.set()
        self._hurry()

    def join(self) -> None:
        """Blocks until all is written, `CLOSE_WITHIN` seconds at most."""
        if self._thread.is_alive():
            self._thread.join(CLOSE_WITHIN)

    def _send(self, work: Callable[[], T]) -> Future[T]:
        """Has the thread do ``work`` after all that was put before."""
        future: Future[T] = Future()
        if self._closing.is_set() or not self._thread.is_alive():
            future.set_exception(Unavailable("the record of calls is closed"))
            return future
        self._pack()
        self._errands.put((work, future))
        self._hurry()
        return future

    def _gather(self) -> None:
        self._gathering = asyncio.get_running_loop().call_later(GATHER, self._hand_over)

    def _hand_over(self) -> None:
        """Has the thread write what came so far."""
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        self._pack()
        self._some.set()

    def _hurry(self) -> None:
        self._urgent.set()
        self._hand_over()

    def _put_texts(self, call: CallRecord) -> CallRecord:
        """``call`` without its texts, which are kept apart from it, or not at all."""
        if self._record.contents:
            prompt, answer = call.prompt, call.answer
            self._texts.append((len(self._calls), prompt, answer))
            self._texts_size += len(prompt or "") + len(answer or "")
        return call.without_texts()

    def _pack(self) -> None:
        if not self._calls:
            return
        batch = batch_of(self._calls, self._texts)
        size = len(batch.calls) + self._texts_size
        self._calls, self._texts, self._texts_size = [], [], 0
        count = self._batches.put(batch, size, weight=batch.length)
        if count >= MANY or self._batches.size >= MANY_BYTES:
            self._some.set()

    # in the thread

    def _run(self) -> None:
        while not self._closing.is_set():
            self._some.wait(TIDY)
            rest = self._work()
            if not self._closing.is_set():
                (self._closing if self._failing else self._urgent).wait(rest)
        self._work()
        self._file.close()

    def _work(self) -> float:
        """Writes some of what waits, or all of it where that is urgent; gives how long to rest."""
        begun = time.monotonic()
        for event in (self._urgent, self._some):  # before looking: nothing is missed
            event.clear()
        errands = self._take_errands()
        # For an errand all that was there before it, and not what a flood brings meanwhile.
        due = len(self._batches) + len(self._letters) if errands or self._closing.is_set() else 0
        try:
            while (more := self._write_some()) and (due := due - more) > 0:
                pass
            self._tidy()
        except Exception as error:  # noqa: BLE001 (what one row holds must not stop the others)
            more = 1
            self._ill(error)
        for errand in errands:
            self._run_errand(*errand)
        if more:
            self._some.set()
        return AGAIN if self._failing else IDLE * (time.monotonic() - begun)

    def _write_some(self) -> int:
        """How many batches and letters were written."""
        batches = self._batches.take(AT_ONCE, AT_ONCE_BYTES)
        letters = self._letters.take(AT_ONCE, AT_ONCE_BYTES)
        if not batches and not letters:
            return 0
        try:
            self._file.add(
                [batch_row(batch, _kept_text) for batch in batches],
                [letter_row(kept_letter(letter)) for letter in letters],
            )
        except BaseException:  # counted as lost, whatever stopped it
            self._lost += sum(batch.length for batch in batches) + len(letters)
            raise
        self._well()
        self._shrink()
        return len(batches) + len(letters)

    def _shrink(self) -> None:
        record = self._record
        self._file.run(lambda connection: shrink(connection, record))

    def _tidy(self) -> None:
        now, record, wall = time.monotonic(), self._record, self._wall()
        if now - self._tidied < TIDY and record is self._tidied_for:
            return
        if not (keeps(record) or self._path.exists()):
            return
        self._tidied, self._tidied_for = now, record
        self._file.run(lambda connection: forget_expired(connection, record, wall))
        self._shrink()

    def _take_errands(self) -> list[Errand]:
        errands = []
        while True:
            try:
                errands.append(self._errands.get_nowait())
            except Empty:
                return errands

    def _run_errand(self, work: Callable[[], Any], future: Future[Any]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 (told to who asked)
            future.set_exception(error)

    def _ill(self, error: Exception) -> None:
        if not self._failing:
            known = isinstance(error, Unavailable)
            log.warning("calls are not recorded: %s", error, exc_info=None if known else error)
        self._failing = True

    def _well(self) -> None:
        if self._failing:
            log.info("calls are recorded again; %d were not", self.dropped)
        self._failing = False


def _nothing() -> None:
    """All that whoever waits for what was put before wants done."""


def _kept_text(text: Text) -> str | None:
    if text is None:
        return None
    text = text[:CONTENT_MAX]
    return redact(text.decode("utf-8", "replace") if isinstance(text, bytes) else text)
