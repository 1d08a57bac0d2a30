"""Which container engine this machine has: its Unix socket, as Docker's own tools look for it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

UNIX = "unix://"
ENGINE = "a container engine (Docker or Podman)"


def engine_socket(environ: Mapping[str, str]) -> Path | None:
    """The first socket that is there and may be used; None where there is none.

    ``DOCKER_HOST`` decides alone where it is set. Engines of other machines are not used: what they
    run would listen there.
    """
    return next((path for path in candidates(environ) if _usable(path)), None)


def missing_engine(environ: Mapping[str, str]) -> str | None:
    """What this machine lacks for containers, in words; None where an engine is there."""
    if engine_socket(environ) is not None:
        return None
    if host := environ.get("DOCKER_HOST"):
        return f"{ENGINE} at DOCKER_HOST={host}"
    closed = [str(path) for path in candidates(environ) if path.exists()]
    return f"{ENGINE} that this user may use ({closed[0]} is closed)" if closed else ENGINE


def candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    """Where sockets of engines are, in the order in which they are tried."""
    if host := environ.get("DOCKER_HOST"):
        if host.startswith(UNIX):
            yield Path(host.removeprefix(UNIX))
        return
    yield Path("/var/run/docker.sock")
    runtime = Path(environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    yield runtime / "docker.sock"
    yield runtime / "podman" / "podman.sock"
    yield Path("/run/podman/podman.sock")


def _usable(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode) and os.access(path, os.R_OK | os.W_OK)
    except OSError:
        return False
