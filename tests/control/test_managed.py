"""An Ollama that the fleet starts has the settings that the fleet file gives it."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from sutazai.control.managed import environment_of, managed_units, pins_of
from sutazai.control.planning import House, plan_units
from sutazai.control.routing import plan_routes
from sutazai.control.settings import Listening
from sutazai.control.source import LlmSource, Source
from sutazai.fleet.declared import Dialect
from sutazai.fleet.desired import DesiredUnit, Kind
from sutazai.fleet.places import Places
from sutazai.fleet.routes import BackendRoute, PinnedRoute
from sutazai.fleet.serving import Backend, Managed, Pinned
from sutazai.fleet.spec import Fleet
from sutazai.fleet.status import State
from sutazai.gateway.backends.pins import EVERY_MODEL
from sutazai.gateway.backends.settings import compare, observe
from sutazai.gateway.backends.state import BackendState
from sutazai.wire import Address, Client
from tests.gateway.fake_ollama import MODEL, installed
from tests.host.machine import command, machine
from tests.ports import free_port

DECLARED = LlmSource(Source.DECLARED)


def backend(url: str = "http://127.0.0.1:11434", **more: Any) -> Backend:
    managed = more.pop("managed", Managed(parallel=3, threads=4, loaded_models=2, context=4096))
    return Backend(url=url, dialect=Dialect.OLLAMA, managed=managed, **more)


def planned(fleet: Fleet) -> tuple[DesiredUnit, ...]:
    listening = Listening(host="127.0.0.1", control=10010, gateway=10104)
    house = House(Places(Path("/state"), Path("/run/x")), listening, Path("/fleet"), {})
    return plan_units(fleet, house, DECLARED)


def routed(fleet: Fleet) -> BackendRoute:
    planned = plan_routes(
        fleet, DECLARED, keys={}, token="t", llm_address="unix:/x", resolve=lambda _: None
    )
    return planned.backends[0]


def test_it_is_a_service_with_its_settings_in_its_environment() -> None:
    (unit,) = planned(Fleet(name="f", backends={"desk": backend(), "far": Backend(url="http://h")}))

    assert (unit.name, unit.kind) == ("ollama-desk", Kind.SERVICE)
    assert unit.command == ("ollama", "serve")
    assert unit.address == "http://127.0.0.1:11434"
    assert unit.probe.path == "/api/version"
    assert unit.memory_limit == 4096 * 1024**2
    assert unit.environment == {
        "OLLAMA_HOST": "127.0.0.1:11434",
        "OLLAMA_NUM_PARALLEL": "3",
        "OLLAMA_MAX_LOADED_MODELS": "2",
        "OLLAMA_KEEP_ALIVE": "1800s",
        "OLLAMA_CONTEXT_LENGTH": "4096",
    }


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://localhost:80", "localhost:80"),
        ("http://127.0.0.1", "127.0.0.1:80"),
        ("http://[::1]:11435", "[::1]:11435"),
    ],
)
def test_it_listens_where_its_url_says(url: str, host: str) -> None:
    assert environment_of(Managed(), url)["OLLAMA_HOST"] == host


def test_other_settings_make_another_version_of_it() -> None:
    one, same, other = (
        planned(Fleet(name="f", backends={"desk": backend(managed=managed)}))[0].version
        for managed in (Managed(), Managed(), Managed(parallel=4))
    )

    assert one == same != other


def test_the_gateway_counts_on_what_it_is_started_with() -> None:
    route = routed(Fleet(name="f", backends={"desk": backend()}))

    assert (route.slots, route.loaded_models) == (3, 2)
    assert route.models == {
        EVERY_MODEL: PinnedRoute(context=4096, options={"num_thread": 4}, keep_alive=1800.0)
    }


def test_what_is_said_of_a_model_goes_before_what_is_said_of_the_server() -> None:
    models = {
        "big": Pinned(context=32768, options={"num_thread": 8}),
        "small": Pinned.model_validate({"options": {"num_gpu": 0}, "keep_alive": "1m"}),
        EVERY_MODEL: Pinned(options={"num_batch": 256}),
    }

    assert pins_of(backend(models=models)) == {
        EVERY_MODEL: PinnedRoute(
            context=4096, options={"num_thread": 4, "num_batch": 256}, keep_alive=1800.0
        ),
        "big": PinnedRoute(
            context=32768, options={"num_thread": 8, "num_batch": 256}, keep_alive=1800.0
        ),
        "small": PinnedRoute(
            context=4096,
            options={"num_thread": 4, "num_batch": 256, "num_gpu": 0},
            keep_alive=60.0,
        ),
    }


def test_without_threads_ollama_chooses_them() -> None:
    assert pins_of(backend(managed=Managed()))[EVERY_MODEL].options == {}


def test_models_of_a_server_that_is_not_managed_are_as_declared() -> None:
    pins = pins_of(backend(managed=None, models={"m": Pinned(context=512)}))

    assert pins == {"m": PinnedRoute(context=512)}


async def test_a_host_runs_it_and_it_has_what_it_should_have(
    tmp_path: Path, client: Client
) -> None:
    port = free_port()
    managed = Managed(command=str(installed(tmp_path)), parallel=3, context=4096)
    declared = backend(f"http://127.0.0.1:{port}", managed=managed)
    async with machine() as one:
        await one.want(*managed_units({"desk": declared}, str(tmp_path)))
        await one.until("ollama-desk", lambda unit: unit.state is State.HEALTHY)
        address = Address.parse(declared.url)
        settings = await client.call("GET", address, "/environment")
        route = routed(Fleet(name="f", backends={"desk": declared}))
        observed = await observe(client, BackendState(route, loaded={MODEL: 4096}))

    assert settings == environment_of(managed, declared.url)
    assert observed.parallel == 3
    assert compare(route, observed) == ()


async def test_where_the_program_is_missing_the_rest_goes_on(tmp_path: Path) -> None:
    declared = backend(managed=Managed(command="no-such-ollama"))
    other = command("other", "sleep", "60")
    async with machine() as one:
        await one.want(*managed_units({"desk": declared}, str(tmp_path)), other)
        missing = await one.until("ollama-desk", lambda unit: unit.state is State.NOT_INSTALLED)
        await one.until("other", lambda unit: unit.state is State.HEALTHY)

    assert missing.reason == "no-such-ollama is not on this machine"


async def test_where_its_port_is_taken_it_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        url = f"http://127.0.0.1:{somebody.getsockname()[1]}"
        declared = backend(url, managed=Managed(command=str(installed(tmp_path))))
        async with machine() as one:
            await one.want(*managed_units({"desk": declared}, str(tmp_path)))
            unit = await one.until("ollama-desk", lambda unit: unit.last_exit is not None)

    assert unit.last_exit is not None
    assert "Address already in use" in json.dumps(unit.last_exit.lines)


@pytest.fixture
def client() -> Client:
    return Client()
