"""Where containers reach the gateway: on further addresses of this machine, and never keyless."""

from __future__ import annotations

from sutazai.fleet.facts import EndpointFacts
from sutazai.wire import Address
from tests.gateway.fake_backend import FakeBackend
from tests.gateway.house import KEY, House, route

BRIDGE = "127.0.0.2"


async def tell(house: House, *addresses: str) -> None:
    house.sequence += 1
    facts = EndpointFacts(incarnation="h1", sequence=house.sequence, full=True, bridges=addresses)
    await house.api("POST", "/facts", facts.model_dump(mode="json"))


def bridge(house: House) -> Address:
    return Address.parse(f"http://{BRIDGE}:{house.sockets.ports[f'bridge:{BRIDGE}']}")


async def test_nothing_listens_there_before_the_host_says_so(house: House) -> None:
    await house.start()
    await tell(house)

    assert set(house.sockets.ports) == {"gateway"}


async def test_a_key_is_needed_there_though_loopback_needs_none(house: House) -> None:
    async with FakeBackend() as backend:
        await house.start(route(backend), keyless=True)
        await tell(house, BRIDGE)
        there = bridge(house)

        assert (await house.get("/v1/models")).status == 200
        assert (await house.get("/v1/models", address=there)).status == 401
        assert (await house.get("/v1/models", key="wrong", address=there)).status == 401
        assert (await house.get("/v1/models", key=KEY, address=there)).status == 200
        assert (await house.get(f"/key/{KEY}/v1/models", address=there)).status == 200


async def test_it_is_told_again_and_again_and_opened_once(house: House) -> None:
    await house.start()
    await tell(house, BRIDGE)
    port = bridge(house).port
    await tell(house, BRIDGE)

    assert bridge(house).port == port


async def test_an_address_that_is_not_there_yet_is_opened_when_it_is(house: House) -> None:
    await house.start()
    await tell(house, "192.0.2.1")  # nobody has this one
    await tell(house, "192.0.2.1", BRIDGE)

    assert (await house.get("/v1/models", address=bridge(house))).status == 401
