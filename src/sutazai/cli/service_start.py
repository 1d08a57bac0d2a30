"""``python -m sutazai.cli.service_start``: what systemd runs. This process becomes the keeper.

Not `sutazai up`: that one waits for the fleet, would stand between systemd and the keeper, and ends
what a killed keeper left behind. Here systemd's own process is the keeper, which tells it when it
is ready, and which adopts what still runs when it is started again after a kill.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from sutazai.cli import fleets
from sutazai.cli.config import Config, Listening
from sutazai.cli.fleet_file import accept
from sutazai.cli.folder import environment_of, make_state_folder, write_state
from sutazai.cli.model_check import check_model
from sutazai.cli.output import exit_codes, print_problem
from sutazai.fleet.errors import AlreadyRunning
from sutazai.fleet.places import Places

MODULE = "sutazai.cli.service_start"
FROM_SYSTEMD = ("NOTIFY_SOCKET",)
"""What the keeper needs to know of systemd; it passes it on to nobody."""


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Prepare the state folder as `sutazai up` does, then go over into the keeper.

    Does not return. Raises BadFleet, AlreadyRunning, NoModel and what else keeps a fleet from
    starting; the keeper ends with the code of what it met itself.
    """
    given = _parsed(arguments)
    places = Places.of(given.state)
    if fleets.is_running(places):
        raise AlreadyRunning(f"a fleet runs already on {places.state}", hint="sutazai down")
    keeper, seen = _prepared(places, given, environment)
    os.chdir(places.state)
    command = [sys.executable, "-m", "sutazai.keeper", str(keeper)]
    os.execve(command[0], command, seen)  # noqa: S606 (there is no shell in it)


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--overlay")
    parser.add_argument("--port-base", type=int)
    return parser.parse_args(arguments)


def _prepared(
    places: Places, given: argparse.Namespace, environment: Mapping[str, str]
) -> tuple[Path, dict[str, str]]:
    """The keeper's configuration, and the environment that it starts with."""
    accepted = accept(given.file, overlay=given.overlay, port_base=given.port_base)
    for warning in accepted.warnings if accepted.file else ():
        print_problem(warning.as_dict())
    fleet = accepted.fleet
    check_model(fleet)
    make_state_folder(places)
    config = Config(
        fleet=fleet.name,
        fleet_file=str(accepted.file) if accepted.file else None,
        started=time.time(),
        ports=Listening.of(fleet.ports),
    )
    systemds = {name: environment[name] for name in FROM_SYSTEMD if name in environment}
    seen = {**environment_of(places, fleet, environment), **systemds}
    return write_state(places, fleet, config), seen


if __name__ == "__main__":
    with exit_codes():
        main(sys.argv[1:], os.environ)
