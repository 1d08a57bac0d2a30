"""Graphics processors, as their drivers' tools tell, or as the kernel lists them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

from sutazai.host.machine.facts import Gpu
from sutazai.host.machine.files import text
from sutazai.host.machine.reading import ROOT

TOOL_WITHIN = 3.0
"""Seconds that a tool may take; one that hangs on its driver is left alone then."""

MIB = 1024**2

_NVIDIA = (
    "nvidia-smi",
    "--query-gpu=name,memory.total,memory.free",
    "--format=csv,noheader,nounits",
)
_AMD = ("rocm-smi", "--showproductname", "--showmeminfo", "vram", "--json")
_WSL_TOOLS = "/usr/lib/wsl/lib"  # not on the PATH of every shell
_VENDORS = {"0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel"}


async def read_gpus(root: Path = ROOT, *, path: str | None = None) -> tuple[Gpu, ...]:
    """All that are here.

    Args:
        path: folders in which to look for the tools; without it, those of ``PATH``.
    """
    nvidia, amd = await asyncio.gather(_output(_NVIDIA, path), _output(_AMD, path))
    found = (*_nvidia(nvidia), *_amd(amd))
    return found or tuple(_listed(root))


async def _output(command: tuple[str, ...], path: str | None) -> str:
    """What a tool prints; empty where it is missing, fails or takes too long."""
    program = shutil.which(command[0], path=path)
    if program is None and path is None:
        program = shutil.which(command[0], path=_WSL_TOOLS)
    if program is None:
        return ""
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *command[1:],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return ""
    return await _result(process)


async def _result(process: asyncio.subprocess.Process) -> str:
    try:
        async with asyncio.timeout(TOOL_WITHIN):
            output, _ = await process.communicate()
    except TimeoutError:
        return ""
    finally:
        await _end(process)
    return output.decode(errors="replace") if process.returncode == 0 else ""


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill a tool that still runs; one that the kernel holds fast is not waited for."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            await process.wait()


def _nvidia(output: str) -> list[Gpu]:
    """From lines like ``NVIDIA GeForce RTX 3050, 4096, 3890``, in MiB."""
    found = []
    for line in output.splitlines():
        words = [word.strip() for word in line.rsplit(",", 2)]
        if len(words) == 3 and words[0]:
            found.append(Gpu("nvidia", words[0], _size(words[1], MIB), _size(words[2], MIB)))
    return found


def _amd(output: str) -> list[Gpu]:
    """From an object with one object a card, in bytes."""
    try:
        cards = json.loads(output)
    except ValueError:
        return []
    if not isinstance(cards, dict):
        return []
    return [
        _amd_card(name, card)
        for name, card in sorted(cards.items())
        if name.startswith("card") and isinstance(card, dict)
    ]


def _amd_card(name: str, card: dict[str, Any]) -> Gpu:
    total = _size(str(card.get("VRAM Total Memory (B)", "")), 1)
    used = _size(str(card.get("VRAM Total Used Memory (B)", "")), 1)
    series = card.get("Card Series") or card.get("Card series") or name
    free = total - used if total is not None and used is not None else None
    return Gpu("amd", str(series), total, free)


def _size(word: str, unit: int) -> int | None:
    return int(word) * unit if word.isdecimal() else None


def _listed(root: Path) -> list[Gpu]:
    """Cards that the kernel drives; emulated ones of virtual machines are of other vendors."""
    found = []
    for card in sorted((root / "sys/class/drm").glob("card[0-9]*")):
        vendor = _VENDORS.get(text(card / "device/vendor").strip())
        if vendor and "-" not in card.name:  # card0-HDMI-A-1 is an outlet of card0
            found.append(Gpu(vendor, f"{vendor} graphics ({card.name})"))
    return found
