"""Runs a program of others that writes or reads data, with a deadline."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sutazai.fleet.errors import DeadlineExceeded, Failed, Unavailable

WITHIN = 600.0
"""Seconds that one program has."""
SAID_MAX = 300


@dataclass(frozen=True)
class Program:
    """``what`` it does, for people; its environment is that and what this process has."""

    what: str
    command: Sequence[str]
    environment: Mapping[str, str]
    directory: Path | None = None


async def write_by(program: Program, target: Path, *, within: float = WITHIN) -> None:
    """Makes a new file of what it writes. Raises Failed, Unavailable, DeadlineExceeded, OSError."""
    with target.open("xb") as output:
        await _run(program, None, output, within)


async def read_by(program: Program, source: Path, *, within: float = WITHIN) -> None:
    """Lets it read a file. Raises as `write_by`."""
    with source.open("rb") as content:
        await _run(program, content, None, within)


async def _run(
    program: Program, content: BinaryIO | None, output: BinaryIO | None, within: float
) -> None:
    with ExitStack() as stack:
        null = stack.enter_context(open(os.devnull, "r+b"))  # noqa: ASYNC230 (never waits)
        try:
            process = await asyncio.create_subprocess_exec(
                *program.command,
                stdin=content or null,
                stdout=output or null,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, **program.environment},
                cwd=program.directory,
                start_new_session=True,
            )
        except OSError as error:
            raise Unavailable(f"{program.what}: {program.command[0]}: {error.strerror}") from error
        try:
            async with asyncio.timeout(within):
                _, said = await process.communicate()
        except TimeoutError as error:
            raise DeadlineExceeded(f"{program.what}: not done within {within:g} s") from error
        finally:
            await _end(process)
    if process.returncode:
        last = said.decode(errors="replace").strip()[-SAID_MAX:]
        raise Failed(f"{program.what}: status {process.returncode}: {last or 'it said nothing'}")


async def _end(process: asyncio.subprocess.Process) -> None:
    """Whatever it started ends with it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
