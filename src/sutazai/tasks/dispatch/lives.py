"""The lives of executors: each says that it lives, and takes over from those that died.

An executor's id is that of one life. So whatever stands under another id of the same name, or under
one that was silent for too long, is nobody's any more: attempts whose result was recorded end with
it, the others are made again, and runs go on at their last recorded step. One that was silent and
yet alive may claim a task before it hears that it was taken for dead; the task is found by its
executor, which is nobody that is known.
"""

from __future__ import annotations

import asyncio
import logging
import time

from sutazai.fleet.errors import Failed, Unavailable
from sutazai.fleet.ids import new_tag
from sutazai.store import Executors, Turns
from sutazai.store.turns import Claim, Ended
from sutazai.tasks.dispatch.dispatcher import STEP, Dispatcher
from sutazai.tasks.dispatch.ending import ending, released
from sutazai.tasks.engine import Engine
from sutazai.tasks.outcome import Outcome

BEAT = 2.0
SILENCE = 9.0
"""Seconds after which one that says nothing is taken for dead; others notice within a beat."""

log = logging.getLogger(__name__)


def new_life(name: str) -> str:
    """An id for a life of ``name`` that begins."""
    return f"{name[:48]}-{new_tag()}"


class Lives:
    """This executor's life, and those of the others.

    Args:
        name: what stays the same over its lives; one of them can be alive only.
    """

    def __init__(
        self,
        name: str,
        executors: Executors,
        turns: Turns,
        engine: Engine,
        dispatcher: Dispatcher,
    ) -> None:
        self._name = name
        self._executors = executors
        self._turns = turns
        self._engine = engine
        self._dispatcher = dispatcher
        self._me = dispatcher.executor

    async def begin(self) -> None:
        """Enters, once the engine is launched, and takes over what earlier lives left."""
        await self._executors.enter(self._me, self._name)
        for executor in await self._executors.earlier(self._me, self._name):
            await self._take_over(executor)

    async def run(self) -> None:
        """Beats and watches the others, until cancelled. Raises Failed when others took this one
        for dead: it must end, for its work is theirs now."""
        while True:
            try:
                await self._live()
            except Unavailable as error:
                log.warning("no sign of life could be given: %s", error)
            await asyncio.sleep(BEAT)

    async def end(self) -> None:
        """Leaves what is under way to the others, or to the next life."""
        try:
            await self._executors.leave(self._me, self._name)
        except Unavailable as error:
            log.warning("the others will notice only later that this one ended: %s", error)

    async def _live(self) -> None:
        if not await self._executors.beat(self._me):
            raise Failed(
                f"{self._me} was silent for so long that others took over its work",
                hint="it is started again with a new id",
            )
        at_work = await self._turns.executors()  # first: who is new enters before it works
        silences = await self._executors.silences()
        dead = {other for other, silence in silences.items() if silence > SILENCE}
        self._dispatcher.share(len(silences) - len(dead))
        for executor in dead | (at_work - silences.keys()):
            if executor != self._me:
                await self._take_over(executor)

    async def _take_over(self, executor: str) -> None:
        """May be done twice, or by several at once: the fence lets each attempt end once."""
        claims = await self._turns.running(executor)
        log.info("taking over %d tasks of %s", len(claims), executor)
        await self._dispatcher.settle([await self._what_became(claim) for claim in claims])
        await self._engine.abandon([claim.workflow for claim in claims])
        await self._engine.adopt(executor)
        await self._executors.remove(executor)

    async def _what_became(self, claim: Claim) -> Ended:
        outcome = await self._engine.recorded(claim.workflow, STEP)
        if isinstance(outcome, Outcome) and not outcome.withdrawn:
            return ending(claim, outcome, time.time())
        return released(claim, f"{claim.executor} died while it was worked on", time.time())
