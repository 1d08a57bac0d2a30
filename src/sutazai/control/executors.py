"""What the executors of durable work are called."""

from __future__ import annotations

import hashlib
import socket

from sutazai.fleet.places import Places


def executor_name(kind: str, places: Places) -> str:
    """The same for every life of one process of one fleet on one machine, and of no other."""
    where = f"{socket.gethostname()}:{places.state}"
    return f"{kind}-{hashlib.sha256(where.encode()).hexdigest()[:8]}"
