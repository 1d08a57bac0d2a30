"""What `up` left for this process: its configuration, the fleet, the admin token."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from sutazai.fleet.errors import BadFleet, NotRunning, SutazaiError
from sutazai.fleet.places import Places
from sutazai.fleet.shapes import Shape
from sutazai.fleet.spec import Fleet

TOKEN_BYTES = 32
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (where to call who listens there)

T = TypeVar("T")
_CODES = TypeAdapter(dict[str, str])


class Listening(Shape):
    """One address, and the ports of control, gateway and, where there is one, the dashboard."""

    host: str
    control: int
    gateway: int
    web: int | None = None

    def url(self, port: int) -> str:
        """The base URL of one of the ports, as a program on this machine calls it."""
        host = WILDCARDS.get(self.host, self.host)
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{port}"


class Config(Shape):
    """``config.json``; ``started`` is in seconds since 1970."""

    fleet: str
    fleet_file: str | None
    started: float
    ports: Listening


class Settings(BaseModel):
    """Everything that control is told at its start."""

    model_config = ConfigDict(frozen=True)

    places: Places
    config: Config
    fleet: Fleet
    token: str
    codes: dict[str, str] = {}

    @property
    def base(self) -> Path:
        """The folder that relative paths in the fleet file count from."""
        return base_of(self.config.fleet_file)


def base_of(file: str | None) -> Path:
    """The folder that relative paths of a fleet file count from."""
    return Path(file).absolute().parent if file else Path.home()


def read_settings(places: Places) -> Settings:
    """Reads the state folder. Raises NotRunning or BadFleet."""
    return Settings(
        places=places,
        config=_read(places.config, Config.model_validate_json),
        fleet=_read(places.fleet, Fleet.model_validate_json),
        token=token_of(places.token),
        codes=_read(places.codes, _CODES.validate_json) if places.codes.exists() else {},
    )


def token_of(path: Path) -> str:
    """The admin token, made now (mode 0600) if there is none."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        token = path.read_text().strip()
        if token:
            return token
        file = os.open(path, os.O_WRONLY | os.O_TRUNC)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with open(file, "w") as writer:
        writer.write(token)
    return token


def _read(path: Path, parse: Callable[[bytes], T]) -> T:
    try:
        return parse(path.read_bytes())
    except FileNotFoundError as error:
        raise NotRunning(f"{path} is missing", hint="sutazai up") from error
    except ValidationError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: ValidationError) -> SutazaiError:
    return BadFleet(
        f"{path} cannot be used: {error.error_count()} errors, the first: {error.errors()[0]}",
        hint="sutazai down, then sutazai up",
    )
