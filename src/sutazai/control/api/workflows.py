"""Workflows that runs can be started of, and the answers of people that runs wait for."""

from __future__ import annotations

from fastapi import APIRouter

from sutazai.control.api.parts import PartsDep
from sutazai.fleet.work import Answer, Run
from sutazai.fleet.workflows import Workflow
from sutazai.tasks.workflow.taking import find_workflow

router = APIRouter(tags=["workflows"])


@router.get("/workflows", response_model_exclude_none=True)
async def list_workflows(parts: PartsDep) -> dict[str, Workflow]:
    """The workflows of the fleet file, by name."""
    return dict(parts.work.run_desk.workflows)


@router.get("/workflows/{name}", response_model_exclude_none=True)
async def show(parts: PartsDep, name: str) -> Workflow:
    """One workflow, as it is declared."""
    return find_workflow(name, parts.work.run_desk.workflows)


@router.post("/runs/{run_id}/approvals/{step}")
async def answer(parts: PartsDep, run_id: str, step: str, given: Answer) -> Run:
    """Approves or rejects what a step of a run waits for."""
    return await parts.work.run_desk.answer(run_id, step, given)
