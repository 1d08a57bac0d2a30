"""Whether a backend has cut a prompt, told by how many tokens it says it read. Pure.

Ollama cuts long prompts and says nothing: it drops the oldest turns until the rest fits, and if the
rest does not, it takes tokens out of the middle until the context is just full (older versions, for
a while all but one token) or half full. llama.cpp and vLLM refuse such prompts.

But a low count need not be a cut: some servers (very old Ollama, and 0.30) count only what they had
to read anew, and an estimate may simply be wrong. So a prompt was cut where, without any doubt that
the estimate allows, it is longer than the context, and the count is one that a cut leaves: just the
context, just half of it, or far less than the estimate and still not less than half of the context.
Below that it is taken for a count of what was read anew.
"""

from __future__ import annotations

from enum import StrEnum

from sutazai.gateway.context.estimate import Estimate

USUAL_CONTEXTS = (2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144)
"""With which Ollama loads models where nobody says anything, and what people set."""

_FAR_BELOW = 0.7
"""A count below this part of the least estimate is no error of the estimate."""

_EDGE = 1
_KEPT = 8
"""Ollama keeps the first four tokens of a prompt, and some models' one more."""


class Reading(StrEnum):
    """How much of a prompt a backend has read."""

    WHOLE = "whole"  # all of it: good to learn from
    CUT = "cut-by-backend"
    UNSAID = "unsaid"  # it counts otherwise, or not at all


def judge(estimate: Estimate, reported: int, context: int | None) -> Reading:
    """What ``reported`` says of a prompt that is about ``estimate`` long.

    Args:
        reported: the prompt's tokens as the backend counts them, with those it had cached.
        context: tokens that the model was really loaded with there, None where that is not known.
    """
    if reported <= 0:
        return Reading.UNSAID
    contexts = USUAL_CONTEXTS if context is None else (context,)
    if any(estimate.low > each >= reported and _at_edge(reported, each) for each in contexts):
        return Reading.CUT
    if reported >= _FAR_BELOW * estimate.low:
        return Reading.WHOLE
    if context is not None and estimate.low > context >= reported > context // 2:
        return Reading.CUT
    return Reading.UNSAID


def _at_edge(reported: int, context: int) -> bool:
    """Whether a cut into ``context`` leaves just so many tokens."""
    return reported >= context - _EDGE or context // 2 <= reported <= context // 2 + _KEPT
