"""What a message may be: its type, the version of its type, its size, its body. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from sutazai.fleet.errors import BadInput
from sutazai.fleet.explain import did_you_mean
from sutazai.fleet.message_schema import Check, compile_schema
from sutazai.fleet.messaging import Messages, MessageType


class Rules:
    """The types of one fleet. Where none is declared, every type is let through."""

    def __init__(self, messages: Messages) -> None:
        self._size = messages.size
        self._types = messages.types
        self._checks = {name: _checks(kind) for name, kind in messages.types.items()}

    def version(self, name: str, version: int | None, body: bytes) -> int:
        """The version of its type that a message has, today's where it does not say it.

        Raises BadInput for a body that is too large or does not fit, for a type that is not
        declared, and for a version that is not spoken any more or not yet.
        """
        if len(body) > self._size:
            raise BadInput(
                f"the body has {len(body)} bytes, and {self._size} are allowed",
                hint="write it to a file and send its name, or raise `messages.size`",
            )
        if not self._types:
            return version or 1
        kind = self._types.get(name)
        if kind is None:
            hint = did_you_mean(name, list(self._types)) or "declare it under `messages.types`"
            raise BadInput(f"there is no type of message {name!r}", hint=hint)
        version = kind.version if version is None else version
        if version not in kind.spoken:
            raise _not_spoken(name, version, kind)
        if (check := self._checks[name].get(version)) is not None:
            check(body)
        return version


def _checks(kind: MessageType) -> Mapping[int, Check]:
    schemas = dict(kind.earlier)
    if kind.schema_ is not None:
        schemas[kind.version] = kind.schema_
    return {version: compile_schema(schema) for version, schema in schemas.items()}


def _not_spoken(name: str, version: int, kind: MessageType) -> BadInput:
    known = ", ".join(str(one) for one in kind.spoken)
    age = "older than those that are spoken" if version < kind.spoken[0] else "not known yet"
    return BadInput(
        f"version {version} of {name!r} is {age}", hint=f"spoken are: {known}", spoken=known
    )
