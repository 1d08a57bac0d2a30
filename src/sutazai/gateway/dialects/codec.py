"""What the gateway needs of a dialect: of one that clients speak, and of one that backends speak.

A call is relayed where the backend has the client's own endpoint, and translated elsewhere (see
`relays`). A relayed call needs the client's dialect only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from sutazai.fleet.declared import Dialect
from sutazai.gateway.dialects.facts import PromptFacts
from sutazai.gateway.dialects.neutral import (
    RELAYED_ONLY,
    Answer,
    Call,
    Envelope,
    Form,
    JsonObject,
    Model,
    Usage,
    Vectors,
)
from sutazai.gateway.dialects.streams import Decoder, Encoder, Pipe
from sutazai.gateway.dialects.windows import Shrunk
from sutazai.gateway.failures import Failure


class ClientCodec(Protocol):
    """A dialect that clients speak: pure functions only.

    ``name`` is how records tell it; ``dialect`` is what backends that speak the same are declared
    as, None where there are none; ``endpoints`` has the path of each form that it knows, at a
    server without a base path; ``passed_on`` are the headers that belong to a request as its body
    does.
    """

    @property
    def name(self) -> str: ...

    @property
    def dialect(self) -> Dialect | None: ...

    @property
    def endpoints(self) -> Mapping[Form, str]: ...

    @property
    def passed_on(self) -> tuple[str, ...]: ...

    @property
    def stream_type(self) -> str:
        """The media type of its streams."""

    def target(self, form: Form) -> str:
        """The endpoint's path at a server without a base path."""

    def wants_stream(self, form: Form, body: JsonObject) -> bool:
        """Whether ``body`` asks for a stream. Raises BadInput."""

    def prompt_of(self, form: Form, body: JsonObject) -> PromptFacts:
        """What can be told of the prompt at a glance; never raises."""

    def shrink(self, form: Form, body: JsonObject, fits: Callable[[int], bool]) -> Shrunk | None:
        """``body`` without its oldest turns, so that ``fits`` holds of the characters left.

        None where even the newest turn does not fit; never raises.
        """

    def check(self, form: Form, data: bytes) -> Usage:
        """The usage of a whole answer. Raises BackendFailed or BadPeer if ``data`` is none."""

    def relay(self, form: Form) -> Pipe:
        """What passes a backend's streamed answer on as it is."""

    def failure_body(self, failure: Failure, *, same_dialect: bool) -> dict[str, Any]:
        """The body of an error; the backend's own words where it speaks the same."""

    def failure_frame(self, form: Form, failure: Failure, *, same_dialect: bool) -> bytes:
        """A frame that tells an error in the midst of a stream."""


class Codec(ClientCodec, Protocol):
    """A dialect that clients and backends speak, and that can be said in another."""

    @property
    def list_target(self) -> str:
        """Where a backend lists its models."""

    # as a client speaks

    def parse(self, form: Form, body: JsonObject) -> Call:
        """The call that ``body`` asks for. Raises BadInput."""

    def only_loads(self, form: Form, body: JsonObject) -> bool:
        """Whether ``body`` asks for no tokens, only that the model be loaded or let go."""

    def loaded_answer(self, form: Form, body: JsonObject, envelope: Envelope) -> dict[str, Any]:
        """The answer to such a call where the backend has no such thing."""

    def encoder(self, form: Form, envelope: Envelope, call: Call) -> Encoder:
        """What says the events of a streamed answer to ``call``."""

    def render_answer(
        self,
        form: Form,
        answer: Answer | Vectors,
        envelope: Envelope,
        elapsed: float,
        call: Call | None,
    ) -> dict[str, Any]:
        """A whole answer to ``call`` (None where it was not parsed). Raises BadPeer where this
        dialect cannot say it."""

    def render_models(self, models: Sequence[Model]) -> dict[str, Any]:
        """The list of models."""

    # as a backend speaks

    def render(self, call: Call, model: str) -> dict[str, Any]:
        """The body that asks ``model`` for ``call``. Raises BadInput where it cannot be asked."""

    def parse_answer(self, form: Form, value: JsonObject) -> Answer | Vectors:
        """A whole answer. Raises BackendFailed or BadPeer."""

    def decoder(self, form: Form) -> Decoder:
        """What understands a streamed answer."""

    def streamed(self, form: Form, body: JsonObject) -> dict[str, Any] | None:
        """``body``, asking for a stream that tells all that a whole answer would, None where no
        stream could: what comes is to be put together with `collect.Collector`."""

    def parse_models(self, value: Any) -> tuple[Model, ...]:
        """The backend's list of models. Raises BadPeer."""


def relays(client: ClientCodec, form: Form, backend: Dialect) -> bool:
    """Whether a call goes to such a backend as it is; every other one has to be translated."""
    return form in RELAYED_ONLY or client.dialect is backend
