"""The listening sockets that the keeper holds, so that they outlive whoever accepts on them."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence

from sutazai.keeper import processes, takers
from sutazai.keeper.config import ListenerSpec
from sutazai.keeper.errors import Failed, KeeperError, PortTaken, Refused, Unavailable

BACKLOG = 1024


class Held:
    """One listening socket and what it was asked for as."""

    __slots__ = ("socket", "spec")

    def __init__(self, spec: ListenerSpec, sock: socket.socket) -> None:
        self.spec = spec
        self.socket = sock

    @property
    def port(self) -> int:
        """The port it really has, also where the system chose it."""
        return int(self.socket.getsockname()[1])

    def as_dict(self) -> dict[str, object]:
        return {"name": self.spec.name, "host": self.spec.host, "port": self.port}


class Listeners:
    """Sockets by name, at most ``most`` of them.

    An address that is held goes over to the name that asks for it last, as when an agent is
    renamed. That no two names of one fleet want the same is for the fleet's checks to see to.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[str, Held] = {}

    def listen(self, specs: Sequence[ListenerSpec]) -> list[Held]:
        """The sockets for ``specs`` in their order, held from before or bound now; all or none.

        A name that comes with another address gets it and loses the old one: afterwards where it
        can, but before where both share the port, for 127.0.0.1 stands in the way of 0.0.0.0.
        Raises PortTaken, Refused, Unavailable, Failed.
        """
        known = [self._find(spec) for spec in specs]
        self._give_way(specs)
        if len(self._held) + known.count(None) > self._most:
            raise Unavailable(f"the keeper holds {len(self._held)} of {self._most} listeners")
        made: list[Held] = []
        try:
            chosen = [
                _renewed(spec, held) if held else _made(spec, made)
                for spec, held in zip(specs, known, strict=True)
            ]
        except KeeperError:
            _close(made)
            raise
        self._keep(chosen)
        return chosen

    def _find(self, spec: ListenerSpec) -> Held | None:
        same_name = self._held.get(spec.name)
        if same_name and same_name.spec.same_address(spec):
            return same_name
        if spec.port == 0:
            return None
        held = self._held.values()
        return next((other for other in held if other.spec.same_address(spec)), None)

    def _give_way(self, specs: Sequence[ListenerSpec]) -> None:
        for spec in specs:
            held = self._held.get(spec.name)
            if held and held.spec.port == spec.port and held.spec.host != spec.host:
                _close([self._held.pop(spec.name)])

    def _keep(self, chosen: list[Held]) -> None:
        names = {held.spec.name for held in chosen}
        sockets = {held.socket for held in chosen}
        others = [held for held in self._held.values() if held.socket not in sockets]
        kept = [held for held in others if held.spec.name not in names]
        _close([held for held in others if held.spec.name in names])
        self._held = {held.spec.name: held for held in (*kept, *chosen)}

    def as_list(self) -> list[dict[str, object]]:
        return [held.as_dict() for held in self._held.values()]

    def close(self) -> None:
        _close(list(self._held.values()))
        self._held = {}


def _renewed(spec: ListenerSpec, held: Held) -> Held:
    # Costs nothing where it still listens, and heals a socket that an acceptor shut down.
    try:
        held.socket.listen(BACKLOG)
    except OSError as error:
        raise _translated(spec, error) from error
    return Held(spec, held.socket)


def _made(spec: ListenerSpec, made: list[Held]) -> Held:
    held = Held(spec, bind(spec))
    made.append(held)
    return held


def _close(held: Sequence[Held]) -> None:
    for one in held:
        one.socket.close()


def bind(spec: ListenerSpec) -> socket.socket:
    """A socket that listens at ``spec``. Raises PortTaken, Refused, Failed, naming the port."""
    try:
        sock = socket.socket(spec.family, socket.SOCK_STREAM)
    except OSError as error:
        raise _translated(spec, error) from error
    try:
        _listen(sock, spec)
    except OSError as error:
        sock.close()
        raise _translated(spec, error) from error
    return sock


def _listen(sock: socket.socket, spec: ListenerSpec) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if spec.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # 0.0.0.0 has its own
    sock.setblocking(False)
    sock.bind((spec.host, spec.port))
    sock.listen(BACKLOG)


def _translated(spec: ListenerSpec, error: OSError) -> KeeperError:
    if error.errno == errno.EADDRINUSE:
        return port_taken(spec)
    if error.errno == errno.EACCES:
        return Refused(
            f"{_where(spec)} is not allowed to this user",
            hint="use a port from 1024 on: --port-base N moves all ports",
            name=spec.name,
            host=spec.host,
            port=spec.port,
        )
    return Failed(
        f"{_where(spec)} cannot be listened on: {error.strerror}",
        name=spec.name,
        host=spec.host,
        port=spec.port,
    )


def _where(spec: ListenerSpec) -> str:
    return f"port {spec.port} on {spec.host} ({spec.name})"


def port_taken(spec: ListenerSpec) -> PortTaken:
    """The error that names who listens where ``spec`` wants to."""
    pid = next(iter(takers.holders(spec)), None)
    program = processes.program(pid) if pid else None
    return PortTaken(
        f"{_where(spec)} is taken by {f'{program} (pid {pid})' if pid else 'another program'}",
        hint="stop what listens there, or move: --port-base N moves all ports",
        name=spec.name,
        host=spec.host,
        port=spec.port,
        pid=pid,
        program=program,
    )
