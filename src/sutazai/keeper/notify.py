"""Tells systemd how we are, where it started us as a `Type=notify` service."""

from __future__ import annotations

import os
import socket

from sutazai.keeper import log


def notify(state: str) -> None:
    """Sends ``state`` (as ``READY=1``) to ``$NOTIFY_SOCKET``, if that is set."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(1.0)
            sock.sendto(state.encode(), address)
    except OSError as error:
        log.say(f"systemd cannot be told {state}: {error}")
