"""Emergencies: each can be asked what it would do, and says what it did."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from sutazai.control.api.parts import Parts, PartsDep
from sutazai.control.emergency.clean import clean_up
from sutazai.control.emergency.smoke import smoke_tests
from sutazai.fleet.emergency import CleanUp, MemoryRelief, RestartPlan, Smoke, Throttling
from sutazai.fleet.errors import SutazaiError, Unavailable
from sutazai.fleet.shapes import Shape
from sutazai.fleet.units import format_size
from sutazai.llm.models import models_folder
from sutazai.wire import Timeout

FREEING = Timeout(connect=2.0, headers=60.0, idle=5.0)
"""Agents hear of their end and have their time for it."""

router = APIRouter(prefix="/emergency", tags=["emergency"])


class Asked(Shape):
    """With ``dry_run`` nothing is done, and the answer says what would be."""

    dry_run: bool = False


class MemoryAsked(Asked):
    """``until`` is percent of the memory in use; without it all that can be freed is."""

    until: Annotated[float, Field(ge=0, le=100)] | None = None


class CpuAsked(Asked):
    """``cores`` for each agent; None releases."""

    cores: Annotated[float, Field(ge=0.01, le=1024)] | None


@router.post("/memory")
async def memory(parts: PartsDep, asked: MemoryAsked) -> MemoryRelief:
    """Ends idle agents, lowest priority first, and forgets the gateway's kept answers. Calls wake
    the agents again."""
    cache = await _cache(parts, dry_run=asked.dry_run)
    value = await parts.host.call(
        "POST", "/emergency/memory", asked.model_dump(mode="json"), timeout=FREEING
    )
    relief = MemoryRelief.model_validate(value).model_copy(update={"cache": cache})
    if not asked.dry_run:
        ended = sum(one.outcome == "ended" for one in relief.chosen)
        await parts.feed.add(
            "emergency-memory",
            f"memory was freed by request: {ended} agents ended, {format_size(relief.freed)}",
            freed=relief.freed,
        )
    return relief


@router.post("/cpu")
async def cpu(parts: PartsDep, asked: CpuAsked) -> Throttling:
    """Holds every agent to a part of a core, now and whenever one starts, until it is released."""
    seen = await parts.host.status()
    if asked.cores is not None and not seen.caps_cpu:
        raise Unavailable(
            f"agents cannot be held to a part of a core here: limits are {seen.limits}"
            + (f" ({seen.limits_why})" if seen.limits_why else ""),
            hint="sutazai pause holds back their calls to models instead",
        )
    agents = parts.settings.fleet.agents
    running = [unit for unit in seen.units if unit.name in agents and unit.instances]
    done = Throttling(
        dry_run=asked.dry_run,
        cores=asked.cores,
        before=parts.reconciler.throttle.cores,
        agents=len(running),
        instances=sum(len(unit.instances) for unit in running),
    )
    if not asked.dry_run:
        await parts.reconciler.throttle_to(asked.cores)
        told = "released" if asked.cores is None else f"{asked.cores:g} cores each"
        await parts.feed.add("emergency-cpu", f"all agents: {told}", cores=asked.cores)
    return done


@router.post("/clean")
async def clean(parts: PartsDep, asked: Asked) -> CleanUp:
    """Removes older logs, and downloads that were cut short."""
    places = parts.settings.places
    done = await asyncio.to_thread(clean_up, places, models_folder(), dry_run=asked.dry_run)
    if not asked.dry_run:
        await parts.feed.add(
            "emergency-clean", f"{len(done.files)} files removed, {format_size(done.freed)}"
        )
    return done


@router.post("/restart")
async def restart(parts: PartsDep, asked: Asked) -> RestartPlan:
    """Ends everything in order, this process too; the keeper starts it all anew."""
    tasks, stats = await parts.work.tasks.open_by_agent(), await _running_calls(parts)
    if not asked.dry_run:
        await parts.feed.add("emergency-restart", "everything is restarted by request")
    value = await parts.host.call("POST", "/emergency/restart", asked.model_dump(mode="json"))
    plan = RestartPlan.model_validate(value)
    return plan.model_copy(update={"open_tasks": sum(tasks.values()), "running_calls": stats})


@router.post("/smoke")
async def smoke(parts: PartsDep) -> list[Smoke]:
    """Whether the gateway answers, a model writes, and an agent works."""
    return list(await smoke_tests(parts))


async def _running_calls(parts: Parts) -> int:
    try:
        return (await parts.gateway.stats()).running
    except SutazaiError:  # a gateway that is away has none, and is a reason to restart
        return 0


async def _cache(parts: Parts, *, dry_run: bool) -> int:
    """Bytes of kept answers, which are forgotten unless it is a dry run."""
    try:
        found: dict[str, Any] = await parts.gateway.call("GET" if dry_run else "DELETE", "/cache")
    except SutazaiError:  # memory is freed all the same
        return 0
    return int(found["bytes"])
