"""What is found out of a real llama.cpp server, and a real probe of it."""

from __future__ import annotations

from sutazai.fleet.errors import BadPeer
from sutazai.fleet.routes import BackendRoute
from sutazai.gateway.backends.breakers import FIRST_PAUSE, IN_A_ROW
from tests.gateway.backends.conftest import Household, declare
from tests.gateway.llama import MODEL, needed

pytestmark = needed


async def test_the_embedded_server(household: Household, embedded_llm: BackendRoute) -> None:
    await household.open(declare(embedded_llm.address))
    await household.until(lambda: household.state().slots == 2)
    assert household.backends.catalogue.resolve(MODEL).context("one") == 2048
    for _ in range(IN_A_ROW):
        household.backends.failed("one", MODEL, BadPeer("boom"))
    assert not household.state().available
    await household.turn(FIRST_PAUSE)
    await household.until(lambda: household.state().available)
