"""The agent that runs one real program of this machine and lets the model explain its output.

Declared in the fleet file with ``class: sutazai.agent.tool:ToolAgent`` and ``options``::

    options:
      tool: semgrep                          # a program on the PATH
      arguments: [scan, --quiet, "{input}"]  # {input} is the one thing the caller chooses
      timeout: 120                           # seconds, 120 by default
      targets: any                           # or `private`: loopback and private addresses only
      install: pipx install semgrep          # what to do where the program is missing

With ``{input}`` among the arguments the input is a target (a path, an image, an address), as text
or ``{"target": …}``. Without it the command is always the same, and the input is a question that
the model answers from what the program said.

No shell is involved, and a target can never be read as an option.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import shlex
import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any

from sutazai.agent.base import as_text
from sutazai.agent.identity import Identity
from sutazai.agent.role import RoleAgent
from sutazai.agent.task import TaskContext
from sutazai.fleet.errors import (
    BadFleet,
    BadInput,
    DeadlineExceeded,
    Failed,
    Refused,
    SutazaiError,
    Unavailable,
)
from sutazai.wire import Client

PLACE = "{input}"
TARGET_MAX = 1024
"""Characters of a target."""
OUTPUT_MAX = 256 * 1024
"""Bytes of output that are kept; what comes after is read and dropped."""
QUESTION_MAX = 1_500
EXCERPT_MAX = 6_000
"""Characters of question and output that the model is shown: about 2,500 tokens, so that they fit
a context of 4,096 beside the agent's prompt and the answer."""
TOOL_SHARE = 0.75
EXPLAIN_SHARE = 0.9
"""Of the time left: what the program may take, and then the model, so that an answer of the
program is never lost because there was no time to explain it."""
KILL_WAIT = 5.0
"""Seconds within which a killed program is expected to be gone."""

_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1",
        "fc00::/7",
    )
)


class ToolAgent(RoleAgent):
    """Runs its program on the input and asks the model to explain what it printed.

    The output of the agent is ``{"tool", "command", "exit_status", "output", "explanation"}``.
    ``output`` is what the program printed, both its streams in one, at most 256 KiB of it.
    Where the model cannot be had ``explanation`` is null, and ``note`` says why.

    Raises ``Unavailable`` when the program is not on this machine, ``BadInput`` or ``Refused`` for
    a target it may not have, ``DeadlineExceeded`` when it took too long, ``Failed`` when it could
    not be started. An exit status other than 0 is no error here: the explanation tells it. A
    rollout counts it as one of the tool: a version that finds what the other one found exits alike.
    """

    def __init__(self, identity: Identity, client: Client) -> None:
        super().__init__(identity, client)
        self.tool = Tool.from_options(self.options)

    async def run(self, task: TaskContext) -> Any:
        command = self.tool.command(task.input)
        await task.progress(f"running {self.tool.name}", 0.1)
        with task.tool():
            finished = await _finish(command, min(self.tool.timeout, TOOL_SHARE * task.deadline))
        task.tool_errors += finished.status != 0
        await task.progress("explaining what it said", 0.8)
        shown = [self.tool.name, *command[1:]]
        return {
            "tool": self.tool.name,
            "command": shown,
            "exit_status": finished.status,
            "output": finished.output,
            **await self._explain(task, shown, finished),
        }

    async def _explain(
        self, task: TaskContext, command: list[str], finished: Finished
    ) -> dict[str, Any]:
        messages = [
            {"role": "system", "content": self.prompt},
            {"role": "user", "content": self._account(task, command, finished)},
        ]
        try:
            async with asyncio.timeout(EXPLAIN_SHARE * task.deadline):
                answer = await self.llm.chat(messages, max_tokens=task.max_tokens)
        except TimeoutError:
            return _without_explanation("the model did not answer in time")
        except SutazaiError as error:
            return _without_explanation(error.message)
        return {"explanation": answer.text}

    def _account(self, task: TaskContext, command: list[str], finished: Finished) -> str:
        question = "" if self.tool.takes_target else as_text(task.input)[:QUESTION_MAX]
        output = _excerpt(finished.output, EXCERPT_MAX - len(question)) or "(nothing)"
        lines = [
            *([f"Question: {question}"] if question else []),
            f"Command: {shlex.join(command)}",
            f"Exit status: {finished.status}",
            f"Output:\n{output}",
        ]
        return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class Tool:
    """What a fleet file says of the program; ``timeout`` in seconds."""

    name: str
    arguments: tuple[str, ...] = ()
    timeout: float = 120.0
    targets: str = "any"
    install: str = ""

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Tool:
        """The tool that an agent's ``options`` describe; raises BadFleet."""
        given = {("name" if key == "tool" else key): value for key, value in options.items()}
        unknown = sorted(given.keys() - {field.name for field in fields(cls)})
        if unknown or "name" not in given:
            what = f"unknown: {', '.join(unknown)}" if unknown else "`tool` is missing"
            raise BadFleet(f"the options of a tool agent cannot be used: {what}", hint=_OPTIONS)
        arguments = given.get("arguments", [])
        if not isinstance(arguments, list | tuple):
            raise BadFleet("`arguments` of a tool agent is a list", hint=_OPTIONS)
        return cls(**{**given, "arguments": tuple(arguments)})

    def __post_init__(self) -> None:
        texts = (self.name, self.install, *self.arguments)
        sound = (
            all(isinstance(text, str) for text in texts)
            and bool(self.name)
            and isinstance(self.timeout, int | float)
            and self.timeout > 0
            and self.targets in ("any", "private")
        )
        if not sound:
            raise BadFleet("an option of a tool agent has a wrong value", hint=_OPTIONS)

    @property
    def takes_target(self) -> bool:
        """Whether the caller chooses what the program works on."""
        return any(PLACE in argument for argument in self.arguments)

    def command(self, value: Any) -> tuple[str, ...]:
        """The program's path and its arguments for one input."""
        program = shutil.which(self.name)
        if program is None:
            raise Unavailable(
                f"{self.name} is not on this machine",
                hint=self.install or f"install {self.name}",
                tool=self.name,
            )
        if not self.takes_target:
            return (program, *self.arguments)
        target = target_of(value)
        if self.targets == "private":
            refuse_public(target)
        return (program, *(argument.replace(PLACE, target) for argument in self.arguments))


_OPTIONS = "options: tool, arguments (texts), timeout (seconds), targets (any, private), install"


def target_of(value: Any) -> str:
    """The target in an input, a text or ``{"target": …}``; raises BadInput."""
    target = value.get("target") if isinstance(value, Mapping) else value
    if not isinstance(target, str):
        raise BadInput(
            'the input is a text or {"target": …}', hint="give one path, image or address"
        )
    target = target.strip()
    if not target or len(target) > TARGET_MAX or not target.isprintable():
        raise BadInput(f"a target is one line of 1 to {TARGET_MAX} characters")
    if target.startswith("-"):
        raise BadInput("a target cannot begin with `-`", hint=f"for a file, write ./{target}")
    return target


def refuse_public(target: str) -> None:
    """Raises Refused for an address or network that is neither loopback nor private.

    Names other than ``localhost`` are refused as BadInput: what they stand for could change
    between this check and the program's own look-up.
    """
    if target == "localhost":
        return
    try:
        network = ipaddress.ip_network(target, strict=False)
    except ValueError as error:
        raise BadInput(
            f"not an address or a network: {target}", hint="as 127.0.0.1 or 192.168.1.0/24"
        ) from error
    if not any(_lies_within(network, private) for private in _PRIVATE):
        raise Refused(
            f"{target} is neither loopback nor private",
            hint="`targets: any` in the agent's options allows it, where you may scan it",
        )


def _lies_within(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network,
    other: ipaddress.IPv4Network | ipaddress.IPv6Network,
) -> bool:
    if isinstance(network, ipaddress.IPv4Network):
        return isinstance(other, ipaddress.IPv4Network) and network.subnet_of(other)
    return isinstance(other, ipaddress.IPv6Network) and network.subnet_of(other)


@dataclass(frozen=True)
class Finished:
    """How a program ended and what it printed; a negative status is a signal."""

    status: int
    output: str


async def _finish(command: tuple[str, ...], seconds: float) -> Finished:
    """Runs a program to its end; its whole process group dies with the time or the caller."""
    starting = asyncio.create_task(_start(command), name=f"start {command[0]}")
    try:
        process = await asyncio.shield(starting)
    except asyncio.CancelledError:
        await _kill(await starting)  # a start that is cut would leave the program's children
        raise
    try:
        async with asyncio.timeout(seconds):
            output = await _output_of(process)
            return Finished(await process.wait(), output)
    except TimeoutError as error:
        await _kill(process)
        raise DeadlineExceeded(
            f"{os.path.basename(command[0])} was not done after {seconds:.0f} s",
            hint="give it a smaller target, or raise `timeout` and the work's deadline",
        ) from error
    except BaseException:  # nobody waits for it now, whatever came: it ends
        await _kill(process)
        raise


async def _start(command: tuple[str, ...]) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # A group of its own, in the instance's session, by which a sweep finds it; uvloop
            # knows no process_group=0.
            preexec_fn=os.setpgrp,
        )
    except OSError as error:
        raise Failed(f"{command[0]} could not be started: {error.strerror}") from error


async def _output_of(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None  # noqa: S101 (it was asked for above)
    kept = bytearray()
    cut = False
    while chunk := await process.stdout.read(64 * 1024):
        room = OUTPUT_MAX - len(kept)
        cut = cut or len(chunk) > room
        kept += chunk[:room]
    text = kept.decode("utf-8", "replace")
    return f"{text}\n[cut: only the first {OUTPUT_MAX // 1024} KiB were kept]" if cut else text


async def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        async with asyncio.timeout(KILL_WAIT):
            await process.wait()


def _excerpt(text: str, limit: int) -> str:
    """The text, or its beginning and end around a mark that says how much is left out."""
    text = text.strip()
    if len(text) <= limit:
        return text
    head, tail = limit * 3 // 4, limit // 4
    return f"{text[:head]}\n[{len(text) - head - tail} characters left out]\n{text[-tail:]}"


def _without_explanation(reason: str) -> dict[str, Any]:
    return {"explanation": None, "note": f"the output was not explained: {reason}"}
