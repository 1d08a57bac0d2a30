"""How each kind of LLM server is reached: paths, headers, where its list of models is. Pure.

- A bare address, as of Ollama, llama.cpp, vLLM: paths are the dialect's own, `/v1/…` or `/api/…`.
- Ollama's, also with the `/api` or `/v1` at its end that other clients want.
- A base URL as OpenAI clients are given it (`https://host/v1`): it stands for the dialect's `/v1`.
- GitHub Models (`https://models.github.ai/inference`, or `…/orgs/ORG/inference`): its list stands
  elsewhere, at `/catalog/models`, and is a bare list.
- Azure OpenAI by deployment (`https://R.openai.azure.com/openai/deployments/D`, with an
  `api-version`): the key goes in `api-key`, no list tells the deployments, the deployment is the
  model. The resource's list of base models, `/openai/models`, tells only whether it is there.
- Azure OpenAI's newer form (`https://R.openai.azure.com/openai/v1`): as any base URL, but that its
  list tells base models and calls name deployments.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import quote, unquote

from sutazai.fleet.declared import Dialect
from sutazai.fleet.errors import BadInput
from sutazai.fleet.routes import BackendRoute
from sutazai.gateway.backends.pins import EVERY_MODEL
from sutazai.wire import Address

GITHUB = "models.github.ai"

_NOWHERE = Address("http", host="localhost")
_AZURE = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")
_DEPLOYMENTS = "/deployments/"
_LISTS = {Dialect.OPENAI: "/v1/models", Dialect.OLLAMA: "/api/tags"}


@dataclass(frozen=True)
class Reach:
    """How one backend is reached.

    Args:
        address: where calls go.
        list_address, list_target: where its list of models is.
        headers: what every request carries; without a token of Entra, which changes.
        query: what follows every target of a call.
        names: its models, where its list does not tell them; None where it does.
        fixed: it has one model, whatever name it is asked for.
        fault: why it cannot be reached as it is declared, in words.
    """

    address: Address
    list_address: Address
    list_target: str
    headers: tuple[tuple[str, str], ...] = ()
    query: str = ""
    names: tuple[str, ...] | None = None
    fixed: bool = False
    fault: str = ""

    def target(self, path: str) -> str:
        """The request target of the dialect's ``path``."""
        return (path.removeprefix("/v1") if self.address.base else path) + self.query

    @property
    def root(self) -> Address:
        """Where a server has what stands beside its `/v1`, as llama.cpp its `/props`."""
        return replace(self.address, base=self.address.base.removesuffix("/v1"))


def reach_of(route: BackendRoute) -> Reach:
    """How the backend that ``route`` declares is reached."""
    try:
        address = Address.parse(route.address)
    except BadInput as error:
        return Reach(_NOWHERE, _NOWHERE, "/", fault=error.message)
    if route.dialect is Dialect.OPENAI:
        if is_azure(route, address):
            return _azure(route, address)
        if address.host == GITHUB:
            return replace(
                _usual(route, address),
                list_address=replace(address, base=""),
                list_target="/catalog/models",
            )
    return _usual(route, address)


def is_azure(route: BackendRoute, address: Address) -> bool:
    """Whether it is an Azure OpenAI resource, by its name or by what only such a one needs."""
    declared = route.api_version is not None or route.entra is not None
    return declared or address.host.lower().endswith(_AZURE)


def _usual(route: BackendRoute, address: Address) -> Reach:
    key = route.api_key
    path = _LISTS[route.dialect]
    if route.dialect is Dialect.OLLAMA:  # people write where its two APIs begin
        address = replace(address, base=address.base.removesuffix("/v1").removesuffix("/api"))
    return Reach(
        address,
        list_address=address,
        list_target=path.removeprefix("/v1") if address.base else path,
        headers=(("authorization", f"Bearer {key}"),) if key else (),
    )


def _azure(route: BackendRoute, address: Address) -> Reach:
    base, separator, deployment = address.base.partition(_DEPLOYMENTS)
    query = f"?api-version={quote(route.api_version, safe='')}" if route.api_version else ""
    named = tuple(name for name in route.models if name != EVERY_MODEL)
    fault = ""
    if not address.base:
        fault = "Azure OpenAI needs the whole URL, as https://NAME.openai.azure.com/openai/v1"
    elif separator and not named:
        named = (unquote(deployment),)
    return Reach(
        address,
        list_address=replace(address, base=base),
        list_target=f"/models{query}",
        headers=(("api-key", route.api_key),) if route.api_key and not route.entra else (),
        query=query,
        names=named,
        fixed=bool(separator),
        fault=fault,
    )
