"""Makes a fleet's state folder ready for a start: token, fleet, configuration."""

from __future__ import annotations

import json
import os
import re
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sutazai.cli.config import Config
from sutazai.cli.sweep import mark_of
from sutazai.fleet.code import codes_of
from sutazai.fleet.errors import BadInput, Refused
from sutazai.fleet.files import replace_file
from sutazai.fleet.places import Places
from sutazai.fleet.spec import Fleet

PRIVATE_FOLDER = 0o700
TOKEN_BYTES = 32
ANOTHER = "choose another: --state DIR"

# What the processes of a fleet see of the environment in which `up` was typed. Everything else
# stays out, so that a fleet behaves alike from whichever shell it was started.
_PASSED_NAMES = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "PYTHONPATH"}
    | {"SSL_CERT_FILE", "SSL_CERT_DIR", "DOCKER_HOST", "DOCKER_CONFIG"}
    | {name for proxy in ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
       for name in (proxy, proxy.upper())}
)  # fmt: skip
_PASSED_PREFIXES = ("SUTAZAI_", "XDG_", "LC_", "OLLAMA_", "CUDA_", "ROCR_", "HIP_", "HSA_")
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def make_state_folder(places: Places) -> None:
    """Make the state folder, readable by its owner only. Raises BadInput, Refused."""
    try:
        places.state.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise BadInput(f"{places.state} is no folder", hint=ANOTHER) from error
    _check_owner(places.state)
    _check_contents(places)
    places.state.chmod(PRIVATE_FOLDER)
    places.logs.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)


def write_state(places: Places, fleet: Fleet, config: Config) -> Path:
    """Write everything that the fleet's processes read; the path of the keeper's configuration.

    A token that is there already is kept.
    """
    if not places.token.exists():
        replace_file(places.token, secrets.token_urlsafe(TOKEN_BYTES))
    replace_file(places.fleet, fleet.model_dump_json(by_alias=True))
    base = Path(config.fleet_file).parent if config.fleet_file else Path.home()
    replace_file(places.codes, json.dumps(codes_of(fleet, base)))
    replace_file(places.config, json.dumps(config.as_dict()))
    keeper = places.state / "keeper.json"
    replace_file(keeper, json.dumps(keeper_config(places, fleet)))
    return keeper


def same_fleet(places: Places, fleet: Fleet) -> bool:
    """Whether the fleet that was started last on this folder is ``fleet``."""
    try:
        started = json.loads(places.fleet.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return bool(started == json.loads(fleet.model_dump_json(by_alias=True)))


def keeper_config(places: Places, fleet: Fleet) -> dict[str, Any]:
    """The keeper's configuration, with as many listeners as it takes at its start.

    No secret is in it: values of ``${VAR}`` reach the keeper by its own environment.
    """
    return {
        "runtime": str(places.runtime),
        "log": str(places.logs / "keeper.log"),
        "host": [sys.executable, "-m", "sutazai.host", str(places.state)],
        "environment": {"SUTAZAI_STATE": str(places.state)},
        "mark": mark_of(places),
        "listeners": listener_batches(fleet)[0],
    }


LISTENERS_AT_ONCE = 200
"""As many as the keeper takes in one request."""


def listener_batches(fleet: Fleet) -> list[list[dict[str, Any]]]:
    """Every stable port of the fleet as the keeper wants it, in lists that it takes."""
    ports = fleet.ports
    wanted = {"control": ports.control, "web": ports.web, "gateway": ports.gateway}
    wanted |= {f"agent:{name}": agent.port for name, agent in fleet.agents.items() if agent.port}
    listeners = [
        {"name": name, "host": fleet.ports.host, "port": port} for name, port in wanted.items()
    ]
    starts = range(0, len(listeners), LISTENERS_AT_ONCE)
    return [listeners[start : start + LISTENERS_AT_ONCE] for start in starts]


def environment_of(places: Places, fleet: Fleet, ours: Mapping[str, str]) -> dict[str, str]:
    """The environment of the fleet's processes, from that of this one (``ours``)."""
    referenced = set(_REFERENCE.findall(fleet.model_dump_json(by_alias=True)))
    passed = {
        name: value
        for name, value in ours.items()
        if name in _PASSED_NAMES or name in referenced or name.startswith(_PASSED_PREFIXES)
    }
    mark, _, value = mark_of(places).partition("=")
    return {**passed, "SUTAZAI_STATE": str(places.state), mark: value}


def _check_owner(folder: Path) -> None:
    if folder.stat().st_uid != os.geteuid():
        raise Refused(
            f"the state folder {folder} belongs to another user",
            hint=ANOTHER,
        )


def _check_contents(places: Places) -> None:
    """A folder full of other things is a mistake of typing, and not ours to close for others."""
    if not places.config.exists() and any(places.state.iterdir()):
        raise BadInput(
            f"{places.state} holds other things than a fleet's state",
            hint="choose an empty or new folder: --state DIR",
        )
