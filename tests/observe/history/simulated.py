"""The history of a fleet of 150 agents that all work, over simulated time."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from sutazai.observe.history import CHOSEN, History, Tier
from sutazai.observe.prometheus.parsing import Parser
from sutazai.observe.samples import Sample
from tests.observe.prometheus.fullest import control_text, gateway_text, host_text

AGENTS = 150
BEGIN = 1_800_000_000


def size_after(path: Path, tiers: Sequence[Tier], looks: int) -> int:
    """Bytes on disk after so many looks at the pace of the finest tier.

    Every series has a new random value each time, so nothing compresses: no fleet takes more.
    """
    parser, chance = Parser(), random.Random(1)
    told = chain.from_iterable(
        parser.samples(text) for text in (host_text(), gateway_text(), control_text())
    )
    series = [(one.name, one.labels) for one in told if one.name in CHOSEN]
    history = History(path, tiers)
    try:
        for look in range(looks):
            samples = [Sample(*one, chance.random()) for one in series]
            history.record(BEGIN + look * tiers[0].step, samples)
        return history.size
    finally:
        history.close()
