"""The LLM endpoints of all dialects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sutazai.fleet.declared import Dialect
from sutazai.fleet.errors import NotFound
from sutazai.gateway.callers.keys import ANYBODY, Caller
from sutazai.gateway.calls.call import LlmCall
from sutazai.gateway.calls.listing import Listing, ollama_root
from sutazai.gateway.calls.management import Management
from sutazai.gateway.calls.plant import Plant
from sutazai.gateway.calls.sender import Identify, Sender, SenderOf, read_sender
from sutazai.gateway.calls.shared import Sharing
from sutazai.gateway.dialects import CLIENTS, ClientCodec
from sutazai.gateway.dialects.neutral import Form
from sutazai.gateway.records.letter import DeadLetter
from sutazai.wire import Handler, Request, Response, Router


class Endpoints:
    """Answers clients of LLMs. ``named`` gives the caller of a name, for calls made once more."""

    def __init__(self, plant: Plant, sharing: Sharing) -> None:
        self._plant = plant
        self._sharing = sharing
        self.named: Callable[[str], Caller] = lambda name: ANYBODY

    def serve(self, router: Router, identify: Identify) -> None:
        """Adds all endpoints to ``router``."""
        for codec in CLIENTS:
            for form, path in codec.endpoints.items():
                sender_of = self._remembering(codec, form, identify)
                router.add("POST", path, self._handler(codec, form, sender_of))
        plant = self._plant
        Management(plant.client, plant.backends, identify).serve(router)
        _serve_lists(router, Listing(plant.client, plant.backends, identify))

    async def replay(self, letter: DeadLetter) -> Response:
        """The answer to a call that the queue refused, made once more. Raises NotFound."""
        for codec in CLIENTS:
            for form, path in codec.endpoints.items():
                if path == letter.path:
                    account = self._plant.open_account()
                    call = LlmCall(self._plant, self._sharing, codec, form, account)
                    request = Request.made("POST", path, letter.body)
                    return await call.serve(request, lambda _: Sender(self.named(letter.caller)))
        raise NotFound(f"there is no endpoint {letter.path} any more")

    def _handler(self, codec: ClientCodec, form: Form, sender_of: SenderOf) -> Handler:
        plant, sharing = self._plant, self._sharing

        def handler(request: Request) -> Awaitable[Response]:
            call = LlmCall(plant, sharing, codec, form, plant.open_account())
            return call.serve(request, sender_of)

        return handler

    def _remembering(self, codec: ClientCodec, form: Form, identify: Identify) -> SenderOf:
        """Reads the sender once for all requests that are remembered to have the same head."""

        def sender_of(request: Request) -> Sender:
            sender = read_sender(request, codec, identify)
            request.specialise(self._handler(codec, form, lambda _: sender))
            return sender

        return sender_of


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
