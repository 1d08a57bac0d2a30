"""How each kind of provider is reached."""

from __future__ import annotations

from typing import Any

import pytest

from sutazai.fleet.declared import Dialect
from sutazai.fleet.routes import BackendRoute, PinnedRoute
from sutazai.fleet.serving import Entra
from sutazai.gateway.backends.providers import Reach, reach_of

AZURE = "https://r.openai.azure.com"
ENTRA = Entra(tenant="t", client="c", secret="s")
CHAT = "/v1/chat/completions"


def reach(address: str, **more: Any) -> Reach:
    values = {"name": "one", "dialect": Dialect.OPENAI, "address": address, **more}
    return reach_of(BackendRoute(**values))


def urls(found: Reach, path: str = CHAT) -> tuple[str, str]:
    """Where calls go and where the list is, as a client sends them."""
    return (
        f"{found.address}{found.target(path)}",
        f"{found.list_address}{found.list_target}",
    )


@pytest.mark.parametrize(
    ("address", "calls", "models"),
    [
        ("http://h:1", "http://h:1/v1/chat/completions", "http://h:1/v1/models"),
        ("http://h:1/v1", "http://h:1/v1/chat/completions", "http://h:1/v1/models"),
        ("http://h:1/api/v3", "http://h:1/api/v3/chat/completions", "http://h:1/api/v3/models"),
        (
            "https://models.github.ai/inference",
            "https://models.github.ai:443/inference/chat/completions",
            "https://models.github.ai:443/catalog/models",
        ),
        (
            "https://models.github.ai/orgs/o/inference",
            "https://models.github.ai:443/orgs/o/inference/chat/completions",
            "https://models.github.ai:443/catalog/models",
        ),
    ],
)
def test_openai_compatible_servers(address: str, calls: str, models: str) -> None:
    found = reach(address, api_key="k")
    assert urls(found) == (calls, models)
    assert found.headers == (("authorization", "Bearer k"),)
    assert found.names is None


def test_ollama() -> None:
    found = reach("http://h:1", dialect=Dialect.OLLAMA)
    assert urls(found, "/api/chat") == ("http://h:1/api/chat", "http://h:1/api/tags")
    for address in ("http://h:1/api", "http://h:1/v1/"):
        assert urls(reach(address, dialect=Dialect.OLLAMA), "/api/chat") == urls(found, "/api/chat")
    behind = reach("http://h:1/ollama", dialect=Dialect.OLLAMA)
    assert urls(behind, "/api/chat")[0] == "http://h:1/ollama/api/chat"


def test_an_azure_deployment() -> None:
    found = reach(f"{AZURE}/openai/deployments/gpt%20x", api_key="k", api_version="2024-10-21")
    assert urls(found) == (
        f"{AZURE}:443/openai/deployments/gpt%20x/chat/completions?api-version=2024-10-21",
        f"{AZURE}:443/openai/models?api-version=2024-10-21",
    )
    assert found.headers == (("api-key", "k"),)
    assert (found.names, found.fixed) == (("gpt x",), True)


def test_an_azure_deployment_may_be_given_another_name() -> None:
    models = {"gpt-4o": PinnedRoute(context=128_000), "*": PinnedRoute()}
    found = reach(f"{AZURE}/openai/deployments/d", api_version="v", models=models)
    assert found.names == ("gpt-4o",)


def test_azures_newer_form_with_and_without_a_version() -> None:
    found = reach(f"{AZURE}/openai/v1", api_key="k")
    assert urls(found)[0] == f"{AZURE}:443/openai/v1/chat/completions"
    assert found.headers == (("api-key", "k"),)
    assert (found.names, found.fixed) == ((), False), "its list names no deployments"
    found = reach(f"{AZURE}/openai/v1", api_key="k", api_version="preview")
    assert urls(found) == (
        f"{AZURE}:443/openai/v1/chat/completions?api-version=preview",
        f"{AZURE}:443/openai/v1/models?api-version=preview",
    )


def test_with_entra_no_key_is_sent() -> None:
    found = reach(f"{AZURE}/openai/v1", api_key="k", api_version="v", entra=ENTRA)
    assert found.headers == ()


def test_an_azure_resource_without_a_deployment_is_said() -> None:
    assert "whole URL" in reach(AZURE).fault
    assert "not an address" in reach("nonsense").fault


def test_an_api_version_cannot_break_out() -> None:
    found = reach("http://h:1/openai/deployments/d", api_version="v&x= #")
    assert found.query == "?api-version=v%26x%3D%20%23"


def test_what_stands_beside_v1() -> None:
    assert str(reach("http://h:1/v1").root) == "http://h:1"
    assert str(reach("http://h:1").root) == "http://h:1"
    assert str(reach("http://h:1/x/v1").root) == "http://h:1/x"
