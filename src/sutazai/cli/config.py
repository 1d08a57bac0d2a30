"""``config.json``: what `up` decided and every process of the fleet reads."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import Any

from sutazai.fleet.errors import BadInput, NotRunning
from sutazai.fleet.places import Places
from sutazai.fleet.spec import Ports

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (where to call who listens there)


@dataclass(frozen=True)
class Listening:
    """Where the fleet listens: one address, and the ports of control, gateway and, where it is
    installed, the dashboard."""

    host: str
    control: int
    gateway: int
    web: int | None = None

    @classmethod
    def of(cls, ports: Ports) -> Listening:
        """What the fleet file declares, as far as it is installed."""
        web = ports.web if find_spec("nicegui") else None
        return cls(ports.host, ports.control, ports.gateway, web)

    def url(self, port: int) -> str:
        """The base URL of one of the ports, as a program on this machine calls it."""
        host = EVERYWHERE.get(self.host, self.host)
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{port}"


@dataclass(frozen=True)
class Config:
    """One start of a fleet. ``started`` is in seconds since 1970."""

    fleet: str
    fleet_file: str | None
    started: float
    ports: Listening

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


def read_config(places: Places) -> Config:
    """What the last `up` on this state folder decided. Raises NotRunning, BadInput."""
    try:
        value = json.loads(places.config.read_text(encoding="utf-8"))
        return Config(**{**value, "ports": Listening(**value["ports"])})
    except FileNotFoundError as error:
        raise NotRunning(f"no fleet was ever started on {places.state}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise BadInput(
            f"{places.config} cannot be read: {error}", hint="sutazai down, then sutazai up"
        ) from error


def read_token(places: Places) -> str:
    """The admin token. Raises NotRunning where there is none."""
    try:
        return places.token.read_text(encoding="utf-8").strip()
    except FileNotFoundError as error:
        raise NotRunning(
            f"{places.token} is missing", hint="sutazai down, then sutazai up"
        ) from error
