"""``python -m sutazai.web STATE_DIR``: the dashboard of one fleet."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path

import uvloop

from sutazai.client import Control
from sutazai.fleet.errors import NotRunning, SutazaiError
from sutazai.fleet.places import Places
from sutazai.web.app import make_app, serve
from sutazai.wire import Address, Client, ListenerSpec, fetch_listeners

LISTENER = "web"

log = logging.getLogger("sutazai.web")


def main() -> None:
    """Runs until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(Places.of(Path(sys.argv[1]))))
    except SutazaiError as error:
        log.error("%s%s", error, f" ({error.hint})" if error.hint else "")  # noqa: TRY400 (our own error says all)
        sys.exit(error.exit_code)


async def _run(places: Places) -> None:
    config = json.loads(places.config.read_text(encoding="utf-8"))
    ports = config["ports"]
    if ports.get("web") is None:
        raise NotRunning("this fleet was started without a dashboard", hint="sutazai up")
    wanted = ListenerSpec(LISTENER, ports["host"], ports["web"])
    listeners = await fetch_listeners(places.keeper_socket, [wanted])
    token = places.token.read_text(encoding="utf-8").strip()
    async with Client() as client:
        address = Address.parse(f"http://{ports['host']}:{ports['control']}")
        app = make_app(
            Control(client, address, token, places),
            token=token,
            fleet=config["fleet"],
            host=ports["host"],
            port=ports["web"],
        )
        log.info("dashboard of %s on http://%s:%s", config["fleet"], ports["host"], ports["web"])
        await serve(app, listeners[LISTENER])


if __name__ == "__main__":
    main()
