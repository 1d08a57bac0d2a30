"""Nothing holds on to itself after a call, so the collector may rest; and when it does not."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

import pytest
import uvloop

from sutazai.fleet.places import Places
from sutazai.gateway.garbage import MANY, WORTH_A_LOOK, Collector
from sutazai.wire import Client
from tests.gateway.asking import OLLAMA, OPENAI, PATH, ask, chat, queued, streamed
from tests.gateway.fake_agents import FakeInstance
from tests.gateway.fake_backend import FakeBackend, Script
from tests.gateway.house import KEY, House, door, route

TIMES = 3


@dataclass
class Scene:
    """A gateway with a backend of two slots and an agent."""

    house: House
    fake: FakeBackend
    number: Iterator[int] = field(default_factory=count)

    def text(self) -> str:
        return f"question {next(self.number)}"


@asynccontextmanager
async def set_up(places: Places) -> AsyncIterator[Scene]:
    async with Client() as client, FakeBackend() as fake, FakeInstance(places.runtime) as instance:
        house = House(places, client)
        await house.start(route(fake), doors=[door("planner", port=0).model_dump()])
        await house.facts(instance.endpoint, full=True)
        try:
            yield Scene(house, fake)
        finally:
            await house.close()


Act = Callable[[Scene], Awaitable[object]]


def posts(path: str = PATH[OPENAI], **more: object) -> Act:
    async def act(scene: Scene) -> None:
        await scene.house.post(path, chat(scene.text(), **more))

    return act


def several(**more: object) -> Act:
    """More at once than there are slots, all with one text."""

    async def act(scene: Scene) -> None:
        text = scene.text()
        await asyncio.gather(*(ask(scene.house, chat(text, **more)) for _ in range(4)))

    return act


def scripted(**script: object) -> Act:
    """The backend fails, for whole answers and streamed ones; in the end its breaker is open."""

    async def act(scene: Scene) -> None:
        scene.fake.script = Script(**script)  # type: ignore[arg-type]
        for stream in (False, True):
            call = ask(scene.house, chat(scene.text(), stream=stream))
            await asyncio.gather(call, return_exceptions=True)

    return act


async def leave_the_queue(scene: Scene) -> None:
    hold = asyncio.Event()
    scene.fake.script = Script(hold=hold)
    calls = [ask(scene.house, chat(scene.text(), stream=each % 2 > 0)) for each in range(6)]
    await queued(scene.house, 4)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    hold.set()
    await scene.house.wait_for(lambda stats: not stats["running"])


async def leave_a_stream(scene: Scene) -> None:
    scene.fake.script = Script(hang_after=1)
    async with streamed(scene.house, chat(scene.text())):
        pass
    await scene.house.wait_for(lambda stats: not stats["running"])


async def go_home(scene: Scene) -> None:
    """A client that closes its connections."""
    body = json.dumps(chat(scene.text())).encode()
    async with Client() as client:
        await client.exchange("POST", scene.house.address, PATH[OPENAI], body)


async def knock_at_a_door(scene: Scene) -> None:
    await scene.house.post("/agents/planner/invoke", {"input": "work"}, key=KEY)


async def knock_at_no_door(scene: Scene) -> None:
    await scene.house.post("/agents/nobody/invoke", {"input": "work"}, key=KEY)


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(posts(), id="whole"),
        pytest.param(posts(stream=True), id="streamed"),
        pytest.param(posts(PATH[OLLAMA]), id="translated"),
        pytest.param(posts(PATH[OLLAMA], stream=True), id="translated stream"),
        pytest.param(posts(model="nobody's"), id="unknown model"),
        pytest.param(posts(messages="none"), id="refused by the backend"),
        pytest.param(several(), id="queued"),
        pytest.param(several(stream=True), id="queued streams"),
        pytest.param(several(temperature=0), id="shared"),
        pytest.param(several(temperature=0, stream=True), id="shared streams"),
        pytest.param(scripted(status=400), id="bad request"),
        pytest.param(scripted(status=500), id="failures"),
        pytest.param(scripted(drop_after=1), id="drops"),
        pytest.param(scripted(drop_after=-1), id="drops at once"),
        pytest.param(scripted(error_after=1), id="errors within"),
        pytest.param(scripted(nonsense_after=1), id="nonsense"),
        pytest.param(leave_the_queue, id="left the queue"),
        pytest.param(leave_a_stream, id="left a stream"),
        pytest.param(go_home, id="closed connections"),
        pytest.param(knock_at_a_door, id="door"),
        pytest.param(knock_at_no_door, id="no door"),
    ],
)
def test_calls_leave_nothing_that_holds_on_to_itself(places: Places, act: Act) -> None:
    # On the gateway's own event loop: transports of asyncio's do hold on to themselves.
    assert uvloop.run(left_by(act, places)) < TIMES


async def left_by(act: Act, places: Places) -> int:
    """Objects that only the collector finds, after the act was done so many times."""
    async with set_up(places) as scene:
        await act(scene)  # what the first one makes may stay
        with by_hand():
            for _ in range(TIMES):
                await act(scene)
            await asyncio.sleep(0.1)  # what is left behind is let go of
            return gc.collect()


class by_hand:  # noqa: N801 (used as a context manager)
    """Python collects nothing meanwhile by itself."""

    def __enter__(self) -> None:
        gc.collect()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        gc.unfreeze()
        gc.enable()
        gc.collect()


class Ring:
    """Holds on to itself."""

    def __init__(self) -> None:
        self.ring = self


@dataclass
class Place:
    """Whether calls are under way, as a collector is told."""

    quiet: bool

    def is_quiet(self) -> bool:
        return self.quiet


@pytest.mark.parametrize(
    ("quiet", "new", "collected"),
    [
        (True, WORTH_A_LOOK * 2, True),
        (True, WORTH_A_LOOK // 10, False),
        (False, WORTH_A_LOOK * 2, False),
        (False, MANY * 2, True),
    ],
)
def test_it_collects_when_nobody_waits_or_when_there_is_much(
    quiet: bool, new: int, collected: bool
) -> None:
    with by_hand():
        collector = Collector(Place(quiet).is_quiet)
        ring = Ring()
        seen = weakref.ref(ring)
        del ring
        kept: list[list[None]] = [[] for _ in range(new)]
        collector.look()
        assert (seen() is None) is collected
        del kept


def test_what_stays_is_not_looked_at_again_before_as_much_has_come() -> None:
    with by_hand():
        collector = Collector(Place(quiet=False).is_quiet)
        kept: list[list[None]] = [[] for _ in range(4 * MANY)]
        collector.look()
        ring = Ring()
        seen = weakref.ref(ring)
        del ring
        kept += [[] for _ in range(2 * MANY)]
        collector.look()
        assert seen() is not None
        kept += [[] for _ in range(3 * MANY)]
        collector.look()
        assert seen() is None
