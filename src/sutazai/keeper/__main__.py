"""``python -m sutazai.keeper CONFIG.json [--ready-fd N]``: the root process of one machine.

Once everything is bound and the host is started, it writes one JSON line to the ready descriptor
(without one, to standard output): ``{"ok": true, "pid": …}``, or ``{"error": {…}}`` before it
exits with the error's code (2: bad input or a port is taken, 5: a keeper runs here already). It is
to be started detached; it does not put itself in the background.
"""

from __future__ import annotations

import json
import os
import sys

from sutazai.keeper import linux, log
from sutazai.keeper.config import Config, load
from sutazai.keeper.errors import BadInput, Failed, KeeperError
from sutazai.keeper.keeper import Keeper
from sutazai.keeper.runtime import Runtime

STANDARD_OUTPUT = 1
USAGE = "usage: python -m sutazai.keeper CONFIG.json [--ready-fd N]"


class Ready:
    """Whoever started us, waiting at the other end of ``descriptor`` to hear how it went."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = os.dup(descriptor)  # one that the host does not inherit
        if descriptor > 2:
            os.close(descriptor)

    def tell(self, value: dict[str, object]) -> None:
        try:
            os.write(self._descriptor, json.dumps(value).encode() + b"\n")
        except OSError as error:
            log.say(f"nobody hears that we are ready: {error}")
        os.close(self._descriptor)


def main(arguments: list[str]) -> int:
    try:
        path, descriptor = parse(arguments)
        ready = Ready(descriptor)
    except (BadInput, OSError) as error:  # OSError: there is no such descriptor
        print(f"{error}\n{USAGE}", file=sys.stderr)
        return 2
    try:
        keeper = start(path)
    except KeeperError as error:
        log.say(error.message)
        ready.tell({"error": error.as_dict()})
        return error.exit_code
    ready.tell({"ok": True, "pid": os.getpid()})
    return keeper.run()


def parse(arguments: list[str]) -> tuple[str, int]:
    """The path of the configuration and the ready descriptor. Raises BadInput."""
    match arguments:
        case [path]:
            return path, STANDARD_OUTPUT
        case [path, "--ready-fd", number] | ["--ready-fd", number, path] if number.isdigit():
            return path, int(number)
        case _:
            raise BadInput("wrong arguments")


def start(path: str) -> Keeper:
    """A keeper that runs, with its host. Raises KeeperError, and leaves nothing behind then."""
    try:
        config = load(path)
        runtime = Runtime(config.runtime)
        detach(config)
        return started(Keeper(config, runtime))
    except OSError as error:
        raise Failed(f"the keeper cannot start: {error}") from error


def detach(config: Config) -> None:
    linux.take_name()
    if os.getsid(0) != os.getpid() and os.getpgid(0) != os.getpid():
        os.setsid()  # refused to the leader of a group, as a shell makes one of each job
    log.attach(config.log)


def started(keeper: Keeper) -> Keeper:
    try:
        keeper.start()
    except (KeeperError, OSError):
        keeper.close()
        raise
    return keeper


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
