"""What the gateway needs of a dialect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from sutazai.gateway.dialects.neutral import (
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
from sutazai.gateway.failures import Failure


class Codec(Protocol):
    """One dialect: pure functions only. ``stream_type`` is the media type of its streams."""

    stream_type: str
    list_target: str

    def target(self, form: Form) -> str:
        """The endpoint's path at a server without a base path."""

    # as a client speaks

    def wants_stream(self, form: Form, body: JsonObject) -> bool:
        """Whether ``body`` asks for a stream. Raises BadInput."""

    def parse(self, form: Form, body: JsonObject) -> Call:
        """The call that ``body`` asks for. Raises BadInput."""

    def only_loads(self, form: Form, body: JsonObject) -> bool:
        """Whether ``body`` asks for no tokens, only that the model be loaded or let go."""

    def loaded_answer(self, form: Form, body: JsonObject, envelope: Envelope) -> dict[str, Any]:
        """The answer to such a call where the backend has no such thing."""

    def encoder(self, form: Form, envelope: Envelope, call: Call) -> Encoder:
        """What says the events of a streamed answer to ``call``."""

    def render_answer(
        self, form: Form, answer: Answer | Vectors, envelope: Envelope, elapsed: float
    ) -> dict[str, Any]:
        """A whole answer. Raises BadPeer where this dialect cannot say it."""

    def render_models(self, models: Sequence[Model]) -> dict[str, Any]:
        """The list of models."""

    def failure_body(self, failure: Failure, *, same_dialect: bool) -> dict[str, Any]:
        """The body of an error; the backend's own words where it speaks the same."""

    def failure_frame(self, failure: Failure, *, same_dialect: bool) -> bytes:
        """A frame that tells an error in the midst of a stream."""

    # as a backend speaks

    def render(self, call: Call, model: str) -> dict[str, Any]:
        """The body that asks ``model`` for ``call``. Raises BadInput where it cannot be asked."""

    def check(self, form: Form, value: JsonObject) -> Usage:
        """The usage of a whole answer. Raises BackendFailed or BadPeer if it is no answer."""

    def parse_answer(self, form: Form, value: JsonObject) -> Answer | Vectors:
        """A whole answer. Raises BackendFailed or BadPeer."""

    def relay(self) -> Pipe:
        """What passes a streamed answer on to a client of the same dialect."""

    def decoder(self, form: Form) -> Decoder:
        """What understands a streamed answer."""

    def parse_models(self, value: Any) -> tuple[Model, ...]:
        """The backend's list of models. Raises BadPeer."""
