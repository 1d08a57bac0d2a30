"""Asks all processes of the house for their metrics, every ten seconds, for the history and for
whoever looks at the latest."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from sutazai.control.metrics.keeping import Keeping
from sutazai.control.metrics.table import CONTROL, ControlFigures
from sutazai.control.peers import MEASURING, Peer
from sutazai.fleet.errors import BadPeer, SutazaiError, Unavailable
from sutazai.observe.prometheus.parsing import Parser
from sutazai.observe.samples import Sample
from sutazai.store import Database, Figures, WorkFigures
from sutazai.wire.exposition import families
from sutazai.wire.process import own_families

EVERY = 10.0
"""Seconds between two looks."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """What does not change while control runs, and where to ask for what does: how many problems
    there are, samples of service levels, and how many traces were sent and dropped. ``folder`` is
    whose disk is watched."""

    revision: int
    schedules: int
    folder: Path
    problems: Callable[[], int]
    objectives: Callable[[], Sequence[Sample]]
    traces: Callable[[], tuple[int, int] | None]


class Collector:
    """Reads metrics.

    Args:
        clock: seconds since 1970.

    Attributes:
        latest: all samples of the last look.
    """

    def __init__(
        self,
        peers: Iterable[Peer],
        database: Database,
        keeping: Keeping,
        fixed: Fixed,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.latest: tuple[Sample, ...] = ()
        self._peers = tuple(peers)
        self._database = database
        self._figures = Figures(database)
        self._keeping = keeping
        self._fixed = fixed
        self._clock = clock
        self._up = {peer.name: False for peer in self._peers}
        self._parser = Parser()

    async def run(self) -> None:
        """Looks and keeps what was seen, until cancelled."""
        while True:
            begun = time.monotonic()
            await self.look()
            await self._keeping.keep(self.latest, at=self._clock(), now=time.monotonic())
            await asyncio.sleep(max(0.0, EVERY - (time.monotonic() - begun)))

    async def look(self) -> None:
        """Asks everybody once; who does not answer is left out, and told to be down."""
        texts = await asyncio.gather(*map(self._told_by, self._peers))
        texts.append(await self.own())
        self.latest = await asyncio.to_thread(self._parsed, texts)

    async def own(self) -> bytes:
        """What control tells of itself."""
        figures = await self._now()
        return b"".join(chain(families(CONTROL, [figures]), own_families("control")))

    async def _told_by(self, peer: Peer) -> bytes:
        try:
            text = await peer_text(peer)
        except SutazaiError:
            self._up[peer.name] = False
            return b""
        self._up[peer.name] = True
        return text

    def _parsed(self, texts: Iterable[bytes]) -> tuple[Sample, ...]:
        return tuple(
            sample
            for text in texts
            for sample in self._parser.samples(text.decode(errors="replace"))
        )

    async def _now(self) -> ControlFigures:
        begun = time.monotonic()
        work = await self._work()
        return ControlFigures(
            now=self._clock(),
            revision=self._fixed.revision,
            problems=self._fixed.problems(),
            schedules=self._fixed.schedules,
            work=work,
            latency=None if work is None else time.monotonic() - begun,
            connections=self._database.connections,
            peers=dict(self._up),
            recording=self._keeping.recording,
            history_size=self._keeping.size,
            disk=await asyncio.to_thread(_disk, self._fixed.folder),
            objectives=self._fixed.objectives(),
            traces=self._fixed.traces(),
        )

    async def _work(self) -> WorkFigures | None:
        try:
            return await self._figures.read()
        except Unavailable:  # metrics are read most when something is wrong
            return None


async def peer_text(peer: Peer) -> bytes:
    """The metrics of a peer, as it tells them. Raises any SutazaiError."""
    async with await peer.stream("GET", "/metrics", timeout=MEASURING) as answer:
        if answer.status != 200:
            raise BadPeer(f"the {peer.name} answered {answer.status} when asked for metrics")
        return await answer.read()


def _disk(folder: Path) -> tuple[int, int] | None:
    """Bytes that are free to us, and all of them."""
    try:
        seen = os.statvfs(folder)
    except OSError as error:
        log.warning("the disk of %s cannot be looked at: %s", folder, error)
        return None
    return seen.f_bavail * seen.f_frsize, seen.f_blocks * seen.f_frsize
