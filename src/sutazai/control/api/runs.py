"""Runs of workflows, their progress and what they wrote."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, StreamingResponse

from sutazai.control.api.parts import Parts, PartsDep
from sutazai.control.api.streams import event_stream
from sutazai.fleet.errors import NotFound
from sutazai.fleet.work import Run, RunRequest, WorkState
from sutazai.fleet.workflows import STANDARD
from sutazai.wire import sse_event

router = APIRouter(prefix="/runs", tags=["runs"])


@router.post("")
async def start(parts: PartsDep, request: RunRequest) -> Run:
    """Works through a goal or a backlog: plan, execute item by item, review; or through the steps
    of a `workflow` of the fleet file, with its `input`."""
    if request.workflow == STANDARD:
        for agent in parts.work.run_desk.agents:
            parts.agent(agent)
    return await parts.work.run_desk.start(request)


@router.get("")
async def list_runs(
    parts: PartsDep, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> list[Run]:
    """The newest runs, newest first."""
    return await parts.work.runs.newest(limit=limit)


@router.get("/{run_id}")
async def show(parts: PartsDep, run_id: str) -> Run:
    """One run."""
    return await parts.work.run_desk.get(run_id)


@router.get("/{run_id}/events", response_class=StreamingResponse)
async def events(parts: PartsDep, run_id: str) -> StreamingResponse:
    """The run at each change, as events `run`; ends when the run has."""
    await parts.work.run_desk.get(run_id)
    return event_stream(_changes(parts, run_id), parts.stopping)


@router.post("/{run_id}/cancel")
async def cancel(parts: PartsDep, run_id: str) -> Run:
    """Ends a run; what it wrote stays."""
    return await parts.work.run_desk.cancel(run_id)


@router.get("/{run_id}/artifacts/{name:path}", response_class=FileResponse)
async def artifact(parts: PartsDep, run_id: str, name: str) -> FileResponse:
    """A file that the run wrote."""
    run = await parts.work.run_desk.get(run_id)
    found = next((artifact for artifact in run.artifacts if artifact.name == name), None)
    path = parts.work.artifacts.path(run_id, name)
    if found is None or not path.is_file():
        raise NotFound(f"run {run_id} has no artifact {name!r}", hint="the run lists what it wrote")
    return FileResponse(path, filename=Path(name).name, headers={"etag": f'"{found.sha256}"'})


async def _changes(parts: Parts, run_id: str) -> AsyncGenerator[bytes]:
    with parts.work.progress.watch(
        run_id
    ) as watch:  # before the first look, so that none is missed
        run = await parts.work.run_desk.get(run_id)
        while True:
            yield sse_event(run.model_dump_json(), "run")
            if run.state not in (WorkState.PENDING, WorkState.RUNNING):
                return
            run = await watch.next()
