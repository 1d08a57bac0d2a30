"""Checkpoints: those that are there, making one, and verifying one."""

from __future__ import annotations

from fastapi import APIRouter

from sutazai.control.api.parts import PartsDep
from sutazai.fleet.checkpoints import CheckpointAsked, CheckpointInfo

router = APIRouter(prefix="/checkpoints", tags=["checkpoints"])


@router.get("")
async def list_checkpoints(parts: PartsDep) -> list[CheckpointInfo]:
    """Those where the fleet file says that they go, newest first."""
    return await parts.checkpoints.all()


@router.post("")
async def create(parts: PartsDep, asked: CheckpointAsked) -> CheckpointInfo:
    """Makes one now and verifies it, while everything goes on."""
    return await parts.checkpoints.make(asked.reason, asked.to)


@router.post("/{name}/verify")
async def verify(parts: PartsDep, name: str) -> CheckpointInfo:
    """Restores one into a scratch folder and looks into it; `trouble` says what is wrong."""
    return await parts.checkpoints.verify(name)
