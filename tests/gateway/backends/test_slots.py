"""Whether the number of slots is found, on a fake server in virtual time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from sutazai.gateway.backends.slots import CALM, MOST, AdaptiveSlots

TOKENS, RATE = 100.0, 20.0


@dataclass
class Generation:
    """A call at the server: when it came, what is left of its prompt and its answer, in seconds of
    the server to itself."""

    came: float
    prompt: float
    tokens: int
    answer: float
    first: float | None = None


@dataclass
class FakeOllama:
    """Computes ``parallel`` generations at once and makes the others wait inside, first come first
    served. All that it computes at once share it: n of them get n to the power of ``scaling`` times
    what one gets.

    Args:
        prompt: mean seconds of a prompt, answers taking five on average.
        tells: whether first tokens are seen (they are not, without streams).
    """

    parallel: int
    scaling: float = 0.7
    prompt: float = 0.5
    tells: bool = True
    seed: int = 1
    now: float = 0.0
    waiting: int = 1_000
    slots: AdaptiveSlots = field(default_factory=AdaptiveSlots)
    _inside: list[Generation] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def serve(self, calls: int) -> list[int]:
        """The number of slots after each of so many calls, while more than enough ask."""
        counts: list[int] = []
        while len(counts) < calls:
            while len(self._inside) < self.slots.count:
                self._inside.append(self._call())
            counts.extend(self._step())
        return counts

    def _call(self) -> Generation:
        tokens = max(1, int(self._random.lognormvariate(0, 0.6) * TOKENS))
        prompt = self.prompt * self._random.uniform(0.5, 1.5)
        return Generation(self.now, prompt, tokens, tokens / RATE)

    def _step(self) -> Iterator[int]:
        """Up to the next first token or end."""
        active = self._inside[: self.parallel]
        speed = len(active) ** (self.scaling - 1)
        work = min(each.prompt or each.answer for each in active)
        self.now += work / speed
        for each in active:
            if each.prompt:
                each.prompt = max(each.prompt - work, 0.0) if each.prompt - work > 1e-9 else 0.0
                each.first = self.now - each.came
            else:
                each.answer -= work
                if each.answer <= 1e-9:
                    yield self._end(each)

    def _end(self, call: Generation) -> int:
        running = len(self._inside)
        self._inside.remove(call)
        self.slots.ended(
            self.now,
            model="m",
            tokens=call.tokens,
            seconds=(self.now - call.came) * self._random.uniform(0.98, 1.02),
            first_token=call.first if self.tells else None,
            running=running,
            waiting=self.waiting,
        )
        return self.slots.count


def settled(parallel: int, **how: float | bool | int) -> FakeOllama:
    server = FakeOllama(parallel, **how)  # type: ignore[arg-type]
    server.serve(600)
    return server


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("scaling", [0.5, 0.7, 0.95])
@pytest.mark.parametrize("parallel", [1, 2, 4, 8])
def test_the_number_is_found_within_250_calls_and_stays(
    parallel: int, scaling: float, seed: int
) -> None:
    counts = FakeOllama(parallel, scaling, seed=seed).serve(1_200)[250:]
    near = sum(abs(count - parallel) <= 1 for count in counts)
    assert near / len(counts) >= 0.98, sorted(set(counts))
    assert counts.count(parallel) / len(counts) > 0.6


@pytest.mark.parametrize("parallel", [1, 2, 4, 8])
def test_it_is_found_without_first_tokens_too(parallel: int) -> None:
    counts = FakeOllama(parallel, tells=False).serve(1_200)[400:]
    near = sum(abs(count - parallel) <= 1 for count in counts)
    assert near / len(counts) >= 0.9, sorted(set(counts))


def test_long_prompts_do_not_look_like_waiting() -> None:
    counts = FakeOllama(4, prompt=4.0).serve(1_200)[400:]
    assert all(3 <= count <= 5 for count in counts)


def test_a_server_that_gains_nothing_by_company_gets_one_at_a_time() -> None:
    assert set(FakeOllama(8, scaling=0.05).serve(600)[100:]) <= {1, 2}


def test_a_server_without_a_bound_gets_the_most() -> None:
    counts = FakeOllama(1_000, scaling=0.95).serve(3_000)
    assert max(counts) == MOST and counts[-1] > MOST / 2


def test_a_server_that_is_given_more_room_is_found_out() -> None:
    server = settled(2)
    server.parallel = 4
    assert server.serve(1_500)[-1] in (3, 4, 5)


def test_a_server_that_loses_room_is_found_out() -> None:
    server = settled(8)
    assert server.slots.count >= 7
    server.parallel = 2
    assert server.serve(2_500)[-1] <= 3


def test_without_demand_nothing_is_measured() -> None:
    slots = AdaptiveSlots()
    for number in range(500):
        told = slots.ended(
            float(number), model="m", tokens=10, seconds=0.5, first_token=0.1, running=1, waiting=0
        )
        assert told is None
    assert slots.count == 1


def feed(slots: AdaptiveSlots, now: float, model: str, calls: int) -> float:
    """Calls of one second each, one after the other; gives the time of the last one's end."""
    for _ in range(calls):
        now += 1.0
        slots.ended(now, model=model, tokens=10, seconds=1.0, first_token=0.1,
                    running=slots.count, waiting=5)  # fmt: skip
    return now


def test_one_model_is_measured_at_a_time() -> None:
    slots = AdaptiveSlots()
    now = feed(slots, 0.0, "a", 3)
    now = feed(slots, now, "b", 30)
    assert slots.count == 1, "too few calls of the one, and the other does not count"
    feed(slots, now, "a", 30)
    assert slots.count > 1


def test_another_model_is_measured_once_the_first_is_not_asked_for() -> None:
    slots = AdaptiveSlots()
    now = feed(slots, 0.0, "a", 3)
    feed(slots, now, "b", 100)
    assert slots.count > 1


def test_overload_halves_it_once() -> None:
    server = settled(8)
    before, now = server.slots.count, server.now
    assert server.slots.overloaded(now) == before // 2
    assert server.slots.overloaded(now + 1) is None, "the same overload, told by another call"
    assert server.slots.count == before // 2
    assert server.slots.overloaded(now + CALM) == before // 4
    assert server.serve(600)[-1] >= 7, "and it comes back"


def test_it_never_goes_below_one() -> None:
    slots = AdaptiveSlots()
    assert slots.overloaded(0.0) is None and slots.overloaded(100.0) is None
    assert slots.count == 1


def test_calls_without_tokens_are_counted_as_calls() -> None:
    slots, now = AdaptiveSlots(), 0.0
    while slots.count == 1 and now < 100:
        now += 1.0
        slots.ended(now, model="m", tokens=0, seconds=1.0, first_token=None, running=1, waiting=5)
    assert slots.count == 2
