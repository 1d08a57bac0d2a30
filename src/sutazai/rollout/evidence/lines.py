"""Questions and answers as lines of JSON. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import TypeAdapter

from sutazai.fleet.rollout_criteria import RolloutCriteria
from sutazai.fleet.rollout_findings import Judgement
from sutazai.rollout.evidence.delivered import Evidence


@dataclass(frozen=True, slots=True)
class Question:
    """What is judged by what."""

    criteria: RolloutCriteria
    evidence: Evidence


QUESTION = TypeAdapter(Question)
ANSWER = TypeAdapter(Judgement)
"""Both raise pydantic's ValidationError, a ValueError, for what is not one."""
