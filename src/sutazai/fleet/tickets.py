"""Tickets: short texts that prove that whoever made them can read the fleet's token. Pure.

A ticket is for one purpose (a login link, a session in a browser) and for a time. It tells nothing
of the token, and only who knows the token can make or check one.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from sutazai.fleet.errors import Unauthenticated

LINK = "link"
"""The purpose of a ticket that stands in a login link."""
SESSION = "session"
"""That of a ticket that a browser keeps."""
SIGNATURE = 32
"""Hexadecimal characters of the signature: 128 bits."""


@dataclass(frozen=True)
class Ticket:
    """What it is for, until when (seconds since 1970), and what makes it like no other."""

    purpose: str
    expires: int
    nonce: str

    def signed(self, token: str) -> str:
        """The ticket as text, safe in URLs and cookies."""
        return f"{self.expires}.{self.nonce}.{self._signature(token)}"

    @classmethod
    def read(cls, text: str, purpose: str, *, token: str, now: float) -> Ticket:
        """The ticket that ``text`` is. Raises Unauthenticated for any other text, or too late."""
        expires, _, rest = text.partition(".")
        nonce, _, signature = rest.partition(".")
        if not (expires.isascii() and expires.isdigit() and len(expires) < SIGNATURE):
            raise _bad("it is no ticket")
        ticket = cls(purpose, int(expires), nonce)
        given = signature.encode(errors="surrogateescape")
        if not hmac.compare_digest(given, ticket._signature(token).encode()):
            raise _bad("it was not made here")
        if now >= ticket.expires:
            raise _bad("it has expired")
        return ticket

    def _signature(self, token: str) -> str:
        text = f"sutazai {self.purpose} {self.expires} {self.nonce}"
        return hmac.new(token.encode(), text.encode(errors="replace"), "sha256").hexdigest()[
            :SIGNATURE
        ]


def _bad(reason: str) -> Unauthenticated:
    return Unauthenticated(
        f"the ticket does not hold: {reason}", hint="`sutazai dashboard` prints a new login link"
    )
