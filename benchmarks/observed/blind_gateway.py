"""The gateway without metrics and call records, which no fleet has: to be compared with.

Run like `sutazai.gateway`. A call's record is still made: routing between versions and the idleness
of agents go by it, too.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from sutazai.gateway import __main__ as gateway
from sutazai.gateway import llm
from sutazai.gateway.calls.plant import Plant
from sutazai.gateway.metrics import Metrics
from sutazai.gateway.records.store import Store
from sutazai.gateway.records.summary import Recent

WATCHERS = (Metrics, Recent, Store)


@dataclass
class Blind(Plant):
    """Only those see a call end who decide by it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        ledger = self.ledger
        ledger.observers = tuple(one for one in ledger.observers if not isinstance(one, WATCHERS))


if __name__ == "__main__":
    setattr(llm, "Plant", Blind)  # noqa: B010 (which a type checker would not let pass)
    sys.exit(gateway.main())
