"""Agents that try to break out, on a real host."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from sutazai.fleet.desired import DesiredUnit, Isolation
from sutazai.fleet.status import State, UnitStatus
from sutazai.wire import Address
from tests.host.machine import Machine, agent

SOURCE = Path(__file__).with_name("prober.py")
DENIED = {"EACCES", "EPERM", "ENOENT", "ENOTDIR"}
"""What a wall looks like from within: forbidden, or not even there."""


def healthy(unit: UnitStatus) -> bool:
    return unit.state is State.HEALTHY


def open_folder(folder: Path) -> str:
    """``folder`` with the prober in it, readable by every user who gets there."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    copy = folder / SOURCE.name
    copy.write_text(SOURCE.read_text())
    copy.chmod(0o644)
    return str(folder)


def prober(name: str, folder: str, isolation: Isolation, **changes: Any) -> DesiredUnit:
    return agent(name, "prober:Prober", directory=folder, isolation=isolation, **changes)


async def both_run(one: Machine) -> None:
    """Until ``good`` and ``bad`` are as they are first declared, whatever they were, and alone."""
    async with asyncio.timeout(60):
        while await _versions(one) != {"good": ["1"], "bad": ["1"]}:
            await asyncio.sleep(0.02)


async def _versions(one: Machine) -> dict[str, list[str]]:
    units = (await one.status()).units
    return {unit.name: [each.version for each in unit.instances] for unit in units}


async def pid_of(one: Machine, name: str) -> int:
    return (await one.until(name, healthy, within=60)).instances[0].pid


async def tried(one: Machine, name: str, *deed: Any) -> Any:
    """What comes of a deed of that agent."""
    unit = await one.until(name, healthy, within=60)
    address = Address.parse(str(unit.instances[0].address))
    return (await one.client.call("POST", address, "/invoke", {"input": deed}))["output"]
