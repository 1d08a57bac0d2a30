"""Reads the facts and has them judged: the only part of the doctor that touches the machine."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from sutazai.cli.doctor.finding import Finding
from sutazai.cli.doctor.folders import Folder, runtime_finding, state_finding
from sutazai.cli.doctor.isolation import isolation_finding
from sutazai.cli.doctor.machine import gpu_finding, machine_findings, python_finding
from sutazai.cli.doctor.models import Embedded, model_findings
from sutazai.cli.doctor.ports import Holder, port_findings
from sutazai.cli.sweep import MARK
from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.places import Places
from sutazai.fleet.serving import EmbeddedLlm
from sutazai.fleet.spec import Ports
from sutazai.host.isolation import allowed, why_no_view
from sutazai.host.machine import (
    Listener,
    environment_of,
    read_disk,
    read_gpus,
    read_listeners,
    read_machine,
)
from sutazai.llm.detect import Look, look_for_ollama
from sutazai.llm.models import find_model
from sutazai.wire import Client

LIBRARY = "xllamacpp"
_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")


async def examine(
    places: Places,
    ports: Ports,
    *,
    llm: EmbeddedLlm = EmbeddedLlm(),  # noqa: B008 (frozen)
    environ: Mapping[str, str] = os.environ,
) -> list[Finding]:
    """Everything that this machine offers or lacks for a fleet at ``places`` on ``ports``.

    Args:
        llm: what the fleet says of its embedded LLM.
        environ: where ``OLLAMA_HOST`` is looked up.

    Takes 3 s at most where a driver's tool hangs, else well below one.
    """
    async with Client() as client:
        look, gpus = await asyncio.gather(look_for_ollama(client, environ=environ), read_gpus())
    listeners = await asyncio.to_thread(read_listeners)
    return [
        *machine_findings(read_machine()),
        gpu_finding(gpus),
        isolation_finding(allowed(), refused=await asyncio.to_thread(why_no_view)),
        *model_findings(look, _environment(look, listeners), _embedded(llm)),
        *port_findings(ports, list(_holders(listeners)), places.state),
        state_finding(places.state, read_disk(places.state)),
        runtime_finding(
            places, _folder(places.runtime), _folder(places.runtime.parent), os.geteuid()
        ),
        python_finding(sys.version_info[:3], sys.executable),
    ]


def _environment(look: Look, listeners: tuple[Listener, ...]) -> dict[str, str] | None:
    """The environment of the Ollama that answered, where it runs here and is ours to see."""
    if look.ollama is None or look.ollama.address.host not in _THIS_MACHINE:
        return None
    pids = [there.pid for there in listeners if there.port == look.ollama.address.port]
    return environment_of(pids[0]) if pids and pids[0] is not None else None


def _embedded(llm: EmbeddedLlm) -> Embedded:
    library = find_spec(LIBRARY) is not None
    try:
        return Embedded(library, find_model(llm.model), llm)
    except SutazaiError as error:
        return Embedded(library, error, llm)


def _holders(listeners: tuple[Listener, ...]) -> Iterator[Holder]:
    """Listeners with the fleets that they belong to, by the mark of every process of a fleet."""
    for listener in listeners:
        environment = environment_of(listener.pid) if listener.pid is not None else None
        fleet = (environment or {}).get(MARK)
        yield Holder(listener, Path(fleet) if fleet else None)


def _folder(path: Path) -> Folder:
    try:
        found = path.stat()
    except OSError:  # it will be made
        return Folder(path)
    return Folder(path, found.st_uid, stat.S_IMODE(found.st_mode))
