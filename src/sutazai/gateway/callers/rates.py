"""What a key has left, in the headers that OpenAI's clients know. Pure."""

from __future__ import annotations

import math

from sutazai.fleet.serving import DAY
from sutazai.gateway.callers.budgets import Account, Budgets
from sutazai.gateway.callers.keys import Caller


def rate_headers(budgets: Budgets, caller: Caller, now: float) -> list[tuple[str, str]]:
    """``x-ratelimit-…`` for an answer or a refusal, none for a caller without a budget.

    Of the two budgets of tokens the one is told of which less is left. ``reset`` is the time until
    all of it is there again.
    """
    budget = caller.budget
    if budget is None:
        return []
    account = budgets.account(caller.name) or Account()
    told = []
    if budget.requests_per_minute is not None:
        used, reset = account.calls.sum(now), account.calls.empty_in(now)
        told += _headers("requests", budget.requests_per_minute, used, reset)
    tokens = []
    if budget.tokens_per_minute is not None:
        used, reset = account.minute.sum(now), account.minute.empty_in(now)
        tokens.append((budget.tokens_per_minute, used + account.reserved, reset))
    if budget.tokens_per_day is not None:
        used = account.tokens_today(now)
        tokens.append((budget.tokens_per_day, used + account.reserved, DAY - now % DAY))
    if tokens:
        told += _headers("tokens", *min(tokens, key=lambda each: each[0] - each[1]))
    return told


def _headers(what: str, limit: int, used: int, reset: float) -> list[tuple[str, str]]:
    return [
        (f"x-ratelimit-limit-{what}", str(limit)),
        (f"x-ratelimit-remaining-{what}", str(max(limit - used, 0))),
        (f"x-ratelimit-reset-{what}", _duration(math.ceil(reset))),
    ]


def _duration(seconds: int) -> str:
    """As OpenAI writes it: ``1s``, ``6m0s``, ``1h0m0s``."""
    minutes, left = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{left}s"
    return f"{minutes}m{left}s" if minutes else f"{left}s"
