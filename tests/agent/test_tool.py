"""The tool agent over real programs: what it runs, what it refuses, and that nothing is left."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop

from sutazai.agent import Answer, Llm, TaskContext, Usage
from sutazai.agent.identity import Identity
from sutazai.agent.llm import Message
from sutazai.agent.tool import EXCERPT_MAX, OUTPUT_MAX, TARGET_MAX, ToolAgent
from sutazai.fleet.errors import (
    BadFleet,
    BadInput,
    DeadlineExceeded,
    Failed,
    NoModel,
    Refused,
    Unavailable,
)
from sutazai.wire import Client

PATIENCE = 60.0
"""Seconds after which a test gives up waiting."""


class Model(Llm):
    """A model that says one thing, or fails, or never answers, and remembers what it was asked."""

    def __init__(self, answer: str | Exception | None = "all is well") -> None:
        self._answer = answer
        self.asked: list[str] = []

    async def chat(
        self,
        messages: Sequence[Message],
        *,
        schema: Mapping[str, Any] | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        tier: str | None = None,
    ) -> Answer:
        self.asked.append(str(messages[-1]["content"]))
        if isinstance(self._answer, Exception):
            raise self._answer
        if self._answer is None:
            await asyncio.Event().wait()
        return Answer(str(self._answer), Usage(), "m", "stop")


MakeAgent = Callable[..., ToolAgent]


@pytest.fixture
async def make_agent() -> AsyncIterator[MakeAgent]:
    async with Client() as client:

        def make(model: Model | None = None, **options: Any) -> ToolAgent:
            identity = Identity(agent="a", instance="a-1", prompt="Explain.", options=options)
            agent = ToolAgent(identity, client)
            agent.llm = model or Model()
            return agent

        yield make


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    """Makes a shell script and says where it is."""

    def write(body: str) -> str:
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return str(path)

    return write


def task(input_: Any, *, seconds: float = 30.0) -> TaskContext:
    return TaskContext(id="t", input=input_, ends_at=asyncio.get_running_loop().time() + seconds)


async def run(agent: ToolAgent, input_: Any, *, seconds: float = 30.0) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE):
        output = await agent.run(task(input_, seconds=seconds))
    assert isinstance(output, dict)
    return output


async def gone(pid: int) -> None:
    """Returns when no such process runs any more; a zombie that nobody reaped counts as gone."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(FileNotFoundError, ProcessLookupError):
                if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                    await asyncio.sleep(0.01)
                    continue
            return


async def pids_in(path: Path, count: int) -> list[int]:
    async with asyncio.timeout(PATIENCE):
        while not path.exists() or len(path.read_text().split()) < count:
            await asyncio.sleep(0.01)
    return [int(pid) for pid in path.read_text().split()]


async def test_it_runs_the_program_on_the_target_and_explains_what_it_said(
    make_agent: MakeAgent, program: Callable[[str], str]
) -> None:
    tool = program('echo "looked at $2"; echo "and complained" >&2; exit 3')
    model = Model("two lines")
    agent = make_agent(model, tool=tool, arguments=["--scan", "{input}"])
    output = await run(agent, "a path; with $(odd) 'signs'")
    assert output == {
        "tool": tool,
        "command": [tool, "--scan", "a path; with $(odd) 'signs'"],
        "exit_status": 3,
        "output": "looked at a path; with $(odd) 'signs'\nand complained\n",
        "explanation": "two lines",
    }
    [asked] = model.asked
    assert "Exit status: 3" in asked and "and complained" in asked
    assert shlex.join(output["command"]) in asked


async def test_a_program_is_found_on_the_path_and_named_without_its_folder(
    make_agent: MakeAgent, program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(program("echo $0")).parent
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    output = await run(make_agent(tool="program"), "how is it?")
    assert output["tool"] == "program" and output["command"] == ["program"]


async def test_the_target_may_come_as_a_field(
    make_agent: MakeAgent, program: Callable[[str], str]
) -> None:
    agent = make_agent(tool=program('echo "$1"'), arguments=["image:{input}"])
    assert (await run(agent, {"target": " alpine "}))["output"] == "image:alpine\n"


async def test_a_fixed_command_takes_the_input_as_a_question(
    make_agent: MakeAgent, program: Callable[[str], str]
) -> None:
    model = Model()
    agent = make_agent(model, tool=program('echo "sealed $#"'), arguments=["status"])
    output = await run(agent, "-why is it sealed?")
    assert output["output"] == "sealed 1\n"
    assert model.asked[0].startswith("Question: -why is it sealed?")


async def test_a_missing_program_is_said_with_the_way_to_install_it(make_agent: MakeAgent) -> None:
    agent = make_agent(tool="no-such-program", install="pipx install it", arguments=["{input}"])
    with pytest.raises(Unavailable, match="no-such-program is not on this machine") as caught:
        await run(agent, "x")
    assert caught.value.hint == "pipx install it"


@pytest.mark.parametrize(
    "bad",
    [
        "-rf",
        "  --config=x",
        "",
        " ",
        "two\nlines",
        "nul\0",
        "x" * (TARGET_MAX + 1),
        7,
        {"path": "x"},
    ],
)
async def test_what_is_no_target_never_reaches_the_program(
    make_agent: MakeAgent, program: Callable[[str], str], tmp_path: Path, bad: Any
) -> None:
    agent = make_agent(tool=program(f"touch {tmp_path}/ran"), arguments=["{input}"])
    with pytest.raises(BadInput):
        await run(agent, bad)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("good", ["127.0.0.1", "localhost", "10.1.2.3", "192.168.1.0/24", "::1"])
async def test_private_targets_are_scanned(
    make_agent: MakeAgent, program: Callable[[str], str], good: str
) -> None:
    agent = make_agent(tool=program('echo "$1"'), arguments=["{input}"], targets="private")
    assert (await run(agent, good))["output"] == f"{good}\n"


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ("8.8.8.8", Refused),
        ("172.16.0.0/11", Refused),
        ("0.0.0.0/0", Refused),
        ("::ffff:8.8.8.8", Refused),
        ("example.org", BadInput),
        ("127.0.0.1 8.8.8.8", BadInput),
        ("127.0.0.1,8.8.8.8", BadInput),
    ],
)
async def test_other_targets_are_refused_where_only_private_ones_are_allowed(
    make_agent: MakeAgent, program: Callable[[str], str], bad: str, error: type[Exception]
) -> None:
    agent = make_agent(tool=program("echo scanned"), arguments=["{input}"], targets="private")
    with pytest.raises(error):
        await run(agent, bad)
    allowed = make_agent(tool=program("echo scanned"), arguments=["{input}"], targets="any")
    assert (await run(allowed, bad))["output"] == "scanned\n"


async def test_long_output_is_cut_and_says_so_while_the_program_may_finish(
    make_agent: MakeAgent, program: Callable[[str], str]
) -> None:
    model = Model()
    tool = program(f"head -c {OUTPUT_MAX + 100_000} /dev/zero | tr '\\0' x; exit 5")
    output = await run(make_agent(model, tool=tool), "q")
    assert output["exit_status"] == 5
    assert output["output"] == "x" * OUTPUT_MAX + "\n[cut: only the first 256 KiB were kept]"
    assert len(model.asked[0]) < EXCERPT_MAX + 500
    assert "characters left out" in model.asked[0]


@pytest.mark.parametrize(("ends", "errors"), [("exit 0", 0), ("exit 3", 1), ("kill -9 $$", 1)])
async def test_how_the_program_ended_is_counted_for_rollouts(
    make_agent: MakeAgent, program: Callable[[str], str], ends: str, errors: int
) -> None:
    work = task("q")
    await make_agent(tool=program(ends)).run(work)
    assert (work.tool_calls, work.tool_errors) == (1, errors)


async def test_output_that_is_no_text_does_no_harm(
    make_agent: MakeAgent, program: Callable[[str], str]
) -> None:
    output = await run(make_agent(tool=program("printf '\\377ok'")), "q")
    assert output["output"] == "\ufffdok"


async def test_a_program_that_takes_too_long_dies_with_its_children(
    make_agent: MakeAgent, program: Callable[[str], str], tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    tool = program(f"sleep 60 & echo $$ $! > {pids}; wait")
    with pytest.raises(DeadlineExceeded, match="program was not done"):
        await run(make_agent(tool=tool, timeout=3.0), "q")
    for pid in await pids_in(pids, 2):
        await gone(pid)


async def test_the_deadline_of_the_work_bounds_the_program_too(
    make_agent: MakeAgent, program: Callable[[str], str]
) -> None:
    with pytest.raises(DeadlineExceeded):
        await run(make_agent(tool=program("exec sleep 60")), "q", seconds=0.5)


async def test_a_child_that_keeps_the_output_open_is_not_left_behind(
    make_agent: MakeAgent, program: Callable[[str], str], tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    with pytest.raises(DeadlineExceeded):
        await run(make_agent(tool=program(f"sleep 60 & echo $! > {pids}"), timeout=3.0), "q")
    [child] = await pids_in(pids, 1)
    await gone(child)


async def test_cancelled_work_takes_its_program_along(
    make_agent: MakeAgent, program: Callable[[str], str], tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    agent = make_agent(tool=program(f"sleep 60 & echo $$ $! > {pids}; wait"))
    work = asyncio.create_task(agent.run(task("q")), name="cancelled work")
    running = await pids_in(pids, 2)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    for pid in running:
        await gone(pid)


async def test_a_program_that_cannot_start_is_a_failure(
    make_agent: MakeAgent, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    work = task("q")
    with pytest.raises(Failed, match="could not be started"):
        await make_agent(tool=str(broken)).run(work)
    assert (work.tool_calls, work.tool_errors) == (1, 1)


async def test_without_a_model_the_output_still_comes_with_a_note(
    make_agent: MakeAgent, program: Callable[[str], str]
) -> None:
    agent = make_agent(Model(NoModel("no LLM can be had")), tool=program("echo found"))
    output = await run(agent, "q")
    assert output["output"] == "found\n" and output["explanation"] is None
    assert output["note"] == "the output was not explained: no LLM can be had"


async def test_a_model_that_never_answers_does_not_cost_the_output(
    make_agent: MakeAgent, program: Callable[[str], str]
) -> None:
    output = await run(make_agent(Model(None), tool=program("echo found")), "q", seconds=4.0)
    assert output["output"] == "found\n"
    assert output["note"].endswith("the model did not answer in time")


async def test_progress_tells_both_steps(
    make_agent: MakeAgent, program: Callable[[str], str]
) -> None:
    heard: list[str] = []

    async def report(event: str, data: dict[str, Any]) -> None:
        heard.append(f"{event}: {data['message']}")

    work = task("q")
    work.report = report
    tool = program("true")
    await make_agent(tool=tool).run(work)
    assert heard == [f"progress: running {tool}", "progress: explaining what it said"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tool": ""},
        {"tool": "x", "argument": ["y"]},
        {"tool": "x", "arguments": "{input}"},
        {"tool": "x", "arguments": [1]},
        {"tool": "x", "timeout": 0},
        {"tool": "x", "timeout": "1m"},
        {"tool": "x", "targets": "public"},
    ],
)
async def test_bad_options_fail_the_start_of_the_agent(
    make_agent: MakeAgent, options: dict[str, Any]
) -> None:
    with pytest.raises(BadFleet):
        make_agent(**options)


def test_programs_run_on_the_event_loop_that_instances_have(
    make_agent: MakeAgent, program: Callable[[str], str]
) -> None:
    async def work() -> dict[str, Any]:
        return await run(make_agent(tool=program("echo hello")), "q")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert "hello" in runner.run(work())["output"]
