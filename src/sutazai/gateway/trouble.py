"""Trouble that is made on purpose: for a while requests are delayed, and some of them cut.

So one sees before others do what a bad line does to a fleet; see `sutazai chaos`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from random import Random

from pydantic import Field

from sutazai.fleet.errors import PeerClosed
from sutazai.fleet.shapes import Shape
from sutazai.wire import Response, Sink


class TroubleOrder(Shape):
    """What `PUT /trouble` takes: ``drop`` is a share of the requests, the others are seconds.

    It ends by itself after ``lasts``; a later order takes its place.
    """

    drop: float = Field(0.0, ge=0, le=1)
    delay: float = Field(0.0, ge=0, le=60)
    lasts: float = Field(ge=0, le=3600)
    seed: int = 0


class Trouble:
    """Makes the trouble that was ordered last, until its time is over; ``ordered`` is called when
    there is some."""

    def __init__(
        self, ordered: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ordered = ordered
        self._clock = clock
        self._until = 0.0
        self._order = TroubleOrder(lasts=0.0)
        self._chance = Random(0)  # noqa: S311 (no secret)

    @property
    def is_on(self) -> bool:
        return self._until > 0.0 and self._clock() < self._until

    def order(self, order: TroubleOrder) -> None:
        self._order = order
        self._chance = Random(order.seed)  # noqa: S311 (as above)
        self._until = self._clock() + order.lasts
        self._ordered()

    async def befall(self) -> Response | None:
        """Delays a request; gives an answer that cuts its connection where it is to be cut."""
        await asyncio.sleep(self._order.delay)
        return Response(200, [], Cut()) if self._chance.random() < self._order.drop else None


class Cut:
    """A body that ends its connection before a byte was sent."""

    def attach(self, sink: Sink) -> None:
        sink.fail(PeerClosed("cut on purpose"))

    def hold(self) -> None:
        """Does nothing, as the others: there is nothing to send."""

    def go_on(self) -> None:
        """Does nothing."""

    async def aclose(self) -> None:
        """Does nothing."""
