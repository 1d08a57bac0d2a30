"""Keys wherever programs can put them, and the names of callers that have none."""

from __future__ import annotations

import pytest

from sutazai.fleet.declared import Priority
from sutazai.fleet.errors import Refused, Unauthenticated
from sutazai.fleet.routes import Key
from sutazai.fleet.serving import Budget, ContextPolicy
from sutazai.gateway.callers.keys import ANYBODY, KEYLESS, Caller, Keyring, Names, key_in_path
from sutazai.wire import Headers

LOCAL = "127.0.0.1:40000"
RING = Keyring(
    [
        Key(name="planner", secret="p", priority=Priority.HIGH, agent=True),
        Key(name="lab", secret="l"),
    ]
)


def named(headers: list[tuple[str, str]], names: Names | None = None, peer: str = LOCAL) -> str:
    ring = Keyring((), names)
    return ring.identify(Headers(headers), keyless=True, peer=peer).name


def test_a_caller_is_all_that_its_key_says() -> None:
    key = Key(
        name="lab",
        secret="s",
        priority=Priority.LOW,
        admin=True,
        tiers=("fast",),
        context=ContextPolicy.WINDOW,
        budget=Budget(concurrency=2),
    )
    caller = Keyring([key]).identify(Headers([("api-key", "s")]), keyless=False)
    assert caller == Caller(
        "lab",
        Priority.LOW,
        admin=True,
        tiers=frozenset({"fast"}),
        context=ContextPolicy.WINDOW,
        budget=Budget(concurrency=2),
    )
    assert RING.identify(Headers([("api-key", "l")]), keyless=False).budget is None


@pytest.mark.parametrize("name", ["x-api-key", "Api-Key", "API-KEY"])
def test_a_key_may_come_as_each_kind_of_client_sends_it(name: str) -> None:
    assert RING.identify(Headers([(name, "l")]), keyless=False).name == "lab"


def test_a_good_key_counts_whatever_else_a_client_must_send() -> None:
    dummy = Headers([("authorization", "Bearer sk-dummy"), ("x-api-key", "l")])
    assert RING.identify(dummy, keyless=True).name == "lab"


def test_a_wrong_key_is_no_key() -> None:
    wrong = Headers([("api-key", "wrong")])
    assert RING.identify(wrong, keyless=True) is ANYBODY
    with pytest.raises(Unauthenticated, match="not known"):
        RING.identify(wrong, keyless=False)
    with pytest.raises(Unauthenticated, match="is needed"):
        RING.identify(Headers(), keyless=False)


def test_callers_are_found_by_name_too() -> None:
    names = Names()
    ring = Keyring([Key(name="lab", secret="l", priority=Priority.LOW)], names)
    named([("x-sutazai-agent", "aider")], names)
    assert ring.named("lab") == Caller("lab", Priority.LOW)
    assert ring.named(f"{KEYLESS}:aider").name == f"{KEYLESS}:aider"
    for name in ("aider", f"{KEYLESS}:other", KEYLESS, "gone", ""):
        assert ring.named(name) is ANYBODY


@pytest.mark.parametrize(
    ("target", "secret", "rest"),
    [
        ("/key/s3cret/v1/chat/completions", "s3cret", "/v1/chat/completions"),
        ("/key/a%2Fb/api/tags?x=/key/", "a/b", "/api/tags?x=/key/"),
        ("/key/s", "s", "/"),
        ("/key/s?x=1", "s", "/?x=1"),
        ("/key/s/", "s", "/"),
        ("/key//v1/models", "", "/key//v1/models"),
        ("/keys/s/v1", "", "/keys/s/v1"),
        ("/v1/key/s", "", "/v1/key/s"),
        ("*", "", "*"),
    ],
)
def test_a_key_in_the_path_is_taken_out_of_it(target: str, secret: str, rest: str) -> None:
    assert key_in_path(target) == (secret, rest)


def test_without_a_key_a_program_is_known_by_the_name_it_gives_itself() -> None:
    assert named([("X-Sutazai-Agent", "aider")]) == f"{KEYLESS}:aider"
    assert named([("user-agent", "aider/1.0")]) == KEYLESS


def test_a_key_is_worth_more_than_a_name() -> None:
    headers = Headers([("x-sutazai-agent", "lab"), ("x-api-key", "p")])
    assert RING.identify(headers, keyless=True).name == "planner"


@pytest.mark.parametrize("name", ["", "a b", "ä", "-x", "@admin", "x" * 49, "a\nb", "a:b"])
def test_a_name_that_is_none_counts_for_nothing(name: str) -> None:
    assert named([("x-sutazai-agent", name)]) == KEYLESS


def test_no_name_passes_for_that_of_a_key() -> None:
    assert named([("x-sutazai-agent", "planner")]) != "planner"


@pytest.mark.parametrize(
    ("peer", "name"),
    [
        ("127.0.0.1:1", KEYLESS),
        ("127.3.2.1:1", KEYLESS),
        ("[::1]:1", KEYLESS),
        ("", KEYLESS),
        ("192.168.1.5:1", f"{KEYLESS}:192.168.1.5"),
        ("[fe80::1]:1", f"{KEYLESS}:[fe80::1]"),
    ],
)
def test_without_a_name_whoever_calls_from_elsewhere_is_known_by_address(
    peer: str, name: str
) -> None:
    assert named([], peer=peer) == name


def test_names_are_bounded_and_outlive_a_keyring() -> None:
    names = Names(limit=2)
    assert named([("x-sutazai-agent", "one")], names) == f"{KEYLESS}:one"
    assert named([("x-sutazai-agent", "two")], names) == f"{KEYLESS}:two"
    assert named([("x-sutazai-agent", "three")], names) == KEYLESS
    assert named([], names, "10.0.0.1:1") == KEYLESS
    assert named([("x-sutazai-agent", "one")], names) == f"{KEYLESS}:one"


def test_a_key_opens_its_tiers_and_their_models_alone() -> None:
    caller = Caller("lab", tiers=frozenset({"fast", "standard"}))
    assert caller.may("fast") and not caller.may("complex")
    caller.check("fast", ["fast"])
    caller.check("llama3.2:1b", ["fast", "complex"])
    for asked, tiers in (("complex", ["complex"]), ("some-model", [])):
        with pytest.raises(Refused, match="may not ask") as error:
            caller.check(asked, tiers)
        assert error.value.hint == "its key opens the tiers: fast, standard"


def test_a_key_without_tiers_opens_all() -> None:
    Caller("lab").check("anything", [])
    assert Caller("lab").may("anything")
