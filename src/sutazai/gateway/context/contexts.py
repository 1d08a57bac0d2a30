"""What a call's context comes to: decided before it is sent, learned from after it was answered.

The one place where estimates, decisions and what backends report come together; as pure as they
are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sutazai.fleet.serving import ContextPolicy
from sutazai.gateway.context.cut import Reading, judge
from sutazai.gateway.context.estimate import Estimate, Estimator
from sutazai.gateway.context.fitting import Alternative, Asked, Context, Decision, Windowed, fit
from sutazai.gateway.context.prompts import Prompt


@dataclass(frozen=True, slots=True)
class Other:
    """Another tier, the model that serves it, and the context that one has, if it is known."""

    tier: str
    model: str
    context: Context | None


class Contexts:
    """Decides by estimates, and learns from reports. Plain counts of prompts ``windowed`` here and
    ``cut`` by backends."""

    def __init__(self) -> None:
        self.estimator = Estimator()
        self.windowed = self.cut = 0

    def fit(
        self,
        prompt: Prompt,
        model: str,
        context: Context | None,
        policy: ContextPolicy,
        others: Iterable[Other] = (),
    ) -> Decision:
        """What is done with a call for ``model``. Raises ContextExceeded.

        Need not be asked where `fitting.surely_fits`.
        """

        def shrink(room: int) -> Windowed | None:
            shrunk = prompt.shrink(lambda chars: self._estimate(prompt, model, chars).high <= room)
            return None if shrunk is None else Windowed(shrunk.body, shrunk.dropped)

        asked = Asked(self.estimate(prompt, model), prompt.max_tokens, prompt.num_ctx)
        alternatives = (
            Alternative(other.tier, other.context, self.estimate(prompt, other.model))
            for other in others
        )
        decision = fit(asked, context, policy, shrink=shrink, alternatives=alternatives)
        self.windowed += isinstance(decision, Windowed)
        return decision

    def estimate(self, prompt: Prompt, model: str) -> Estimate:
        """How long ``prompt`` is for ``model``."""
        return self._estimate(prompt, model, prompt.chars)

    def heard(self, prompt: Prompt, model: str, reported: int, loaded: int | None) -> Reading:
        """Looks at what a backend ``reported`` of a prompt that it was sent, and learns from it.

        ``loaded`` is the context that it has the model loaded with, None where that is not known.
        """
        if not prompt.single:
            return Reading.UNSAID
        reading = judge(self.estimate(prompt, model), reported, loaded)
        if reading is Reading.CUT:
            self.cut += 1
        elif reading is Reading.WHOLE and not prompt.images:
            self.estimator.learn(model, prompt.chars, prompt.non_ascii, reported)
        return reading

    def _estimate(self, prompt: Prompt, model: str, chars: int) -> Estimate:
        return self.estimator.estimate(model, chars, prompt.non_ascii_of(chars), prompt.images)
