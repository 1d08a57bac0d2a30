"""Which names there are and what they mean."""

from __future__ import annotations

import pytest

from sutazai.fleet.errors import NoModel
from sutazai.fleet.routes import TierRoute
from sutazai.gateway.catalogue import Catalogue, Served, build_catalogue, key_of
from sutazai.gateway.dialects.neutral import Model
from sutazai.gateway.failures import UnknownModel


def served(name: str, *models: str, reached: bool = True) -> Served:
    return Served(name, tuple(map(Model, models)) if reached else None)


def catalogue(*backends: Served, tiers: tuple[TierRoute, ...] | None = None) -> Catalogue:
    usual = (TierRoute(name="fast"), TierRoute(name="standard"))
    return build_catalogue(backends, usual if tiers is None else tiers)


def test_a_model_is_served_by_every_backend_that_has_it() -> None:
    made = catalogue(served("one", "a", "b"), served("two", "b"))
    assert made.resolve("b").models == {"one": "b", "two": "b"}
    assert made.resolve("a").models == {"one": "a"}


@pytest.mark.parametrize("asked", ["x", "x:latest"])
@pytest.mark.parametrize("has", ["x", "x:latest"])
def test_the_tag_latest_may_be_left_out(asked: str, has: str) -> None:
    assert catalogue(served("one", has)).resolve(asked).models == {"one": has}


def test_another_tag_is_another_model() -> None:
    with pytest.raises(UnknownModel):
        catalogue(served("one", "x:7b")).resolve("x")


def test_a_tier_without_a_model_takes_each_backends_first() -> None:
    made = catalogue(served("one", "a", "b"), served("two", "c"))
    assert made.resolve("fast").models == {"one": "a", "two": "c"}


def test_models_that_only_embed_come_last_for_a_tier() -> None:
    made = catalogue(served("one", "nomic-embed-text:latest", "chatty"), served("two", "bge-m3"))
    assert made.resolve("fast").models == {"one": "chatty", "two": "bge-m3"}


def test_a_tier_with_a_model_takes_the_backends_that_have_it() -> None:
    tier = TierRoute(name="fast", model="x")
    made = catalogue(served("one", "x:latest"), served("two", "y"), served("three"), tiers=(tier,))
    assert made.resolve("fast").models == {"one": "x:latest", "three": "x"}


def test_a_tier_keeps_to_its_backends() -> None:
    tier = TierRoute(name="fast", backends=("two",))
    made = catalogue(served("one", "a"), served("two", "b"), tiers=(tier,))
    assert made.resolve("fast").models == {"two": "b"}


@pytest.mark.parametrize("asked", [None, "", "default", "default:latest"])
def test_no_name_means_the_standard_tier(asked: str | None) -> None:
    target = catalogue(served("one", "a")).resolve(asked)
    assert (target.tier, target.models) == ("standard", {"one": "a"})


def test_without_a_standard_tier_no_name_means_what_there_is() -> None:
    other = (TierRoute(name="fast"),)
    assert catalogue(served("one", "a"), tiers=other).resolve(None).tier == "fast"
    assert catalogue(served("one", "a"), tiers=()).resolve(None).name == "a"


def test_a_tier_goes_before_a_model_of_its_name_and_they_are_told_apart() -> None:
    made = catalogue(served("one", "fast", "b"))
    assert made.resolve("fast").tier == "fast"
    assert key_of(made.tiers["fast"]) != key_of(made.models["fast"])
    assert len(made.names()) == len(set(made.names()))


def test_a_backend_that_was_never_reached_may_have_anything() -> None:
    made = catalogue(served("one", reached=False))
    assert made.resolve("fast").models == {"one": None}
    with pytest.raises(NoModel, match="one"):
        made.resolve("some-model")


def test_an_empty_backend_serves_nothing() -> None:
    made = catalogue(served("one"))
    with pytest.raises(NoModel, match="no backend serves the tier"):
        made.resolve("fast")
    assert made.names() == ()


def test_an_unknown_name_is_told_with_the_known_ones() -> None:
    with pytest.raises(UnknownModel, match="model 'z' not found") as caught:
        catalogue(served("one", "a")).resolve("z")
    assert caught.value.hint == "there are: a, fast, standard"


def test_a_backend_serves_its_models_and_tiers() -> None:
    made = catalogue(served("one", "a"), served("two", "b"))
    assert made.targets_of("one") == {"tier:fast", "tier:standard", "model:a"}
    assert made.targets_of("three") == frozenset()
