"""What a client asked, as it was read from its request."""

from __future__ import annotations

import msgspec

from sutazai.fleet.errors import BadInput
from sutazai.gateway.dialects.codec import ClientCodec
from sutazai.gateway.dialects.neutral import Form, JsonObject
from sutazai.gateway.dialects.reading import NoObject, read_object


class Ask(msgspec.Struct, frozen=True, gc=False):
    """The body's bytes as they came, what they say, and whether a stream is wanted.

    ``codec`` and ``form`` tell the endpoint, and thereby the words of the answer; ``headers``
    belong to the body, and go to whoever is relayed to.
    """

    codec: ClientCodec
    form: Form
    raw: bytes
    value: JsonObject
    stream: bool
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def path(self) -> str:
        """The endpoint's path."""
        return self.codec.target(self.form)

    def model(self) -> str | None:
        """The model's name. Raises BadInput."""
        name = self.value.get("model")
        if name is not None and not isinstance(name, str):
            raise BadInput("model must be a text")
        return name


def parse_object(raw: bytes) -> JsonObject:
    """``raw`` as a JSON object. Raises BadInput."""
    try:
        return read_object(raw)
    except NoObject as cause:
        raise BadInput("the body must be a JSON object") from cause
    except (ValueError, RecursionError) as cause:
        raise BadInput(f"the body is not JSON: {cause}") from cause
