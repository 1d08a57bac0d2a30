"""What every part of the fleet file is made of."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from sutazai.fleet.ids import NAME_MAX, NAME_PATTERN
from sutazai.fleet.units import Duration

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=NAME_MAX)]
Port = Annotated[int, Field(ge=1, le=65535)]


def _not_nothing(seconds: float) -> float:
    if seconds < 0.001:
        raise ValueError("expected 1ms at least")
    return seconds


Interval = Annotated[Duration, AfterValidator(_not_nothing)]
"""A duration that is waited again and again, so it cannot be nothing."""


def wrong(key: str, message: str) -> PydanticCustomError:
    """What a check of several keys raises; ``key`` is the one a reader should look at."""
    return PydanticCustomError("wrong", "{message}", {"key": key, "message": message})


class Spec(BaseModel):
    """A part of the fleet file: immutable, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Priority(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Dialect(StrEnum):
    """The API an LLM backend speaks."""

    OPENAI = "openai"
    OLLAMA = "ollama"
