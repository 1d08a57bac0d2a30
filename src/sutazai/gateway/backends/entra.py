"""Tokens of Microsoft Entra for Azure OpenAI (OAuth 2 client credentials)."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

from sutazai.fleet.errors import BadPeer, SutazaiError, Unavailable
from sutazai.fleet.serving import Entra
from sutazai.wire import Address, Client, Timeout

log = logging.getLogger("sutazai.gateway")

EARLY = 300.0
"""Seconds before its end from which a token is replaced."""

CALM = 30.0
"""Seconds between two tokens that are asked for because the last one was refused, and between two
tries where none is given."""

_TIMEOUT = Timeout(connect=5.0, headers=15.0, idle=15.0)
_FORM = ("content-type", "application/x-www-form-urlencoded")
_TEXT_MAX = 200


class EntraTokens:
    """The token of one application, kept until it is about to end.

    Ends are told by the wall clock, which goes on while the machine sleeps.

    Args:
        wall: seconds since 1970.
    """

    def __init__(self, client: Client, entra: Entra, wall: Callable[[], float] = time.time) -> None:
        self._client = client
        self._entra = entra
        self._wall = wall
        self._one_at_a_time = asyncio.Lock()
        self._asked = float("-inf")
        self._failure: Unavailable | None = None
        self._ends = float("-inf")
        self.headers: tuple[tuple[str, str], ...] = ()

    async def ensure(self) -> None:
        """Until there is a token that is good for a while. Raises a SutazaiError where there is
        none; one that is still good for less is kept."""
        if self._left() > EARLY:
            return
        async with self._one_at_a_time:
            if self._left() > EARLY:
                return
            try:
                await self._ask()
            except SutazaiError as error:
                if self._left() <= 0:
                    raise
                log.warning("the token of Microsoft Entra cannot be renewed: %s", error.message)

    async def renew(self) -> bool:
        """The token was refused: whether there is a new one, with which it is worth trying once
        more. Many calls that are refused together get one new token together."""
        async with self._one_at_a_time:
            if self._wall() - self._asked < CALM:
                return self._failure is None
            try:
                await self._ask()
            except SutazaiError as error:
                log.warning("no new token of Microsoft Entra: %s", error.message)
                return False
            return True

    def _left(self) -> float:
        return self._ends - self._wall()

    async def _ask(self) -> None:
        now = self._wall()
        if self._failure is not None and 0 <= now - self._asked < CALM:
            raise Unavailable(self._failure.message, hint=self._failure.hint)
        self._asked = now
        try:
            token, lasts = _read(*await self._request())
        except SutazaiError as error:
            self._failure = Unavailable(error.message, hint=error.hint)
            raise
        self._failure = None
        self._ends = now + lasts
        self.headers = (("authorization", f"Bearer {token}"),)

    async def _request(self) -> tuple[int, bytes]:
        entra = self._entra
        form = {
            "grant_type": "client_credentials",
            "client_id": entra.client,
            "client_secret": entra.secret,
            "scope": entra.scope,
        }
        response = await self._client.request(
            "POST",
            Address.parse(entra.authority),
            f"/{quote(entra.tenant, safe='')}/oauth2/v2.0/token",
            headers=[_FORM],
            body=urlencode(form).encode(),
            timeout=_TIMEOUT,
        )
        async with response:
            return response.status, await response.read()


def _read(status: int, body: bytes) -> tuple[str, float]:
    """The token and the seconds that it lasts. Raises Unavailable or BadPeer."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise BadPeer(f"Microsoft Entra answers {status} and no JSON")
    if status != 200:
        said = str(value.get("error_description") or value.get("error") or status)
        raise Unavailable(
            f"Microsoft Entra gives no token: {said.splitlines()[0][:_TEXT_MAX]}",
            hint="look at `entra` of the backend: tenant, client, secret",
        )
    token, lasts = value.get("access_token"), _seconds(value.get("expires_in"))
    if not isinstance(token, str) or not token or lasts is None:
        raise BadPeer("what Microsoft Entra answers is no token")
    return token, lasts


def _seconds(value: Any) -> float | None:
    try:
        return max(float(value), 0.0)
    except (TypeError, ValueError):
        return None
