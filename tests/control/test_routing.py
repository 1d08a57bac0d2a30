"""Where calls go, for each source of the model."""

from __future__ import annotations

from sutazai.control.routing import ADMIN, plan_routes
from sutazai.control.source import LlmSource, Source
from sutazai.fleet.declared import Dialect, Priority
from sutazai.fleet.hierarchy import Member
from sutazai.fleet.messaging import Broker, BusSpec, Messages
from sutazai.fleet.routes import BackendRoute, Routes, TierRoute
from sutazai.fleet.serving import Backend, Tier
from sutazai.fleet.spec import Agent, Fleet, Rank, Runtime

KEYS = {"a": "key-a", "b": "key-b"}
AGENTS = {
    "a": Agent(port=10300, priority=Priority.HIGH),
    "b": Agent(runtime=Runtime.REMOTE, url="http://there:1", port=10301),
}


def routes(fleet: Fleet, source: LlmSource) -> Routes:
    secrets = {"${KEY}": "secret"}
    return plan_routes(
        fleet,
        source,
        keys=KEYS,
        token="token",
        llm_address="unix:/run/llm.sock",
        resolve=secrets.get,
    )


def test_every_agent_has_a_key_and_a_door_and_the_admin_a_key_of_its_own() -> None:
    planned = routes(Fleet(name="f", agents=AGENTS), LlmSource(Source.EMBEDDED))
    assert [(key.name, key.secret, key.priority, key.admin) for key in planned.keys] == [
        (ADMIN, "token", Priority.HIGH, True),
        ("a", "key-a", Priority.HIGH, False),
        ("b", "key-b", Priority.MEDIUM, False),
    ]
    assert [(door.agent, door.port, door.address) for door in planned.doors] == [
        ("a", 10300, None),
        ("b", 10301, "http://there:1"),
    ]


def test_the_embedded_server_serves_every_tier_with_what_it_has() -> None:
    fleet = Fleet(name="f", tiers={"fast": Tier(model="tinyllama"), "standard": Tier()})
    planned = routes(fleet, LlmSource(Source.EMBEDDED))
    assert planned.backends == (
        BackendRoute(
            name="embedded",
            address="unix:/run/llm.sock",
            dialect=Dialect.OPENAI,
            slots=2,
            check=60.0,
            embedded=True,
        ),
    )
    assert planned.tiers == (TierRoute(name="fast"), TierRoute(name="standard"))


def test_an_ollama_is_asked_for_the_models_that_it_has() -> None:
    fleet = Fleet(name="f", tiers={"fast": Tier(model="llama3"), "complex": Tier(model="huge")})
    source = LlmSource(Source.OLLAMA, "http://127.0.0.1:11434", ("llama3:latest",))
    planned = routes(fleet, source)
    assert planned.backends[0].dialect is Dialect.OLLAMA
    assert planned.tiers == (TierRoute(name="fast", model="llama3"), TierRoute(name="complex"))


def test_declared_backends_are_taken_as_declared_with_their_keys() -> None:
    backends = {
        "one": Backend(url="https://one/v1", api_key="${KEY}", slots=4, weight=2.0),
        "two": Backend(url="http://two", dialect=Dialect.OLLAMA, api_key="${UNKNOWN}"),
    }
    tiers = {"fast": Tier(model="m", backends=("one",))}
    fleet = Fleet(name="f", backends=backends, tiers=tiers)
    planned = routes(fleet, LlmSource(Source.DECLARED))
    assert [(b.name, b.address, b.slots, b.api_key) for b in planned.backends] == [
        ("one", "https://one/v1", 4, "secret"),
        ("two", "http://two", None, None),
    ]
    assert planned.tiers == (TierRoute(name="fast", model="m", backends=("one",)),)


def test_the_gateway_learns_who_may_write_to_whom_and_where_messages_are_kept() -> None:
    agents = {
        "lead": Agent(rank=Rank.LEAD, topics=("orders",)),
        "coder": Agent(lead="lead", topics=("orders", "builds")),
    }
    bus = BusSpec(broker=Broker.NATS, url="${NATS}")
    fleet = Fleet(name="f", agents=agents, bus=bus, messages=Messages(inbox=5))
    planned = plan_routes(
        fleet,
        LlmSource(Source.EMBEDDED),
        keys={"lead": "1", "coder": "2"},
        token="token",
        llm_address="unix:/run/llm.sock",
        resolve={"${NATS}": "nats://name:password@there"}.get,
    )
    assert planned.members == {
        "lead": Member(Rank.LEAD),
        "coder": Member(Rank.WORKER, "lead"),
    }
    assert planned.topics == {"builds": ("coder",), "orders": ("lead", "coder")}
    assert planned.messages.inbox == 5
    assert planned.bus.url == "nats://name:password@there"
    assert Routes.model_validate_json(planned.model_dump_json()) == planned
