"""The pieces of one answer, read by several readers at their own pace. Pure, and bounded.

While a tape is open everything on it is kept, so that a new reader finds the answer's beginning.
Once it is sealed nobody can come any more, and pieces that all have read are forgotten.
"""

from __future__ import annotations


class Room:
    """What all tapes share: the bytes that they may hold together, and a count of readers cut.

    When it is full, tapes are sealed early, and slow readers are cut early.
    """

    __slots__ = ("cut", "held", "total")

    def __init__(self, total: int) -> None:
        self.total = total
        self.held = 0
        self.cut = 0

    @property
    def full(self) -> bool:
        return self.held >= self.total


class Reader:
    """A place on a tape. ``cut`` is true once it fell too far behind and may read no more."""

    __slots__ = ("cut", "next", "taken")

    def __init__(self) -> None:
        self.next = 0  # index of the next piece, counted from the tape's beginning
        self.taken = 0  # bytes read
        self.cut = False


class Tape:
    """Pieces in their order.

    Args:
        room: what it shares with other tapes.
        bound: bytes after which it is sealed, and by which a reader may be behind.
        tight: bytes by which a reader may be behind where the room is full.
    """

    __slots__ = (
        "_bound", "_first", "_pieces", "_readers", "_room", "_tight", "sealed", "written",
    )  # fmt: skip

    def __init__(self, room: Room, bound: int, tight: int) -> None:
        self._room = room
        self._bound = bound
        self._tight = tight
        self._pieces: list[bytes] = []
        self._first = 0  # index of the earliest piece that is kept
        self._readers: set[Reader] = set()
        self.written = 0
        self.sealed = False

    @property
    def has_readers(self) -> bool:
        return bool(self._readers)

    @property
    def lead(self) -> int:
        """Bytes that even the foremost reader has not read yet."""
        return self.written - max((reader.taken for reader in self._readers), default=0)

    def open(self) -> Reader:
        """A reader at the beginning. The tape must not be sealed."""
        reader = Reader()
        self._readers.add(reader)
        return reader

    def close(self, reader: Reader) -> None:
        self._readers.discard(reader)

    def append(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self.written += len(piece)
        self._room.held += len(piece)
        self.sealed = self.sealed or self.written > self._bound or self._room.full
        if self.sealed:
            self._forget(min((reader.next for reader in self._readers), default=self._end))

    def has_more(self, reader: Reader) -> bool:
        return reader.next < self._end

    def take(self, reader: Reader) -> bytes:
        """Everything that ``reader`` has not read yet, in one piece."""
        ahead = self._pieces[reader.next - self._first :]
        reader.next, reader.taken = self._end, self.written
        return ahead[0] if len(ahead) == 1 else b"".join(ahead)

    def cut_slow(self) -> None:
        """Closes the readers that are too far behind."""
        lag = self._tight if self._room.full else self._bound
        slow = [reader for reader in self._readers if self.written - reader.taken > lag]
        for reader in slow:
            reader.cut = True
            self._readers.discard(reader)
        self._room.cut += len(slow)

    def whole(self) -> bytes | None:
        """Everything that was ever written, None where a part of it is forgotten."""
        return None if self._first else b"".join(self._pieces)

    def release(self) -> None:
        """Forgets everything."""
        self.sealed = True
        self._forget(self._end)

    @property
    def _end(self) -> int:
        return self._first + len(self._pieces)

    def _forget(self, until: int) -> None:
        count = until - self._first
        if count > 0:
            self._room.held -= sum(map(len, self._pieces[:count]))
            del self._pieces[:count]
            self._first = until
