"""What the options of a connection do to the kernel."""

from __future__ import annotations

import socket

from sutazai.wire.tcp import tune

KIB = 1024


def sent_before_it_waits(sender: socket.socket) -> int:
    """Bytes that the kernel takes over while the peer reads nothing."""
    sender.setblocking(False)
    total = 0
    try:
        while True:
            total += sender.send(bytes(16 * KIB))
    except BlockingIOError:
        return total


def test_the_kernel_holds_little_for_a_peer_that_does_not_read() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as peer:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096 * KIB)
        tune(server)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * KIB)
        peer.connect(server.getsockname())
        with server.accept()[0] as accepted:
            assert sent_before_it_waits(accepted) < 256 * KIB
