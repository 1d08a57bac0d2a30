"""Makes containers by the package ``docker``, which knows registries and versions of the API.

Everything here waits for the engine, so it runs in threads; nothing else imports this module before
a container is to be made, for it costs the host 8 MiB.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import docker.errors
import requests
from docker.types import Ulimit
from docker.utils import parse_repository_tag

from sutazai.fleet.errors import Failed
from sutazai.host.containers.engine import silent
from sutazai.host.containers.plan import PERIOD, Plan, binds_of

PATIENCE = 60.0
"""Seconds without a word from the engine. A pull says something all the time."""


def bridge(socket: Path, name: str, fleet: dict[str, str]) -> str:
    """The address by which containers of that network, made where it is not there, reach this
    machine. Raises Failed."""
    with _api(socket) as api:
        found = [each for each in api.networks(names=[name]) if each["Name"] == name]
        if not found:
            api.create_network(name, driver="bridge", labels=fleet, check_duplicate=True)
        told = api.inspect_network(name)
    gateways = [each.get("Gateway") for each in told["IPAM"].get("Config") or ()]
    address = next((one for one in gateways if one), None)
    if address is None:
        raise Failed(f"the network {name} has no address of this machine", hint="network: host")
    return str(address).partition("/")[0]


def create(socket: Path, plan: Plan) -> str:
    """Makes a container and starts it; its id. Raises Failed, with nothing left."""
    with _api(socket) as api:
        try:
            made = api.create_container(**_arguments(api, plan))
        except docker.errors.ImageNotFound:
            _pull(api, plan.image)
            made = api.create_container(**_arguments(api, plan))
        try:
            api.start(made["Id"])
        except BaseException:  # nothing is left of it, whatever came
            api.remove_container(made["Id"], force=True, v=True)
            raise
    return str(made["Id"])


def _arguments(api: docker.APIClient, plan: Plan) -> dict[str, Any]:
    binds, volumes = binds_of(plan.volumes)
    within, outer = plan.published or (None, None)
    host = api.create_host_config(
        binds=binds,
        port_bindings={f"{within}/tcp": ("127.0.0.1", outer)} if within else None,
        network_mode=plan.network,
        mem_limit=plan.memory,
        memswap_limit=plan.memory,
        cpu_shares=plan.shares,
        cpu_period=None if plan.quota is None else PERIOD,
        cpu_quota=plan.quota,
        pids_limit=plan.processes,
        ulimits=[Ulimit(name=name, soft=n, hard=n) for name, n in plan.ulimits.items()],
        read_only=plan.read_only,
        security_opt=["no-new-privileges"],
        restart_policy={"Name": "no"},
    )
    networking = None
    if plan.alias:
        endpoint = api.create_endpoint_config(aliases=[plan.alias])
        networking = api.create_networking_config({plan.network: endpoint})
    return {
        "image": plan.image,
        "command": list(plan.command) or None,
        "entrypoint": list(plan.entrypoint) or None,
        "environment": dict(plan.environment),
        "labels": dict(plan.labels),
        "ports": [within] if within else None,
        "volumes": volumes or None,
        "user": plan.user,
        "working_dir": plan.directory,
        "name": plan.name,
        "host_config": host,
        "networking_config": networking,
    }


def _pull(api: docker.APIClient, image: str) -> None:
    repository, tag = parse_repository_tag(image)
    try:
        for step in api.pull(repository, tag=tag or "latest", stream=True, decode=True):
            if "error" in step:
                raise _no_image(image, str(step["error"]))
    except docker.errors.APIError as error:
        raise _no_image(image, _said(error)) from error


def _no_image(image: str, reason: str) -> Failed:
    return Failed(
        f"the image {image} is not on this machine and cannot be pulled: {reason}",
        hint=f"docker pull {image} (or podman pull) says more; docker login, where it is private; "
        "or build it here",
        image=image,
    )


@contextmanager
def _api(socket: Path) -> Iterator[docker.APIClient]:
    """A client for one thread; what it raises is told in our words."""
    try:
        api = docker.APIClient(base_url=f"unix://{socket}", version="auto", timeout=PATIENCE)
    except docker.errors.DockerException as error:
        raise silent(socket, str(error)) from error
    try:
        yield api
    except docker.errors.APIError as error:
        raise Failed(f"the container engine refused: {_said(error)}") from error
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise silent(socket, str(error)) from error
    finally:
        api.close()


def _said(error: docker.errors.APIError) -> str:
    return str(error.explanation or error)
