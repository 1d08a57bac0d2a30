"""What a machine has to share out, also of GPU memory."""

from __future__ import annotations

from pathlib import Path

from sutazai.fleet.desired import DesiredUnit, Kind, Plan
from sutazai.fleet.facts import LlmDemand
from sutazai.fleet.spec import Runtime
from sutazai.host.admission.capacity import capacity, learn_of_gpus
from sutazai.host.admission.desk import Desk
from sutazai.host.admission.room import Capacity
from sutazai.host.events import Events

GIB = 2**30


def model_server(name: str, gpu: int) -> DesiredUnit:
    return DesiredUnit(
        name=name, kind=Kind.SERVICE, version="1", runtime=Runtime.COMMAND, gpu_memory=gpu
    )


def desk_of(folder: Path, llm: LlmDemand | None = None) -> Desk:
    desk = Desk(Events(folder / "events.jsonl"), Capacity(), lambda: llm or LlmDemand())
    desk.share_out(Plan())
    return desk


def test_a_machine_has_memory_and_cores() -> None:
    assert capacity().memory > 0
    assert capacity().cores > 0


async def test_gpu_memory_is_given_as_far_as_the_drivers_tool_tells(tmp_path: Path) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA GeForce RTX 3050, 4096, 3890'\n")
    tool.chmod(0o755)
    desk = desk_of(tmp_path)
    await learn_of_gpus(desk, path=str(tmp_path))
    first, second = model_server("first", 3 * GIB), model_server("second", 2 * GIB)
    assert desk.ask(first, called=False) == ""
    seat = desk.take(first)
    assert desk.ask(second, called=False) == "GPU memory: 2GiB wanted, 1GiB free"
    seat.leave()
    assert desk.ask(second, called=False) == ""


async def test_where_no_tool_answers_gpu_memory_holds_nobody(tmp_path: Path) -> None:
    desk = desk_of(tmp_path)
    await learn_of_gpus(desk, path=str(tmp_path))
    assert desk.ask(model_server("huge", 999 * GIB), called=False) == ""


async def test_an_agent_that_is_called_waits_while_the_llms_queue_is_full(tmp_path: Path) -> None:
    agent = model_server("agent", 0).model_copy(update={"kind": Kind.AGENT})
    full = LlmDemand(queued=10, bound=10, healthy=True)
    desk = desk_of(tmp_path, full)
    assert desk.ask(agent, called=True) == ("the LLM: 10 calls wait for it, and its queue is full")
    assert desk.ask(agent, called=False) == "", "it may have no need of the LLM"
    assert desk_of(tmp_path, LlmDemand(healthy=False)).ask(agent, called=True) == "", "it is down"
