"""Where a call may go, in which order, and whether its prompt fits there."""

from __future__ import annotations

import msgspec

from sutazai.fleet.declared import Priority
from sutazai.fleet.errors import DeadlineExceeded
from sutazai.gateway.backends.auto import AUTO, choose
from sutazai.gateway.backends.auto import Prompt as Looks
from sutazai.gateway.backends.catalogue import Target
from sutazai.gateway.callers.keys import Caller
from sutazai.gateway.callers.tasks import ServedCall
from sutazai.gateway.calls.account import Account
from sutazai.gateway.calls.ask import Ask
from sutazai.gateway.calls.courses import Course, context_at
from sutazai.gateway.calls.plant import Plant
from sutazai.gateway.context.contexts import Other
from sutazai.gateway.context.fitting import Elsewhere, Windowed, surely_fits
from sutazai.gateway.context.prompts import Prompt, read_prompt
from sutazai.gateway.dialects.neutral import Form, JsonObject
from sutazai.gateway.dialects.streams import write_json

_UNFITTED = frozenset({Form.COUNT})
"""Forms whose prompt no model reads."""

_INSTRUCTING = ("system", "developer")


class Plan(msgspec.Struct, frozen=True, gc=False):
    """What the queue needs to know of a call.

    ``targets`` are tried in their order; ``wait`` is how many seconds the call may wait; what has
    the same ``prefix`` begins with the same text. ``prompt`` is None where it is short.
    """

    caller: Caller
    targets: tuple[Target, ...]
    priority: Priority
    wait: float
    prefix: str
    prompt: Prompt | None

    def following(self, target: Target) -> tuple[Target, ...]:
        """Those to try after ``target``."""
        return self.targets[self.targets.index(target) + 1 :]


def plan_call(plant: Plant, account: Account, ask: Ask, course: Course) -> tuple[Plan, Ask]:
    """The plan for ``ask``, and what is asked by it: perhaps with older turns left out.

    Raises DeadlineExceeded or ContextExceeded.
    """
    caller, served, targets, prompt = course.caller, account.served, course.targets, None
    account.target = targets[0]
    if ask.form not in _UNFITTED and (len(ask.raw) > course.fitting or "options" in ask.value):
        targets, ask, prompt = _fitted(plant, account, ask, course)
        account.target = targets[0]
    plan = Plan(
        caller,
        targets,
        caller.priority if served is None else served.priority or caller.priority,
        plant.admission.wait if served is None else _wait(plant, served),
        _prefix(targets[0], caller, ask.value),
        prompt,
    )
    return plan, ask


async def find_course(plant: Plant, account: Account, ask: Ask) -> Course:
    """The course of a call, looked up. Raises UnknownModel, NoModel or Refused."""
    caller, served = account.caller, account.served
    assert caller is not None, "identified before"  # noqa: S101 (for the type checker)
    name, account.reason = _meant(plant, ask)
    sticky = caller.name if served is None else served.task
    return plant.courses.known(caller, name) or await plant.courses.find(caller, name, sticky)


def _meant(plant: Plant, ask: Ask) -> tuple[str | None, str]:
    """The name to look up, and for `auto` why this one."""
    asked = ask.model()
    catalogue = plant.backends.catalogue
    if catalogue.meant(asked) != AUTO or AUTO in catalogue.tiers or AUTO in catalogue.models:
        return asked, ""
    facts = ask.codec.prompt_of(ask.form, ask.value)
    looks = Looks(facts.chars, _newest(ask.value), bool(ask.value.get("tools")))
    return choose(plant.auto, looks)


def _newest(body: JsonObject) -> str:
    """The text of the newest turn, as far as it is easily had."""
    turns = body.get("messages") or body.get("input") or body.get("prompt")
    if isinstance(turns, list) and turns:
        turns = turns[-1]
    content = turns.get("content") if isinstance(turns, dict) else turns
    if isinstance(content, list):
        content = " ".join(
            part["text"]
            for part in content
            if isinstance(part, dict) and isinstance(part.get("text"), str)
        )
    return content if isinstance(content, str) else ""


def _prefix(target: Target, caller: Caller, body: JsonObject) -> str:
    """What calls that begin with the same text have in common: an agent's instructions, or else
    that they are one caller's."""
    turns = body.get("messages")
    first = turns[0] if isinstance(turns, list) and turns else None
    if isinstance(first, dict) and first.get("role") in _INSTRUCTING:
        system = first.get("content")
    else:
        system = body.get("system") or body.get("instructions")
    if not isinstance(system, str) or not system:
        return caller.name
    return f"{target.key} {hash(system)}"


def _num_ctx(body: JsonObject) -> int | None:
    """The context that an Ollama client wants."""
    options = body.get("options")
    wanted = options.get("num_ctx") if isinstance(options, dict) else None
    return wanted if isinstance(wanted, int) else None


def _wait(plant: Plant, served: ServedCall) -> float:
    """Seconds that the call may wait: no longer than its task has time."""
    if served.deadline is None:
        return plant.admission.wait
    left = served.deadline - plant.clock()
    if left <= 0:
        raise DeadlineExceeded(f"the time of the task {served.task} is over")
    return min(left, plant.admission.wait)


# what fits


def _fitted(
    plant: Plant, account: Account, ask: Ask, course: Course
) -> tuple[tuple[Target, ...], Ask, Prompt | None]:
    """The course's targets with one first that the prompt fits, what is asked there, and its
    prompt; None where that is so short that nobody needs to look at it."""
    caller, targets, context = course.caller, course.targets, course.context
    if surely_fits(len(ask.raw), context, _num_ctx(ask.value)):
        return targets, ask, None
    facts = ask.codec.prompt_of(ask.form, ask.value)
    prompt = read_prompt(ask.codec, ask.form, ask.value, ask.raw, facts)
    others = [
        Other(each.key, _model(each), context_at(plant.backends, each)) for each in targets[1:]
    ]
    decision = plant.contexts.fit(prompt, _model(targets[0]), context, caller.context, others)
    if isinstance(decision, Elsewhere):
        account.context = "another-tier"
        at = next(at for at, each in enumerate(targets) if each.key == decision.tier)
        return targets[at:], ask, prompt
    if isinstance(decision, Windowed):
        account.context = f"windowed; dropped={decision.dropped}"
        ask = msgspec.structs.replace(ask, raw=write_json(decision.body), value=decision.body)
        prompt = prompt.left(ask.codec.prompt_of(ask.form, decision.body))
    return targets, ask, prompt


def _model(target: Target) -> str:
    """The name under which a target's tokens are learned."""
    return next((model for model in target.models.values() if model), target.name)
