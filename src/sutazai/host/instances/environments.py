"""The Python environments of agents: those that authors made, and those made here of requirements.

An environment is made once, in a folder named by what it is made of, and is used only when it bears
the mark of being complete: what a killed host leaves half made is made anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from sutazai.fleet.desired import DesiredUnit
from sutazai.fleet.errors import BadInput, Failed
from sutazai.host.instances.output import Log

OURS = f"{sys.implementation.name} {sys.version_info[0]}.{sys.version_info[1]}"
ASKS = "import sys; v = sys.version_info; print(sys.implementation.name, f'{v[0]}.{v[1]}')"
ASK_DEADLINE = 30.0
MAKE_DEADLINE = 1800.0
AT_ONCE = 2
"""How many are made at once: `pip` may compile."""
KEPT = 86400.0
"""Seconds after its last use for which one that nobody wants any more is kept: instances of an
earlier version may still run in it."""
COMPLETE = "sutazai-complete"


class Environments:
    """Finds the interpreter of a unit, and makes its environment where it has to.

    ``folder`` is where those that are made here are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._making: dict[Path, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._known: set[tuple[str, int]] = set()

    async def python_of(self, unit: DesiredUnit, log: Log) -> str | None:
        """The interpreter that ``unit`` runs in; None for our own.

        Raises BadInput where there is none or its version is another one than ours, Failed where
        its environment cannot be made; ``log`` gets all that was said of that.
        """
        if unit.requirements is not None:
            return await self._made(Path(unit.requirements), log)
        if unit.python is not None:
            return await self._found(Path(unit.python))
        return None

    def tidy(self, units: Iterable[DesiredUnit]) -> None:
        """Removes what was made here, is wanted by none of ``units`` and was not used for a day."""
        wanted = {
            self._place(Path(unit.requirements)) for unit in units if unit.requirements is not None
        }
        for place in self._folder.glob("*"):
            if place not in wanted and place not in self._making and _is_old(place):
                shutil.rmtree(place, ignore_errors=True)

    async def close(self) -> None:
        """Ends what is being made."""
        for task in self._making.values():
            task.cancel()
        await asyncio.gather(*self._making.values(), return_exceptions=True)

    async def _found(self, path: Path) -> str:
        python, changed = _interpreter(path)
        if (python, changed) not in self._known:
            await _check_version(python)
            self._known.add((python, changed))
        return python

    async def _made(self, requirements: Path, log: Log) -> str:
        place = self._place(requirements)
        mark = place / COMPLETE
        if not mark.exists():
            await self._make(place, requirements, log)
        os.utime(mark)
        return str(place / "bin" / "python")

    def _place(self, requirements: Path) -> Path:
        """Where the environment of ``requirements`` is. Raises BadInput."""
        try:
            content = requirements.read_bytes()
        except OSError as error:
            raise BadInput(
                f"{requirements} cannot be read: {error.strerror}", hint="correct `requirements`"
            ) from error
        made_of = content + sys.version.encode() + os.fsencode(requirements.parent)
        return self._folder / hashlib.sha256(made_of).hexdigest()[:16]

    async def _make(self, place: Path, requirements: Path, log: Log) -> None:
        """Makes it once, however many ask; goes on though one of them no longer waits."""
        if place not in self._making:
            task = asyncio.create_task(
                self._make_in_turn(place, requirements, log), name=f"make {place.name}"
            )
            self._making[place] = task
            task.add_done_callback(lambda _: self._making.pop(place))
        await asyncio.shield(self._making[place])

    async def _make_in_turn(self, place: Path, requirements: Path, log: Log) -> None:
        async with self._slots:
            await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
            self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            log.write("environment", [f"is made of {requirements}"])
            python = str(place / "bin" / "python")
            pip = ("-m", "pip", "--no-input", "--disable-pip-version-check")
            commands = (
                (sys.executable, "-m", "venv", str(place)),
                (python, *pip, "install", "-r", str(requirements)),
            )
            for command in commands:
                await _run(command, requirements, log)
            (place / COMPLETE).touch()
            log.write("environment", ["is ready"])


async def keep_tidy(environments: Environments, units: Callable[[], Iterable[DesiredUnit]]) -> None:
    """Removes what nobody uses any more, now and then, until cancelled."""
    while True:
        await asyncio.to_thread(environments.tidy, tuple(units()))
        await asyncio.sleep(KEPT / 24)


def _interpreter(path: Path) -> tuple[str, int]:
    """The interpreter at ``path`` or in that environment, and when it was changed."""
    python = path / "bin" / "python" if path.is_dir() else path
    try:
        return str(python), python.stat().st_mtime_ns
    except OSError as error:
        raise BadInput(
            f"there is no Python at {path}",
            hint=f"{sys.executable} -m venv {path}, or correct `python`",
        ) from error


async def _check_version(python: str) -> None:
    lines: list[str] = []
    try:
        async with asyncio.timeout(ASK_DEADLINE):
            status = await _talk((python, "-I", "-c", ASKS), Path("/"), lines)
    except (OSError, TimeoutError) as error:
        raise BadInput(f"{python} is no Python that runs: {error}") from error
    if status or lines[-1:] != [OURS]:
        raise BadInput(
            f"{python} is {' '.join(lines[-1:]) or 'no Python'}, and SutazAI runs in {OURS}",
            hint=f"make it with {sys.executable} -m venv, or run the agent as `runtime: command`",
        )


async def _run(command: tuple[str, ...], requirements: Path, log: Log) -> None:
    lines: list[str] = []
    try:
        async with asyncio.timeout(MAKE_DEADLINE):
            status = await _talk(command, requirements.parent, lines)
    except TimeoutError as error:
        raise Failed(f"{requirements} was not installed in {MAKE_DEADLINE:g} s") from error
    finally:
        log.write("environment", lines)
    if status:
        said = [line for line in lines if line.startswith("ERROR")] or lines
        raise Failed(
            f"{requirements} cannot be installed: {' '.join(said[-1:])}",
            hint="the log has all that pip said",
            lines=lines[-20:],
        )


async def _talk(command: tuple[str, ...], folder: Path, lines: list[str]) -> int:
    """The exit status of a program, whose lines are added to ``lines``; ends it on cancellation."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = await process.communicate()
        lines += output.decode(errors="replace").splitlines()
        return await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def _is_old(place: Path) -> bool:
    try:
        return time.time() - (place / COMPLETE).stat().st_mtime > KEPT
    except OSError:
        return True  # half made, by a host that was killed
