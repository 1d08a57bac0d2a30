"""What computes in the fake LLM server: slots with a queue before them, rates, a prompt cache.

Everything that is asked of it goes into a ledger, so that a test can say afterwards what was
computed for whom, how long it took, and what was computed for nobody.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

CHARS_OF_TOKEN = 4


@dataclass(frozen=True)
class Pace:
    """How fast it computes. Rates are in tokens a second, nought is no time at all.

    Args:
        slots: calls computed at once, the others wait in their order; None for any number.
        first: seconds before the first token, whatever the prompt.
        prefill: rate at which prompts are read.
        decode: rate at which each slot writes.
        caches: each slot keeps its last prompt, of which the next one's same beginning is free.
        notice: seconds until it stops for a client that has left.
        deaf: whether it never notices that where it does not stream (as llama.cpp's server).
    """

    slots: int | None = None
    first: float = 0.0
    prefill: float = 0.0
    decode: float = 0.0
    caches: bool = False
    notice: float = 0.0
    deaf: bool = False


@dataclass
class Entry:
    """One request in the ledger. Times are monotonic seconds, comparable on one machine.

    ``evaluated`` and ``generated`` are tokens of the prompt and of the answer that were computed,
    ``cached`` those of the prompt that were not; ``late`` is what was computed, of both, after the
    client was seen to have left. ``how``: empty while it runs, then done, left, refused, or broken.
    """

    number: int
    path: str
    model: str
    words: str
    stream: bool
    received: float
    began: float | None = None
    prefilled: float | None = None
    left: float | None = None
    ended: float | None = None
    slot: int | None = None
    prompt: int = 0
    cached: int = 0
    evaluated: int = 0
    generated: int = 0
    late: int = 0
    how: str = ""

    def computed_after(self, moment: float) -> float:
        """The tokens that were computed after ``moment``, as if each phase were even."""
        reading = _share_after(moment, self.began, self.prefilled or self.ended) * self.evaluated
        return reading + _share_after(moment, self.prefilled, self.ended) * self.generated


def _share_after(moment: float, start: float | None, end: float | None) -> float:
    if start is None or end is None or end <= moment:
        return 0.0
    return 1.0 if moment <= start else (end - moment) / (end - start)


@dataclass
class Slot:
    number: int
    kept: str = ""
    used: float = 0.0


class Engine:
    """Computes at the pace that ``pace`` tells at the time; slots can only become more."""

    def __init__(self, pace: Callable[[], Pace]) -> None:
        self._pace = pace
        self.ledger: list[Entry] = []
        self.running = 0
        self.most_running = 0
        self._free: list[Slot] = []
        self._made = 0
        self._waiting: deque[asyncio.Future[Slot]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def pace(self) -> Pace:
        return self._pace()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs ``work``, which may outlive its client, but not this engine."""
        task = asyncio.create_task(work, name="fake-computation")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def enter(self, path: str, body: dict[str, Any], prompt: str, words: str) -> Entry:
        entry = Entry(
            number=len(self.ledger),
            path=path,
            model=str(body.get("model")),
            words=words,
            stream=bool(body.get("stream")),
            received=time.monotonic(),
            prompt=max(len(prompt) // CHARS_OF_TOKEN, 1),
        )
        self.ledger.append(entry)
        return entry

    async def compute(self, entry: Entry, prompt: str, tokens: int) -> AsyncIterator[int]:
        """Waits for a slot, reads ``prompt``, and gives the numbers of ``tokens`` as they come."""
        slot = await self._take(prompt)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        entry.slot, entry.began = slot.number, time.monotonic()
        try:
            await self._read(entry, slot, prompt)
            entry.prefilled = due = time.monotonic()
            for number in range(tokens):
                if self.pace.decode:
                    due += 1 / self.pace.decode
                    await _until(due)
                entry.generated += 1
                entry.late += entry.left is not None
                yield number
        finally:
            self.running -= 1
            slot.used = time.monotonic()
            self._give(slot)

    async def _read(self, entry: Entry, slot: Slot, prompt: str) -> None:
        pace = self.pace
        if pace.caches:
            same = same_beginning(slot.kept, prompt) // CHARS_OF_TOKEN
            entry.cached = min(same, entry.prompt - 1)  # the last token is always read
            slot.kept = prompt
        todo = entry.prompt - entry.cached
        begun = time.monotonic()
        try:
            await asyncio.sleep(pace.first + (todo / pace.prefill if pace.prefill else 0.0))
            entry.evaluated = todo
        except asyncio.CancelledError:
            entry.evaluated = min(int((time.monotonic() - begun) * pace.prefill), todo)
            raise
        finally:
            if entry.left is not None:
                late = time.monotonic() - entry.left
                entry.late += min(int(late * pace.prefill), entry.evaluated)

    # slots

    async def _take(self, prompt: str) -> Slot:
        slots = self.pace.slots
        if self._free and not self._waiting:
            return self._best(prompt)
        if slots is None or self._made < slots:
            self._made += 1
            return Slot(self._made)
        future: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._give(future.result())
            elif future in self._waiting:
                self._waiting.remove(future)
            raise

    def _best(self, prompt: str) -> Slot:
        """The free slot that has kept most of the prompt, or was not used for longest."""

        def worth(slot: Slot) -> tuple[int, float]:
            return same_beginning(slot.kept, prompt), -slot.used

        slot = max(self._free, key=worth)
        self._free.remove(slot)
        return slot

    def _give(self, slot: Slot) -> None:
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(slot)
                return
        self._free.append(slot)


def same_beginning(one: str, other: str) -> int:
    """How many characters are the same at the beginning of both."""
    least, most = 0, min(len(one), len(other))
    while least < most:
        middle = (least + most + 1) // 2
        if one[least:middle] == other[least:middle]:
            least = middle
        else:
            most = middle - 1
    return least


async def _until(moment: float) -> None:
    """Tokens that are overdue come together: a sleep takes longer than a fast server's token."""
    wait = moment - time.monotonic()
    if wait > 0:
        await asyncio.sleep(wait)


class Computation:
    """One call's computing, in a task of its own: it may outlive the client."""

    def __init__(self, engine: Engine, entry: Entry, prompt: str, tokens: int) -> None:
        self._engine = engine
        self._entry = entry
        self._given: asyncio.Queue[int | None] = asyncio.Queue()
        self._task = engine.begin(self._run(prompt, tokens))

    async def tokens(self) -> AsyncIterator[int]:
        while (number := await self._given.get()) is not None:
            yield number

    def end(self, how: str) -> None:
        """The answer was given, or could not be."""
        self._settle(how)
        self._task.cancel()

    def leave(self, notice: float | None) -> None:
        """The client is gone; it is noticed after ``notice`` seconds, None for never."""
        entry = self._entry
        entry.left = time.monotonic()
        if notice == 0:
            self.end("left")
        elif notice is not None:
            asyncio.get_running_loop().call_later(notice, self.end, "left")

    async def _run(self, prompt: str, tokens: int) -> None:
        computed = self._engine.compute(self._entry, prompt, tokens)
        try:
            async for number in computed:
                self._given.put_nowait(number)
            self._given.put_nowait(None)
            if self._entry.left is not None:
                self._settle("left")
        finally:
            await computed.aclose()  # type: ignore[attr-defined]

    def _settle(self, how: str) -> None:
        if not self._entry.how:
            self._entry.how, self._entry.ended = how, time.monotonic()
