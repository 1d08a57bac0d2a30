"""Shows a fleet's end as it happens."""

from __future__ import annotations

from contextlib import suppress

from sutazai.cli.console import console
from sutazai.cli.stopping import stop_fleet
from sutazai.cli.sweep import mark_of, marked
from sutazai.fleet.places import Places


def stop_shown(places: Places) -> bool:
    """Stop the fleet, with the number of processes left on a terminal; whether anything ran."""
    name = places.state.name
    screen = console(stderr=True)
    if not screen.is_terminal:
        stopped = stop_fleet(places)
    else:
        with screen.status(f"stopping {name}") as spinner:

            def show_what_is_left() -> None:
                with suppress(OSError):  # a terminal that was closed must not end the stop
                    left = len(marked(mark_of(places)))
                    spinner.update(f"stopping {name}: {left} processes left")

            stopped = stop_fleet(places, tick=show_what_is_left)
    if stopped:
        print(f"{name}: stopped, no process is left")
    return stopped
