"""The LLM endpoints of both dialects, as one router."""

from __future__ import annotations

from collections.abc import Callable

from sutazai.fleet.spec import Dialect
from sutazai.gateway.calls import LlmCall, Plant
from sutazai.gateway.dialects import CODECS
from sutazai.gateway.dialects.neutral import Form
from sutazai.gateway.keys import Caller
from sutazai.gateway.listing import Listing, ollama_root
from sutazai.wire import Handler, Request, Response, Router


def serve_llm(router: Router, plant: Plant, identify: Callable[[Request], Caller]) -> None:
    """Adds the endpoints to ``router``; ``identify`` tells who calls or raises Refused."""
    for dialect, codec in CODECS.items():
        for form in Form:
            router.add("POST", codec.target(form), _calls(plant, dialect, form, identify))
    _serve_lists(router, Listing(plant.client, plant.backends, identify))


def _calls(
    plant: Plant, dialect: Dialect, form: Form, identify: Callable[[Request], Caller]
) -> Handler:
    async def handler(request: Request) -> Response:
        return await LlmCall(plant, dialect, form).serve(request, identify)

    return handler


def _serve_lists(router: Router, listing: Listing) -> None:
    router.add("GET", "/", ollama_root)
    for method, path, dialect, answerer in (
        ("GET", "/v1/models", Dialect.OPENAI, listing.openai_list),
        ("GET", "/v1/models/{id...}", Dialect.OPENAI, listing.openai_model),
        ("GET", "/api/version", Dialect.OLLAMA, listing.ollama_version),
        ("GET", "/api/tags", Dialect.OLLAMA, listing.ollama_tags),
        ("GET", "/api/ps", Dialect.OLLAMA, listing.ollama_ps),
        ("POST", "/api/show", Dialect.OLLAMA, listing.ollama_show),
    ):
        router.add(method, path, listing.guarded(dialect, answerer))
