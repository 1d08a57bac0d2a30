"""An instance in an interpreter of its own, where its code cannot be forked from a zygote."""

from __future__ import annotations

import json
import os
import socket
import sys

from sutazai.agent import process
from sutazai.agent.life import live, name_process


def main() -> None:
    """Serves on the socket of the first number what the file of the second number describes."""
    listener, described = (int(number) for number in sys.argv[1:3])
    with open(described) as file:
        file.seek(0)
        request = json.load(file)
    name_process(request["instance"])
    process.set_up_logging()
    os._exit(live(request, socket.socket(fileno=listener)))
