"""Which names there are and what they mean."""

from __future__ import annotations

import pytest

from sutazai.fleet.errors import NoModel
from sutazai.fleet.routes import TierRoute, VersionRoute
from sutazai.gateway.backends.catalogue import Catalogue, Served, build_catalogue, key_of
from sutazai.gateway.dialects.neutral import Model
from sutazai.gateway.failures import UnknownModel


def served(name: str, *models: str, reached: bool = True) -> Served:
    return Served(name, tuple(map(Model, models)) if reached else None)


def catalogue(
    *backends: Served,
    tiers: tuple[TierRoute, ...] | None = None,
    aliases: dict[str, str] | None = None,
) -> Catalogue:
    usual = (TierRoute(name="fast"), TierRoute(name="standard"))
    return build_catalogue(backends, usual if tiers is None else tiers, aliases)


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
    assert made.targets_of("one") == {"tier:fast": "a", "tier:standard": "a", "model:a": "a"}
    assert made.targets_of("three") == {}


# aliases


def test_an_alias_is_another_name_of_a_tier_or_model() -> None:
    made = catalogue(served("one", "a"), aliases={"gpt-4o": "fast", "small": "a"})
    assert made.resolve("gpt-4o").tier == "fast"
    assert made.resolve("gpt-4o:latest").tier == "fast"
    assert made.resolve("small").name == "a"
    assert {"gpt-4o", "small"} <= set(made.names())
    assert made.describe("gpt-4o").name == "gpt-4o"


def test_an_alias_of_an_alias_is_not_followed() -> None:
    made = catalogue(served("one", "a"), aliases={"x": "y", "y": "a"})
    assert made.meant("x") == "y"
    with pytest.raises(UnknownModel, match="'y' not found"):
        made.resolve("x")
    assert "x" not in made.names()


def test_an_alias_goes_before_a_model_and_after_a_tier_of_its_name() -> None:
    made = catalogue(served("one", "a", "b"), aliases={"a": "b", "fast": "b"})
    assert made.resolve("a").name == "b"
    assert made.resolve("fast").tier == "fast"


def test_what_is_no_alias_means_itself() -> None:
    made = catalogue(served("one", "a"), aliases={"auto-too": "auto"})
    assert (made.meant("auto"), made.meant(None)) == ("auto", "default")
    assert made.meant("auto-too") == "auto"


# versions


CANARY = TierRoute(
    name="fast",
    versions=(
        VersionRoute(name="old", model="a", weight=9.0),
        VersionRoute(name="new", model="b", backends=("two",), weight=1.0),
    ),
)
TASKS = [f"task-{number}" for number in range(300)]


def test_a_task_stays_with_one_version_and_each_gets_its_share() -> None:
    made = catalogue(served("one", "a"), served("two", "a", "b"), tiers=(CANARY,))
    got = [made.resolve("fast", task) for task in TASKS]
    assert got == [made.resolve("fast", task) for task in TASKS]
    share = sum(each.version == "new" for each in got) / len(got)
    assert 0.04 < share < 0.2
    old = next(each for each in got if each.version == "old")
    new = next(each for each in got if each.version == "new")
    assert (old.models, new.models) == ({"one": "a", "two": "a"}, {"two": "b"})
    assert (key_of(old), key_of(new)) == ("tier:fast@old", "tier:fast@new")
    assert made.targets_of("two").keys() >= {"tier:fast@old", "tier:fast@new"}
    assert made.find("tier:fast@new") == new and made.find("tier:fast") is None


def test_a_version_that_nobody_serves_gets_no_task() -> None:
    made = catalogue(served("one", "a"), tiers=(CANARY,))
    assert {made.resolve("fast", task).version for task in TASKS} == {"old"}
    with pytest.raises(NoModel, match="no backend serves"):
        catalogue(served("one", "c"), tiers=(CANARY,)).resolve("fast", "task")


def test_a_tier_of_versions_is_shown_as_one() -> None:
    made = catalogue(served("one", "a"), served("two", "b"), tiers=(CANARY,))
    assert made.tiers["fast"].models.keys() == {"one", "two"}
    assert made.names().count("fast") == 1


# what else may serve a call


def test_a_tier_falls_back_to_its_other_versions_and_then_to_other_tiers() -> None:
    tiers = (
        CANARY.model_copy(update={"fallback": ("big", "nowhere", "missing", "fast")}),
        TierRoute(name="big", model="c"),
        TierRoute(name="nowhere", model="z"),
    )
    made = catalogue(served("one", "a", "c"), served("two", "b"), tiers=tiers)
    first = made.resolve("fast", "task")
    names = [(each.name, each.version) for each in made.chain(first)]
    other = "old" if first.version == "new" else "new"
    assert names == [("fast", other), ("big", None)]


def test_a_model_falls_back_to_nothing() -> None:
    made = catalogue(served("one", "a"))
    assert made.chain(made.resolve("a")) == ()


# what is known of models


def test_the_context_is_the_one_at_that_backend() -> None:
    one = Served("one", (Model("a", context=4096),))
    two = Served("two", (Model("a", context=8192), Model("b")))
    made = build_catalogue((one, two, served("three", reached=False)), (TierRoute(name="fast"),))
    target = made.resolve("a")
    assert (target.context("one"), target.context("two"), target.context("x")) == (4096, 8192, None)
    tier = made.resolve("fast")
    assert (tier.context("one"), tier.context("three")) == (4096, None)
    assert made.resolve("b").context("two") is None


# backends that tell little


def test_an_ollama_without_models_serves_no_tier_and_says_why() -> None:
    empty = Served("one", (), reason="it has no model: pull one", empty=True)
    made = build_catalogue((empty,), (TierRoute(name="fast", model="x"),))
    with pytest.raises(NoModel) as caught:
        made.resolve("fast")
    assert caught.value.hint == "one: it has no model: pull one"


def test_a_deployment_answers_to_the_name_that_its_tier_gives_it() -> None:
    deployment = Served("azure", (Model("my-deployment"),), fixed=True)
    named = TierRoute(name="big", model="gpt-4o", backends=("azure",))
    open_to_all = TierRoute(name="fast", model="gpt-4o")
    made = build_catalogue((deployment,), (named, open_to_all))
    assert made.resolve("big").models == {"azure": "my-deployment"}
    with pytest.raises(NoModel):
        made.resolve("fast")
