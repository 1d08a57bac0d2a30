"""Who calls: keys, and what one may do without any."""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable
from dataclasses import dataclass

from sutazai.fleet.errors import Unauthenticated
from sutazai.fleet.routes import Key
from sutazai.fleet.spec import Priority
from sutazai.wire import Headers

KEYLESS = "keyless"
"""The name under which all callers without a key are counted, as one client."""


@dataclass(frozen=True)
class Caller:
    """Who calls, and at which priority."""

    name: str
    priority: Priority = Priority.MEDIUM


class Keyring:
    """The keys that are good.

    A secret is looked up by a keyed digest, so the time a lookup takes tells nothing about the
    secrets, however many there are.
    """

    def __init__(self, keys: Iterable[Key]) -> None:
        self._salt = os.urandom(32)
        self._callers = {
            self._digest(key.secret): Caller(key.name, key.priority) for key in keys if key.secret
        }

    def identify(self, headers: Headers, *, keyless: bool) -> Caller:
        """The caller by `Authorization: Bearer` or `x-api-key`.

        Where ``keyless`` is allowed, nobody and a wrong key are the anonymous caller: the official
        OpenAI client must send some key, and people write anything. Raises Unauthenticated.
        """
        secret = presented(headers)
        caller = self._callers.get(self._digest(secret)) if secret else None
        if caller is not None:
            return caller
        if keyless:
            return Caller(KEYLESS)
        raise Unauthenticated(
            "the key is not known" if secret else "a key is needed",
            hint="send it as `Authorization: Bearer KEY` or `x-api-key: KEY`",
        )

    def _digest(self, secret: str) -> bytes:
        return hmac.digest(self._salt, secret.encode(errors="surrogateescape"), "sha256")


def presented(headers: Headers) -> str:
    """The secret that a request shows, empty where it shows none."""
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and secret:
        return secret.strip()
    return headers.get("x-api-key", "").strip()
