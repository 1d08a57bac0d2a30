"""Containers that run already: whose they are, and where they are reached. Pure."""

from __future__ import annotations

from sutazai.fleet.spec import Network
from sutazai.host.containers.engine import FLEET, Facts

EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 (compared, never bound)


def runs_elsewhere(facts: Facts | None, fleet: str) -> bool:
    """Whether it runs, and was not started by this fleet."""
    if facts is None or not facts["State"].get("Running"):
        return False
    return bool((facts["Config"].get("Labels") or {}).get(FLEET) != fleet)


def address_of(facts: Facts, port: int | None) -> str | None:
    """Where a running container is reached from this machine; None where nothing is known.

    Args:
        port: where its program listens within; None takes the only one that is published.
    """
    if facts["HostConfig"].get("NetworkMode") == Network.HOST:
        return f"http://127.0.0.1:{port}" if port else None
    told = facts["NetworkSettings"]
    ports = {name: where for name, where in (told.get("Ports") or {}).items() if where}
    name = f"{port}/tcp" if port else next(iter(ports), "") if len(ports) == 1 else ""
    if name in ports:
        return _published(ports[name])
    addresses = [net.get("IPAddress") for net in (told.get("Networks") or {}).values()]
    address = next((one for one in addresses if one), None)
    return f"http://{address}:{port}" if address and port else None


def _published(where: list[dict[str, str]]) -> str:
    """The first place that can be called without brackets, else the first one."""
    hosts = [(each.get("HostIp") or "", each["HostPort"]) for each in where]
    host, port = next((pair for pair in hosts if ":" not in pair[0]), hosts[0])
    if host in EVERYWHERE:
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
