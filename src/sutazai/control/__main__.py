"""``python -m sutazai.control STATE_DIR``: the control plane of one fleet."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path

import uvloop

from sutazai.control.app import open_control
from sutazai.control.serving import serve
from sutazai.control.settings import read_settings
from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.places import Places
from sutazai.wire import ListenerSpec, fetch_listeners

LISTENER = "control"

log = logging.getLogger("sutazai.control")


def main() -> None:
    """Runs until SIGTERM; what is in flight is resumed by the next start. Where another fleet was
    accepted, the process starts anew as itself: the host need not notice."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            renews = runner.run(_run(Places.of(Path(sys.argv[1]))))
    except SutazaiError as error:
        log.error("%s%s", error, f" ({error.hint})" if error.hint else "")  # noqa: TRY400 (our own error says all)
        sys.exit(error.exit_code)
    if renews:
        os.execv(sys.executable, [sys.executable, "-m", "sutazai.control", *sys.argv[1:]])  # noqa: S606


async def _run(places: Places) -> bool:
    """Whether it is to start anew."""
    settings = read_settings(places)
    ports = settings.config.ports
    wanted = ListenerSpec(LISTENER, ports.host, ports.control)
    listeners = await fetch_listeners(places.keeper_socket, [wanted])
    async with open_control(settings) as parts:
        log.info("control of %s, listening on %s", settings.fleet.name, ports.url(ports.control))
        await serve(parts, listeners[LISTENER])
        return parts.renewing.is_set()


if __name__ == "__main__":
    main()
