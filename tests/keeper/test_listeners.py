"""The sockets that the keeper holds, by name and address."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from sutazai.keeper.config import ListenerSpec
from sutazai.keeper.errors import Failed, PortTaken, Unavailable
from sutazai.keeper.listeners import Listeners
from tests.ports import free_port

LOOP = "127.0.0.1"


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    made = Listeners(8)
    yield made
    made.close()


def names(listeners: Listeners) -> dict[object, object]:
    return {held["name"]: held["port"] for held in listeners.as_list()}


def accepts(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=60).close()
    except ConnectionRefusedError:
        return False
    return True


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_asked_again_it_gives_the_same_socket(listeners: Listeners) -> None:
    spec = ListenerSpec("gateway", LOOP, 0)
    [first], [again] = listeners.listen([spec]), listeners.listen([spec])
    assert first.socket is again.socket
    assert accepts(LOOP, first.port)


def test_another_address_replaces_the_old_one(listeners: Listeners) -> None:
    one, two = free_port(), free_port()
    listeners.listen([ListenerSpec("door", LOOP, one)])
    listeners.listen([ListenerSpec("door", LOOP, two)])
    assert names(listeners) == {"door": two}
    assert not accepts(LOOP, one)
    assert accepts(LOOP, two)


def test_a_wider_address_on_the_same_port_replaces_the_narrow_one(listeners: Listeners) -> None:
    port = free_port()
    listeners.listen([ListenerSpec("door", LOOP, port)])
    listeners.listen([ListenerSpec("door", "0.0.0.0", port)])
    assert names(listeners) == {"door": port}
    assert accepts("127.0.0.2", port)


def test_all_or_none(listeners: Listeners) -> None:
    old, new = free_port(), free_port()
    listeners.listen([ListenerSpec("a", LOOP, old)])
    with socket.create_server((LOOP, 0)) as stranger:
        taken = stranger.getsockname()[1]
        with pytest.raises(PortTaken):
            listeners.listen([ListenerSpec("a", LOOP, new), ListenerSpec("b", LOOP, taken)])
    assert names(listeners) == {"a": old}
    assert accepts(LOOP, old)
    assert not accepts(LOOP, new)


def test_a_renamed_agent_keeps_its_port(listeners: Listeners) -> None:
    port = free_port()
    [before] = listeners.listen([ListenerSpec("old-name", LOOP, port)])
    [after] = listeners.listen([ListenerSpec("new-name", LOOP, port)])
    assert after.socket is before.socket
    assert names(listeners) == {"new-name": port}


def test_two_agents_may_swap_their_ports(listeners: Listeners) -> None:
    one, two = free_port(), free_port()
    listeners.listen([ListenerSpec("a", LOOP, one), ListenerSpec("b", LOOP, two)])
    listeners.listen([ListenerSpec("a", LOOP, two), ListenerSpec("b", LOOP, one)])
    assert names(listeners) == {"a": two, "b": one}
    assert accepts(LOOP, one) and accepts(LOOP, two)


def test_a_socket_that_an_acceptor_shut_down_listens_again(listeners: Listeners) -> None:
    spec = ListenerSpec("gateway", LOOP, free_port())
    [held] = listeners.listen([spec])
    held.socket.shutdown(socket.SHUT_RDWR)
    assert not accepts(LOOP, held.port)
    listeners.listen([spec])
    assert accepts(LOOP, held.port)


def test_the_number_is_bounded(listeners: Listeners) -> None:
    listeners.listen([ListenerSpec(f"a{n}", LOOP, 0) for n in range(8)])
    with pytest.raises(Unavailable, match="holds 8 of 8"):
        listeners.listen([ListenerSpec("one-more", LOOP, 0)])


def test_an_address_of_another_machine_is_said_to_be_so(listeners: Listeners) -> None:
    with pytest.raises(Failed, match="Cannot assign requested address") as failed:
        listeners.listen([ListenerSpec("door", "203.0.113.7", 9)])
    assert failed.value.data == {"name": "door", "host": "203.0.113.7", "port": 9}


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
@pytest.mark.parametrize("host", ["::1", "::"])
def test_ipv6_listens_beside_ipv4_and_names_who_took_it(listeners: Listeners, host: str) -> None:
    [four] = listeners.listen([ListenerSpec("four", LOOP, 0)])
    listeners.listen([ListenerSpec("six", host, four.port)])
    assert accepts("::1", four.port)
    with pytest.raises(PortTaken) as taken:
        Listeners(8).listen([ListenerSpec("six", host, four.port)])
    assert taken.value.data["pid"] == os.getpid()


def test_one_who_listens_on_every_address_is_found_too(listeners: Listeners) -> None:
    with socket.create_server(("0.0.0.0", 0)) as stranger, pytest.raises(PortTaken) as taken:
        listeners.listen([ListenerSpec("door", LOOP, stranger.getsockname()[1])])
    assert taken.value.data["pid"] == os.getpid()
