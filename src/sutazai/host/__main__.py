"""``python -m sutazai.host STATE_DIR``: the supervisor of one machine."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

import uvloop

from sutazai.fleet.places import Places
from sutazai.host.app import run
from sutazai.host.planes import planes


def main() -> None:
    """Runs until SIGTERM."""
    # It shares the log of the keeper, and writes in its form.
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s host: %(levelname)s %(name)s: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S%z",
    )
    places = Places.of(Path(sys.argv[1]))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(places, planes(places)))


if __name__ == "__main__":
    main()
