"""What must hold of a tape whatever its readers do (Hypothesis)."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sutazai.gateway.sharing.tape import Reader, Room, Tape

BOUND, TIGHT, TOTAL = 100, 20, 150

pieces = st.binary(min_size=1, max_size=60)


class TapeMachine(RuleBasedStateMachine):
    """Beside the tape, everything that was ever written and what each reader got of it."""

    def __init__(self) -> None:
        super().__init__()
        self.room = Room(TOTAL)
        self.other = Tape(self.room, 10**6, TIGHT)
        self.tape = Tape(self.room, BOUND, TIGHT)
        self.written = b""
        self.got: dict[Reader, bytes] = {}

    @precondition(lambda self: not self.tape.sealed)
    @rule()
    def open(self) -> None:
        self.got[self.tape.open()] = b""

    @rule(piece=pieces)
    def append(self, piece: bytes) -> None:
        self.tape.cut_slow()
        for reader in [reader for reader in self.got if reader.cut]:
            lag = len(self.written) - len(self.got.pop(reader))
            assert lag > (TIGHT if self.room.full else BOUND)
        self.tape.append(piece)
        self.written += piece

    @rule(size=st.integers(1, 100))
    def others_grow(self, size: int) -> None:
        self.other.append(bytes(size))

    @rule()
    def others_end(self) -> None:
        self.other.release()
        self.other = Tape(self.room, 10**6, TIGHT)

    @precondition(lambda self: self.got)
    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        reader = data.draw(st.sampled_from(list(self.got)))
        if self.tape.has_more(reader):
            self.got[reader] += self.tape.take(reader)
        assert self.got[reader] == self.written
        assert not self.tape.has_more(reader)

    @precondition(lambda self: self.got)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        reader = data.draw(st.sampled_from(list(self.got)))
        del self.got[reader]
        self.tape.close(reader)

    @invariant()
    def each_reader_is_where_it_read(self) -> None:
        assert all(self.written.startswith(got) for got in self.got.values())
        foremost = max((len(got) for got in self.got.values()), default=0)
        assert self.tape.lead == len(self.written) - foremost
        assert self.tape.has_readers == bool(self.got)

    @invariant()
    def what_is_whole_is_everything(self) -> None:
        assert self.tape.whole() in (None, self.written)
        assert self.tape.sealed or self.tape.whole() == self.written

    @invariant()
    def it_is_bounded(self) -> None:
        assert self.tape.sealed or len(self.written) <= BOUND
        assert self.room.held >= 0

    def teardown(self) -> None:
        self.tape.release()
        self.other.release()
        assert self.room.held == 0


TestTape = TapeMachine.TestCase
TestTape.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
