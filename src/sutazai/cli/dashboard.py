"""`sutazai dashboard`: a login link for a browser."""

from __future__ import annotations

import secrets
import time

import typer

from sutazai.cli import fleets
from sutazai.cli.config import Config, read_config, read_token
from sutazai.cli.options import StateOption
from sutazai.fleet.errors import NotRunning
from sutazai.fleet.places import Places
from sutazai.fleet.tickets import LINK, Ticket

LINK_SECONDS = 600

app = typer.Typer()


@app.command()
def dashboard(state: StateOption = None) -> None:
    """Print a link that logs a browser in, once, within ten minutes."""
    places = fleets.running(state)
    config = read_config(places)
    if (link := login_link(config, places)) is None:
        raise NotRunning(
            "this fleet has no dashboard: it was not installed when the fleet was started",
            hint="pip install 'sutazai[web]', then sutazai down and sutazai up",
        )
    print(link)


def login_link(config: Config, places: Places) -> str | None:
    """The URL of the dashboard with a ticket for it; None where the fleet has none."""
    if config.ports.web is None:
        return None
    ticket = Ticket(LINK, int(time.time()) + LINK_SECONDS, secrets.token_urlsafe(12))
    code = ticket.signed(read_token(places))
    return f"{config.ports.url(config.ports.web)}/login?code={code}"
