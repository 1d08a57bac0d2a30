"""Whether a unit should be awake now. Pure.

Hot units always are. Warm and cold ones are woken by a call and sleep once they did nothing for
``idle_after``. Never while they have a call in hand, and never within the time that an agent thinks
between two calls to a model: most follow-up calls come within ten seconds.

Signs of work are what an instance tells of itself, and what the gateway saw: calls through the
agent's door, and its calls to models. Of a program that tells nothing the gateway's word counts
alone; while the gateway does not answer nobody can tell, and the program stays awake.
"""

from __future__ import annotations

from dataclasses import dataclass

from sutazai.fleet.spec import Temperature
from sutazai.host.demand import Told

THINKING = 10.0
"""Seconds after a call to a model within which an agent is taken to work."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """What is known of the need for one unit; times are seconds of one monotonic clock.

    Args:
        woken_at: when somebody called for it last, None where nobody did since it slept.
        idle: seconds since its busiest instance did something, None where it does not tell.
        told: what the gateway knows of its work, None while the gateway does not answer.
    """

    now: float
    temperature: Temperature
    stopped: bool
    woken_at: float | None
    idle: float | None
    told: Told | None
    idle_after: float


def is_awake(need: Need) -> bool:
    """Whether it should run."""
    if need.stopped:
        return False
    if need.temperature is Temperature.HOT:
        return True
    if need.woken_at is None:
        return False
    quiet = quiet_for(need)
    return quiet is None or quiet < need.idle_after or not may_sleep(need)


def may_sleep(need: Need) -> bool:
    """Whether it has nothing in hand, and does not just think."""
    told = need.told
    if need.idle == 0.0 or (told is not None and (told.calls or told.asking)):
        return False
    asked = None if told is None else told.last_llm
    return asked is None or need.now >= asked + THINKING


def quiet_for(need: Need) -> float | None:
    """Seconds since the last sign of work, None where nobody can tell."""
    if need.idle is None and need.told is None:
        return None
    told = need.told or Told()
    times = [at for at in (need.woken_at, told.last_call, told.last_llm) if at is not None]
    signs = [need.now - at for at in times]
    if need.idle is not None:
        signs.append(need.idle)
    return min(signs, default=None)
