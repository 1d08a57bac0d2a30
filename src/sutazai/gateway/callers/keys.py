"""Who calls: keys, and what one may do without any."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from sutazai.fleet.declared import Priority
from sutazai.fleet.errors import Refused, Unauthenticated
from sutazai.fleet.routes import Key
from sutazai.fleet.serving import Budget, ContextPolicy
from sutazai.wire import Headers

KEYLESS = "@keyless"
"""The name of callers without a key, and how the names begin that they give themselves. No key of
an agent or client has a name with an @."""

NAME_HEADER = "x-sutazai-agent"
"""What a caller without a key may call itself by, so that it is counted apart from the others."""

NAMES_MAX = 256
"""Names that callers without keys can have; all further ones share the name `KEYLESS`."""

KEY_PATH = "/key/"
"""How targets begin that have a key in them."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,47}")
_KEY_IN_PATH = re.compile(r"/key/([^/?]+)")
_LOCAL = ("127.", "[::1]:")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and what it may do.

    ``agent`` says that it is an agent of the fleet, ``admin`` that it may manage models and may say
    what a call is made for. Without ``tiers`` it may ask for all of them; ``budget`` is None where
    there is no bound.
    """

    name: str
    priority: Priority = Priority.MEDIUM
    admin: bool = False
    agent: bool = False
    tiers: frozenset[str] = frozenset()
    context: ContextPolicy = ContextPolicy.REJECT
    budget: Budget | None = None

    def may(self, tier: str) -> bool:
        """Whether it may ask for ``tier``."""
        return not self.tiers or tier in self.tiers

    def check(self, asked: str, tiers: Iterable[str]) -> None:
        """Raises Refused where it may not have ``asked``, a tier or a model that belongs to the
        ``tiers`` given. A model that is in none of its tiers is as closed as another tier."""
        if self.tiers and self.tiers.isdisjoint(tiers):
            raise Refused(
                f"{self.name} may not ask for {asked!r}",
                hint=f"its key opens the tiers: {', '.join(sorted(self.tiers))}",
            )


CONTROL = Caller("@control", Priority.HIGH, admin=True)
"""Whoever reaches the gateway's own socket, which only control and host can open."""

ANYBODY = Caller(KEYLESS)
"""A caller of whom nothing is known."""


class Names:
    """The callers without a key: by the name they give themselves, else by their address.

    All of this machine that give no name are one. How many names there are is bounded, for the
    gateway keeps figures for each.
    """

    def __init__(self, limit: int = NAMES_MAX) -> None:
        self._limit = limit
        self._known: dict[str, Caller] = {}

    def caller(self, headers: Headers, peer: str) -> Caller:
        """The caller that ``headers`` name, or that calls from ``peer`` (``host:port``)."""
        name = headers.get(NAME_HEADER)
        if name is None:
            if not peer or peer.startswith(_LOCAL):
                return ANYBODY
            name = peer.rpartition(":")[0]
        elif not _NAME.fullmatch(name):
            return ANYBODY
        return self._known.get(name) or self._new(name)

    def known(self, name: str) -> Caller:
        """The caller who is told by this name, a nameless one where nobody is."""
        prefix, _, given = name.partition(":")
        return self._known.get(given, ANYBODY) if prefix == KEYLESS else ANYBODY

    def _new(self, name: str) -> Caller:
        if len(self._known) >= self._limit:
            return ANYBODY
        return self._known.setdefault(name, Caller(f"{KEYLESS}:{name}"))


class Keyring:
    """The keys that are good.

    A secret is looked up in a dict: by its hash, which is keyed anew in each process, before it is
    compared with any. So the time that a look-up takes tells nothing about the secrets.

    Args:
        names: of callers without a key; they outlive a keyring.
    """

    def __init__(self, keys: Iterable[Key], names: Names | None = None) -> None:
        self._names = names or Names()
        self._callers: dict[str, Caller] = {}
        self._bearers: dict[str, Caller] = {}  # by the whole header, as nearly all clients write it
        self._by_name: dict[str, Caller] = {}
        for key in keys:
            if key.secret:
                caller = self._by_name[key.name] = _caller(key)
                self._callers[key.secret] = self._bearers[f"Bearer {key.secret}"] = caller

    def named(self, name: str) -> Caller:
        """The caller of this name; where there is none any more, somebody without a key."""
        return self._by_name.get(name) or self._names.known(name)

    def identify(self, headers: Headers, *, keyless: bool, peer: str = "") -> Caller:
        """The caller by `Authorization: Bearer`, `x-api-key` or `api-key`; the first that is known
        counts.

        Where ``keyless`` is allowed, nobody and a wrong key are one of `Names`: the official OpenAI
        client must send some key, and people write anything. Raises Unauthenticated.
        """
        caller = self._bearers.get(headers.get("authorization", ""))
        if caller is not None:
            return caller
        shown = False
        for one in _presented(headers):
            shown = True
            caller = self._callers.get(one)
            if caller is not None:
                return caller
        if keyless:
            return self._names.caller(headers, peer)
        raise Unauthenticated(
            "the key is not known" if shown else "a key is needed",
            hint="send it as `Authorization: Bearer KEY` or `x-api-key: KEY`, or put `/key/KEY` "
            "before the path",
        )


def key_in_path(target: str) -> tuple[str, str]:
    """The key in a request's target, and the target without it.

    ``/key/SECRET/v1/models?x=1`` gives ``("SECRET", "/v1/models?x=1")``, a target without a key
    gives ``("", target)``. For programs that can be given a base URL but no key.
    """
    found = _KEY_IN_PATH.match(target)
    if found is None:
        return "", target
    rest = target[found.end() :]
    return unquote(found[1]), rest if rest.startswith("/") else f"/{rest}"


def _caller(key: Key) -> Caller:
    return Caller(
        name=key.name,
        priority=key.priority,
        admin=key.admin,
        agent=key.agent,
        tiers=frozenset(key.tiers),
        context=key.context,
        budget=None if key.budget == Budget() else key.budget,
    )


def _presented(headers: Headers) -> Iterator[str]:
    """The secrets that a request shows."""
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and (bearer := bearer.strip()):
        yield bearer
    for name in ("x-api-key", "api-key"):
        if value := headers.get(name, "").strip():
            yield value
