"""Calls and letters to be kept."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from sutazai.fleet.serving import Record
from sutazai.gateway.records.call import CallRecord
from sutazai.gateway.records.letter import DeadLetter

NOW = 1_800_000_000.0

_CALL = CallRecord(
    id="call-1",
    at=NOW,
    caller="planner",
    agent=True,
    task="",
    run="",
    priority="medium",
    tier="standard",
    version="",
    model="smollm2",
    backend="one",
    dialect="openai",
    form="chat",
    stream=False,
    outcome="done",
    status=200,
    error="",
    prompt_tokens=350,
    completion_tokens=64,
    cached_tokens=300,
    queued=0.5,
    first_token=1.0,
    total=2.5,
    bytes_in=2_000,
    bytes_out=9_000,
    cache="",
    context="",
)


def call(**other: Any) -> CallRecord:
    return replace(_CALL, **other)


def letter(**other: Any) -> DeadLetter:
    values = {
        "id": "call-1",
        "at": NOW,
        "caller": "planner",
        "task": "",
        "model": "standard",
        "path": "/v1/chat/completions",
        "content_type": "application/json",
        "priority": "medium",
        "reason": {"code": "QueueFull", "message": "the queue is full"},
        "body": b'{"model":"standard"}',
    }
    return DeadLetter(**{**values, **other})


def keeping(*, age: float = 3600.0, size: int = 64 * 1024**2, contents: bool = False) -> Record:
    """What is kept; ages in seconds and sizes in bytes, unlike in the fleet file."""
    return Record(age=f"{age}s", size=f"{size}B", contents=contents)
