"""A call's prompt as far as its length matters: read once, and only where it may be long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from sutazai.gateway.context.estimate import non_ascii_in
from sutazai.gateway.dialects.codec import ClientCodec
from sutazai.gateway.dialects.facts import PromptFacts
from sutazai.gateway.dialects.neutral import Form, JsonObject
from sutazai.gateway.dialects.windows import Shrunk

EMBEDDINGS = frozenset({Form.EMBEDDING, Form.SINGLE_EMBEDDING})


Shrinker = Callable[[Callable[[int], bool]], Shrunk | None]
"""Takes turns out of a call until what it is given holds of the characters left (a codec's)."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is known of it before it is cut into tokens.

    Args:
        chars: its characters; where a call has several prompts, those of the longest.
        non_ascii: how many of them are not ASCII, about.
        images: pictures in it.
        max_tokens: the most that is wanted of the answer, nought where there is none.
        num_ctx: the context that is wanted.
        single: whether what a backend counts is this prompt alone.
        shrink: see `Shrinker`.
    """

    chars: int
    non_ascii: int
    images: int
    max_tokens: int | None
    num_ctx: int | None
    single: bool
    shrink: Shrinker

    def non_ascii_of(self, chars: int) -> int:
        """How many of ``chars`` of its characters are not ASCII, about."""
        return round(self.non_ascii * chars / self.chars) if self.chars else 0

    def left(self, facts: PromptFacts) -> Prompt:
        """What is left of it once turns were taken out, and the call looks like ``facts``."""
        return replace(
            self,
            chars=facts.chars,
            non_ascii=self.non_ascii_of(facts.chars),
            images=facts.images,
        )


def read_prompt(
    codec: ClientCodec, form: Form, body: JsonObject, raw: bytes, facts: PromptFacts
) -> Prompt:
    """The prompt of ``body``, which came as ``raw`` and looks like ``facts``."""
    shrink: Shrinker = partial(codec.shrink, form, body)
    chars = _longest(form, body, facts, shrink)
    others = min(non_ascii_in(raw), facts.chars)
    return Prompt(
        chars=chars,
        non_ascii=round(others * chars / facts.chars) if facts.chars else 0,
        images=facts.images,
        max_tokens=0 if form in EMBEDDINGS else facts.max_tokens,
        num_ctx=facts.num_ctx,
        single=chars == facts.chars,
        shrink=shrink,
    )


def _longest(form: Form, body: JsonObject, facts: PromptFacts, shrink: Shrinker) -> int:
    """Characters of the prompt that has to fit, of those that a call may have."""
    if form in EMBEDDINGS:
        return _longest_text(shrink)
    prompts = body.get("prompt")
    if form is Form.COMPLETION and isinstance(prompts, list):
        texts = [prompt for prompt in prompts if isinstance(prompt, str)]
        return max(map(len, texts)) if texts else facts.chars
    return facts.chars


def _longest_text(shrink: Shrinker) -> int:
    """Of the texts to embed, which must each fit: a codec asks about the longest."""
    asked: list[int] = []

    def note(chars: int) -> bool:
        asked.append(chars)
        return True

    shrink(note)
    return max(asked, default=0)
