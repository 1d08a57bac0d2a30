"""What an instance logs, and for which task: while it serves one, over its socket."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from sutazai.agent import Agent, TaskContext
from sutazai.agent.identity import Identity
from sutazai.agent.lines import ConsoleLines, JsonLines
from sutazai.agent.task import RUN, TASK
from sutazai.fleet.errors import AgentFailed
from sutazai.fleet.log_lines import said_in
from sutazai.fleet.trace_ids import TRACEPARENT, trace_id
from tests.agent.test_instance import instance

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
FOR_A_RUN = [(TASK, "task-1"), (RUN, "a run")]


class Telling(Agent):
    async def run(self, task: TaskContext) -> str:
        self.log.info("reading %s", task.input)
        logging.getLogger("a.library").warning("it is slow")
        return "told"


class Threaded(Agent):
    def run(self, task: TaskContext) -> str:
        self.log.info("from a thread")
        return "told"


class Failing(Agent):
    async def run(self, task: TaskContext) -> Any:
        raise ValueError("the tea\nis cold")


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the process logs, as an instance writes it on a console."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(ConsoleLines())
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    yield written
    root.removeHandler(handler)
    root.setLevel(before)


@pytest.fixture
def objects(written: io.StringIO) -> io.StringIO:
    """The same as JSON."""
    identity = Identity(agent="tester", instance="tester-1", version="v1")
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, ConsoleLines):
            handler.setFormatter(JsonLines(identity))
    return written


async def work(kind: type[Agent], headers: list[tuple[str, str]]) -> None:
    async with instance(kind) as (client, address):
        await client.call("POST", address, "/invoke", {"input": "tea"}, headers=headers)


async def test_a_line_names_the_task_its_run_and_its_trace(written: io.StringIO) -> None:
    await work(Telling, FOR_A_RUN)

    about = f"[task=task-1 run=a run trace={trace_id('task-1')}]"
    assert written.getvalue().splitlines() == [
        f"INFO reading tea {about}",
        f"WARNING it is slow {about}",
    ]


async def test_a_thread_logs_for_the_task_too(written: io.StringIO) -> None:
    await work(Threaded, [(TASK, "task-1")])

    assert said_in(written.getvalue().strip()).task == "task-1"


async def test_the_trace_of_a_caller_is_taken_over(written: io.StringIO) -> None:
    await work(Telling, [(TASK, "task-1"), (TRACEPARENT, PARENT)])

    assert f"trace={TRACE}]" in written.getvalue()


@pytest.mark.parametrize("parent", ["", "rubbish", f"00-{'0' * 32}-00f067aa0ba902b7-01"])
async def test_a_parent_that_cannot_be_understood_is_none(
    written: io.StringIO, parent: str
) -> None:
    await work(Telling, [(TASK, "task-1"), (TRACEPARENT, parent)])

    assert f"trace={trace_id('task-1')}]" in written.getvalue()


async def test_work_that_nobody_named_has_ids_too(written: io.StringIO) -> None:
    await work(Telling, [])

    said = said_in(written.getvalue().splitlines()[0])
    assert said.task.startswith("task-") and said.trace == trace_id(said.task)


async def test_what_is_logged_for_no_task_is_as_it_was(written: io.StringIO) -> None:
    logging.getLogger("tester").info("ready")

    assert written.getvalue() == "INFO ready\n"


async def test_further_lines_stand_further_in(written: io.StringIO) -> None:
    with pytest.raises(AgentFailed):
        await work(Failing, FOR_A_RUN)

    first, *more = written.getvalue().splitlines()
    assert first == f"ERROR task task-1 failed [task=task-1 run=a run trace={trace_id('task-1')}]"
    assert more[0] == "  Traceback (most recent call last):" and more[-1] == "  is cold"
    assert all(line.startswith("  ") for line in more)


async def test_objects_have_all_that_applies(objects: io.StringIO) -> None:
    await work(Telling, FOR_A_RUN)
    logging.getLogger("tester").info("ready")

    told, slow, ready = map(json.loads, objects.getvalue().splitlines())
    assert told.pop("time").endswith("Z")
    assert told == {
        "level": "INFO",
        "logger": "tester",
        "message": "reading tea",
        "agent": "tester",
        "version": "v1",
        "task": "task-1",
        "run": "a run",
        "trace": trace_id("task-1"),
    }
    assert (slow["logger"], slow["level"]) == ("a.library", "WARNING")
    assert ready.keys() == {"time", "level", "logger", "message", "agent", "version"}


async def test_an_exception_is_text_within_the_object(objects: io.StringIO) -> None:
    with pytest.raises(AgentFailed):
        await work(Failing, FOR_A_RUN)

    (line,) = objects.getvalue().splitlines()
    told = json.loads(line)
    assert told["message"] == "task task-1 failed"
    assert told["exception"].endswith("ValueError: the tea\nis cold")


def test_an_object_stays_within_what_the_host_takes(objects: io.StringIO) -> None:
    logging.getLogger("tester").info("x" * 100_000)

    assert len(objects.getvalue()) < 16 * 1024
