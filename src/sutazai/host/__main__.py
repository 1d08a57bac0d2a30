"""``python -m sutazai.host STATE_DIR``: the supervisor of one machine."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop

from sutazai.fleet.places import Places
from sutazai.host.app import run
from sutazai.host.planes import planes


def main() -> None:
    """Runs until SIGTERM."""
    places = Places.of(Path(sys.argv[1]))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(places, planes(places)))


if __name__ == "__main__":
    main()
