"""What is done with a prompt that may be too long for its model. Pure.

The limit is the model's context, or less where the caller asks for less (Ollama's ``num_ctx``);
more than the model is loaded with nobody gets. Of the limit, room is kept for the answer: what the
caller allows it, or 256 tokens, a quarter of the limit at most.

A prompt is only estimated, so there is doubt. A prompt is refused, or sent to another tier, only if
even its least estimate is too long: near the limit the backend decides, who knows, and `cut` looks
at what it says. It is windowed as soon as it is more likely too long than not, and then so far
that even its greatest estimate fits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sutazai.fleet.errors import BadInput
from sutazai.fleet.serving import ContextPolicy
from sutazai.gateway.context.estimate import Estimate
from sutazai.gateway.dialects.neutral import JsonObject

ANSWER = 256
"""Tokens kept for an answer of which no length is said."""

SMALLEST = 2048
"""Tokens of the smallest context that is met where none is known."""


class ContextExceeded(BadInput):
    """The prompt does not fit into the model's context, or asks for more than the model has.

    ``data`` has ``limit`` in tokens, and ``estimated`` or ``asked``.
    """


@dataclass(frozen=True, slots=True)
class Context:
    """How many ``tokens`` a model has.

    ``fixed`` says that no call can change that: it is pinned, or the server's own matter. Where it
    is not, Ollama loads the model as a call asks.
    """

    tokens: int
    fixed: bool = True


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call asks for.

    Args:
        estimate: of its prompt.
        max_tokens: the most it wants of the answer; nought where there is none (embeddings), None
            or less than nought where it does not say.
        num_ctx: the context that it wants, in Ollama's words; None or nought where it does not say.
    """

    estimate: Estimate
    max_tokens: int | None = None
    num_ctx: int | None = None


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another tier that the call could go to; ``estimate`` is by what is known of its model."""

    tier: str
    context: Context | None
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Fits:
    """It goes as it is."""


@dataclass(frozen=True, slots=True)
class Windowed:
    """It goes as ``body``, from which so many of the oldest turns are ``dropped``."""

    body: JsonObject
    dropped: int


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """It goes to another tier."""

    tier: str


Decision = Fits | Windowed | Elsewhere

Shrink = Callable[[int], Windowed | None]
"""Gives the call with a prompt of so many tokens at most, by its greatest estimate; None where even
the system's texts and the newest turn have more."""

FITS = Fits()

_HINTS = {
    ContextPolicy.REJECT: "shorten it, or set `context` of the caller to `window`, which drops the"
    " oldest turns, or to `another-tier`",
    ContextPolicy.WINDOW: "the instructions and the newest turn alone are too long: shorten them",
    ContextPolicy.ANOTHER_TIER: "no other tier has a context that is long enough: shorten it",
}


def surely_fits(size: int, context: Context | None, num_ctx: int | None = None) -> bool:
    """Whether a call of ``size`` bytes fits beyond any doubt, so that nobody need look at its
    prompt: a token has one byte at least, and a quarter of the limit at most is for the answer.
    Where no context is known, it has `SMALLEST` tokens. (Images that are only named by an address
    are no matter of bytes.)
    """
    if _wants_too_much(context, num_ctx):
        return False
    return size <= _surely_fitting(_limit(context, num_ctx))


def surely_fitting(context: Context | None) -> int:
    """The bytes up to which every call `surely_fits` that says nothing of its context."""
    return _surely_fitting(_limit(context, None))


def _surely_fitting(limit: int | None) -> int:
    return 3 * (limit or SMALLEST) // 4


def fit(
    asked: Asked,
    context: Context | None,
    policy: ContextPolicy,
    *,
    shrink: Shrink,
    alternatives: Iterable[Alternative] = (),
) -> Decision:
    """What is done with a call for a model of ``context``, None where that is not known.

    Raises ContextExceeded.
    """
    limit = _limit(context, asked.num_ctx)
    if limit is None:
        return FITS
    room = limit - _kept(asked.max_tokens, limit)
    too_much = _wants_too_much(context, asked.num_ctx)
    decision: Decision | None = None
    if policy is ContextPolicy.WINDOW and not too_much:
        decision = _windowed(asked.estimate, room, shrink)
    elif asked.estimate.low <= room and not too_much:
        return FITS
    elif policy is ContextPolicy.ANOTHER_TIER:
        decision = _elsewhere(asked, alternatives)
    if decision is None:
        raise _refusal(asked, limit, policy, too_much=too_much)
    return decision


def _wants_too_much(context: Context | None, num_ctx: int | None) -> bool:
    if context is None or num_ctx is None:
        return False
    return context.fixed and num_ctx > context.tokens


def _limit(context: Context | None, num_ctx: int | None) -> int | None:
    if num_ctx is None or num_ctx < 1:
        return None if context is None else context.tokens
    if context is None or not context.fixed:
        return num_ctx
    return min(num_ctx, context.tokens)


def _kept(max_tokens: int | None, limit: int) -> int:
    """Tokens for the answer."""
    wanted = ANSWER if max_tokens is None or max_tokens < 0 else max_tokens
    return min(wanted, limit // 4)


def _windowed(estimate: Estimate, room: int, shrink: Shrink) -> Decision | None:
    if estimate.tokens > room and (windowed := shrink(room)) is not None:
        return windowed
    return FITS if estimate.low <= room else None


def _elsewhere(asked: Asked, alternatives: Iterable[Alternative]) -> Elsewhere | None:
    """The tier of the smallest context that fits; one that is not known counts as the largest."""
    fitting = [each for each in alternatives if _would_fit(asked, each)]
    return Elsewhere(min(fitting, key=_size).tier) if fitting else None


def _would_fit(asked: Asked, other: Alternative) -> bool:
    limit = _limit(other.context, asked.num_ctx)
    if limit is None:
        return True
    if _wants_too_much(other.context, asked.num_ctx):
        return False
    return other.estimate.tokens <= limit - _kept(asked.max_tokens, limit)


def _size(other: Alternative) -> float:
    return math.inf if other.context is None else other.context.tokens


def _refusal(asked: Asked, limit: int, policy: ContextPolicy, *, too_much: bool) -> ContextExceeded:
    if too_much:
        return ContextExceeded(
            f"num_ctx {asked.num_ctx} is more than the {limit} tokens that the model has here",
            hint="ask for no more, or raise `context` of the model in the fleet file",
            limit=limit,
            asked=asked.num_ctx,
        )
    tokens = asked.estimate.tokens
    # Clients know this error by its first words.
    return ContextExceeded(
        f"this model's maximum context length is {limit} tokens, but the prompt has about {tokens}"
        f" and {_kept(asked.max_tokens, limit)} are kept for the answer",
        hint=_HINTS[policy],
        limit=limit,
        estimated=tokens,
    )
