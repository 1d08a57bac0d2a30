"""Prompts that may be too long: what is done with them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.fleet.errors import BadInput
from sutazai.fleet.serving import ContextPolicy
from sutazai.gateway.context.estimate import Estimate
from sutazai.gateway.context.fitting import (
    FITS,
    Alternative,
    Asked,
    Context,
    ContextExceeded,
    Decision,
    Elsewhere,
    Fits,
    Windowed,
    fit,
    surely_fits,
)

REJECT, WINDOW, ANOTHER_TIER = ContextPolicy
FOUR_K = Context(4096)


def asked(
    tokens: int, error: float = 0.05, *, max_tokens: int | None = None, num_ctx: int | None = None
) -> Asked:
    return Asked(Estimate(tokens, error), max_tokens, num_ctx)


def shrinks_to_anything(room: int) -> Windowed:
    return Windowed({"room": room}, 3)


def shrinks_no_further(room: int) -> None:
    return None


def decide(
    call: Asked,
    context: Context | None = FOUR_K,
    policy: ContextPolicy = REJECT,
    *alternatives: Alternative,
    can_shrink: bool = True,
) -> Decision:
    shrink = shrinks_to_anything if can_shrink else shrinks_no_further
    return fit(call, context, policy, shrink=shrink, alternatives=alternatives)


def other(tier: str, context: Context | None, tokens: int = 5000) -> Alternative:
    return Alternative(tier, context, Estimate(tokens, 0.05))


# rejecting


def test_what_fits_goes() -> None:
    for policy in ContextPolicy:
        assert decide(asked(3000), policy=policy) == FITS


def test_what_is_too_long_is_refused_in_words_that_clients_know() -> None:
    with pytest.raises(ContextExceeded) as caught:
        decide(asked(5000))
    error = caught.value
    assert isinstance(error, BadInput)
    assert error.http_status == 400
    assert error.message.startswith("this model's maximum context length is 4096 tokens")
    assert error.data == {"limit": 4096, "estimated": 5000}
    assert error.hint is not None and "window" in error.hint


def test_where_nothing_is_known_everything_fits() -> None:
    for policy in ContextPolicy:
        assert decide(asked(10**6), None, policy) == FITS


def test_near_the_limit_the_backend_decides() -> None:
    assert decide(asked(4400, error=0.2)) == FITS
    with pytest.raises(ContextExceeded):
        decide(asked(4400, error=0.05))


@pytest.mark.parametrize(
    ("max_tokens", "room"),
    [(None, 3840), (-1, 3840), (0, 4096), (100, 3996), (1024, 3072), (100_000, 3072)],
)
def test_room_is_kept_for_the_answer(max_tokens: int | None, room: int) -> None:
    assert decide(asked(room, error=0.0, max_tokens=max_tokens)) == FITS
    with pytest.raises(ContextExceeded):
        decide(asked(room + 1, error=0.0, max_tokens=max_tokens))


# the caller's own context


def test_a_caller_may_have_less_than_the_model_has() -> None:
    assert decide(asked(1500, num_ctx=2048)) == FITS
    with pytest.raises(ContextExceeded) as caught:
        decide(asked(3000, num_ctx=2048))
    assert caught.value.data["limit"] == 2048


@pytest.mark.parametrize("policy", [REJECT, WINDOW])
def test_more_than_the_model_has_is_refused_however_short_the_prompt(policy: ContextPolicy) -> None:
    with pytest.raises(ContextExceeded) as caught:
        decide(asked(10, num_ctx=8192), policy=policy)
    assert caught.value.data == {"limit": 4096, "asked": 8192}
    assert "num_ctx" in caught.value.message


def test_or_it_goes_to_a_tier_that_has_as_much() -> None:
    tiers = (other("small", Context(6000), 10), other("large", Context(8192), 10))
    call = asked(10, num_ctx=8192)
    assert decide(call, FOUR_K, ANOTHER_TIER, *tiers) == Elsewhere("large")


def test_where_nothing_is_pinned_the_callers_wish_is_the_limit() -> None:
    loose = Context(4096, fixed=False)
    assert decide(asked(6000, num_ctx=8192), loose) == FITS
    assert decide(asked(6000, num_ctx=8192), None) == FITS
    with pytest.raises(ContextExceeded):
        decide(asked(9000, num_ctx=8192), loose)
    with pytest.raises(ContextExceeded):
        decide(asked(9000, num_ctx=8192), None)


@pytest.mark.parametrize("num_ctx", [0, -1])
def test_a_context_of_nothing_is_no_wish(num_ctx: int) -> None:
    assert decide(asked(3000, num_ctx=num_ctx)) == FITS


# windowing


def test_a_prompt_is_windowed_to_what_its_context_has_room_for() -> None:
    assert decide(asked(5000), policy=WINDOW) == Windowed({"room": 3840}, 3)


def test_windowing_begins_where_a_prompt_is_more_likely_too_long_than_not() -> None:
    assert decide(asked(3840, error=0.5), policy=WINDOW) == FITS
    assert isinstance(decide(asked(3841, error=0.5), policy=WINDOW), Windowed)


def test_what_cannot_be_shrunk_is_refused_unless_it_may_fit() -> None:
    assert decide(asked(4000, error=0.2), policy=WINDOW, can_shrink=False) == FITS
    with pytest.raises(ContextExceeded) as caught:
        decide(asked(5000), policy=WINDOW, can_shrink=False)
    assert caught.value.hint is not None and "newest turn" in caught.value.hint


# other tiers


def test_the_smallest_tier_that_fits_is_taken() -> None:
    tiers = (
        other("huge", Context(131_072)),
        other("unknown", None),
        other("right", Context(8192)),
        other("small", Context(2048)),
    )
    assert decide(asked(5000), FOUR_K, ANOTHER_TIER, *tiers) == Elsewhere("right")
    assert decide(asked(5000), FOUR_K, ANOTHER_TIER, *tiers[1:2]) == Elsewhere("unknown")


def test_without_one_it_is_refused() -> None:
    for tiers in ((), (other("small", Context(2048)),)):
        with pytest.raises(ContextExceeded):
            decide(asked(5000), FOUR_K, ANOTHER_TIER, *tiers)


def test_each_tier_counts_in_its_own_tokens() -> None:
    tiers = (other("coarse", Context(4096), 3000), other("fine", Context(4096), 5000))
    assert decide(asked(5000), FOUR_K, ANOTHER_TIER, *reversed(tiers)) == Elsewhere("coarse")


# the short way


def test_a_short_body_surely_fits() -> None:
    assert surely_fits(3072, FOUR_K)
    assert not surely_fits(3073, FOUR_K)
    assert surely_fits(1536, None)
    assert not surely_fits(1537, None), "it may be as little as that"
    assert not surely_fits(10, FOUR_K, num_ctx=8192)
    assert not surely_fits(2000, FOUR_K, num_ctx=2048)
    assert surely_fits(6000, Context(4096, fixed=False), num_ctx=8192)


# whatever comes

contexts = st.none() | st.builds(Context, st.integers(256, 300_000), st.booleans())
estimates = st.builds(Estimate, st.integers(0, 400_000), st.floats(0.0, 0.8))
calls = st.builds(
    Asked,
    estimates,
    st.none() | st.integers(-2, 100_000),
    st.none() | st.integers(-1, 300_000),
)


def outcome(call: Asked, context: Context | None, policy: ContextPolicy) -> Decision | None:
    try:
        return decide(call, context, policy)
    except ContextExceeded:
        return None


@given(calls, contexts, st.integers(0, 300_000))
def test_what_surely_fits_fits(call: Asked, context: Context | None, size: int) -> None:
    if surely_fits(size, context, call.num_ctx):
        tokens = min(call.estimate.tokens, size)
        short = Asked(Estimate(tokens, 0.0), call.max_tokens, call.num_ctx)
        assert all(outcome(short, context, policy) == FITS for policy in ContextPolicy)


@given(calls, contexts, st.sampled_from(ContextPolicy), st.integers(0, 400_000))
def test_a_longer_prompt_never_fits_better(
    call: Asked, context: Context | None, policy: ContextPolicy, more: int
) -> None:
    longer = Estimate(call.estimate.tokens + more, call.estimate.error)
    if outcome(call, context, policy) != FITS:
        other_call = Asked(longer, call.max_tokens, call.num_ctx)
        assert outcome(other_call, context, policy) != FITS


@given(calls, contexts, st.sampled_from(ContextPolicy), st.integers(0, 300_000))
def test_a_larger_context_never_fits_worse(
    call: Asked, context: Context | None, policy: ContextPolicy, more: int
) -> None:
    if context is not None and outcome(call, context, policy) == FITS:
        larger = Context(context.tokens + more, context.fixed)
        assert outcome(call, larger, policy) == FITS


@given(calls, contexts)
def test_what_is_refused_is_too_long_without_doubt(call: Asked, context: Context | None) -> None:
    if outcome(call, context, REJECT) is None:
        limit = call.num_ctx if context is None else context.tokens
        assert limit is not None
        beyond = call.num_ctx is not None and call.num_ctx > limit
        assert (
            beyond
            or call.estimate.low > min(limit, call.num_ctx or limit) * 3 // 4 - 1
            or (context is not None and not context.fixed)
        )


@given(calls, contexts, st.lists(st.tuples(contexts, estimates), max_size=4))
def test_wherever_it_goes_it_fits_there(
    call: Asked, context: Context | None, others: list[tuple[Context | None, Estimate]]
) -> None:
    tiers = [Alternative(str(n), there, estimate) for n, (there, estimate) in enumerate(others)]
    try:
        decision = decide(call, context, ANOTHER_TIER, *tiers)
    except ContextExceeded:
        return
    if isinstance(decision, Elsewhere):
        there = tiers[int(decision.tier)]
        moved = Asked(there.estimate, call.max_tokens, call.num_ctx)
        assert isinstance(decide(moved, there.context, REJECT), Fits)
