"""Values as packed arrays, there and back."""

from __future__ import annotations

from math import isnan

from hypothesis import given
from hypothesis import strategies as st

from sutazai.observe.history.points import drawn, step_for
from sutazai.observe.history.strips import Strip, merged, packed, strip_of, unpacked
from sutazai.observe.history.tiers import TIERS, Tier

values = st.floats(-1e9, 1e9, width=32)
looks = st.lists(st.dictionaries(st.integers(0, 20), values, max_size=20), min_size=1, max_size=20)


def strip(at: int, look: dict[int, float]) -> Strip:
    means = [*look.values()]
    return Strip(at, [*look], means, means, means)


@given(looks)
def test_merged_has_the_mean_and_the_bounds_of_each_series(found: list[dict[int, float]]) -> None:
    one = merged([strip(at, look) for at, look in enumerate(found)], 7)

    assert one.at == 7
    assert set(one.ids) == {series for look in found for series in look}
    for series, mean, low, high in zip(one.ids, one.mean, one.low, one.high, strict=True):
        seen = [look[series] for look in found if series in look]
        assert (low, high) == (min(seen), max(seen))
        assert abs(mean - sum(seen) / len(seen)) < 1e-6


@given(looks)
def test_packed_by_series_is_read_as_it_was(found: list[dict[int, float]]) -> None:
    chunks = packed([strip(at, look) for at, look in enumerate(found)])

    for series, data in chunks.items():
        means, lows, highs = unpacked(data)
        assert len(lows) == len(means) == len(highs) == len(found)
        for mean, look in zip(means, found, strict=True):
            assert mean == look[series] if series in look else isnan(mean)


@given(st.dictionaries(st.integers(0, 2**31), values, max_size=50), st.booleans())
def test_blobs_are_read_as_they_were(look: dict[int, float], spread: bool) -> None:
    means = [*look.values()]
    wider = [value + 1.0 for value in means] if spread else means
    written = Strip(5, [*look], means, means, wider)

    read = strip_of(5, *written.blobs)

    assert [*read.ids] == [*look] and [*read.mean] == means == [*read.low]


def test_what_is_drawn_fits_and_is_in_order() -> None:
    points = [(at, float(at), at - 1.0, at + 1.0) for at in (600, 610, 0, 10, 630)]
    one = drawn([*points, (620, float("nan"), 0.0, 0.0)], (("agent", "a"),), 20)

    assert (one.times, one.mean) == ((0, 600, 620), (5.0, 605.0, 630.0))
    assert (one.low, one.high) == ((-1.0, 599.0, 629.0), (11.0, 611.0, 631.0))


@given(st.integers(1, 40 * 86_400), st.integers(1, 2_000), st.sampled_from(TIERS))
def test_never_more_points_than_asked_for(span: int, points: int, tier: Tier) -> None:
    step = step_for(tier.step, span=span, points=points)
    assert step % tier.step == 0 and span / step <= points
