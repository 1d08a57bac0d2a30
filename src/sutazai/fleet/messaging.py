"""Messages in the fleet file: which types there are, what inboxes hold, which broker keeps them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from sutazai.fleet.declared import Interval, Name, Spec, wrong
from sutazai.fleet.errors import BadInput
from sutazai.fleet.message_schema import compile_schema
from sutazai.fleet.units import Duration, Size

VERSIONS = 3
"""How many versions of a type, and of the protocol, are spoken side by side."""

Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
"""The name of a type or of a topic."""


class Broker(StrEnum):
    """What keeps messages until they are delivered."""

    EMBEDDED = "embedded"
    NATS = "nats"
    RABBITMQ = "rabbitmq"


class MessageType(Spec):
    """One type of message."""

    version: int = Field(1, ge=1, description="The version that is written today.")
    schema_: dict[str, Any] | None = Field(
        None, alias="schema", description="JSON Schema of the body; without it, any JSON."
    )
    earlier: dict[int, dict[str, Any]] = Field(
        default_factory=dict,
        description="JSON Schema of bodies by earlier version; the last three are accepted.",
    )

    @property
    def spoken(self) -> range:
        """The versions that are accepted."""
        return range(max(1, self.version - VERSIONS + 1), self.version + 1)

    @field_validator("schema_")
    @classmethod
    def _can_be_checked(cls, schema: dict[str, Any] | None) -> dict[str, Any] | None:
        if schema is not None:
            _compile(schema)
        return schema

    @model_validator(mode="after")
    def _earlier_ones_are_spoken(self) -> Self:
        for version, schema in self.earlier.items():
            if version not in self.spoken or version == self.version:
                raise wrong(
                    "earlier",
                    f"version {version} is not one of the last {VERSIONS} before {self.version}",
                )
            _compile(schema)
        return self


class Messages(Spec):
    """Messages between agents."""

    types: dict[Word, MessageType] = Field(
        default_factory=dict, description="Types by name; without any, all types may be sent."
    )
    size: Size = Field(256 * 1024, ge=1, le=1024**2, description="Most bytes of one body.")
    inbox: int = Field(1000, ge=1, le=100_000, description="Most messages in an agent's inbox.")
    inbox_size: Size = Field(4 * 1024**2, ge=1, description="Most bytes in an agent's inbox.")
    total: Size = Field(256 * 1024**2, ge=1, description="Most bytes in all inboxes together.")
    expiry: Interval = Field(86_400.0, description="How long a message is tried to be delivered.")
    handling: Interval = Field(300.0, description="Time an agent has for one message.")
    tries: int = Field(5, ge=1, le=100, description="Failed deliveries before a dead letter.")
    dead_letters: int = Field(10_000, ge=0, description="Most dead letters that are kept.")
    dead_letters_kept: Duration = Field(7 * 86_400.0, description="How long they are kept.")


class BusSpec(Spec):
    """Where messages are kept until they are delivered."""

    broker: Broker = Field(
        Broker.EMBEDDED,
        description="`embedded` (a log file of the gateway), `nats` (JetStream) or `rabbitmq`.",
    )
    url: str | None = Field(
        None, description="Server, as `nats://127.0.0.1:4222` or `amqp://…`; `${VAR}` is resolved."
    )
    prefix: Name = Field("sutazai", description="Tells fleets apart that share a server.")
    replicas: int = Field(1, ge=1, le=7, description="Servers that keep each message.")

    @model_validator(mode="after")
    def _a_server_has_an_address(self) -> Self:
        if (self.broker is Broker.EMBEDDED) == (self.url is not None):
            raise wrong("url", f"broker {self.broker} {'has no' if self.url else 'needs a'} `url`")
        if self.broker is Broker.EMBEDDED and self.replicas > 1:
            raise wrong("replicas", "broker embedded keeps messages on one machine")
        return self


def _compile(schema: dict[str, Any]) -> None:
    try:
        compile_schema(schema)
    except BadInput as error:
        raise ValueError(error.message) from error
