"""What every message between processes is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Shape(BaseModel):
    """A message between processes: immutable, and tolerant of fields a newer peer adds."""

    model_config = ConfigDict(frozen=True, extra="ignore")
