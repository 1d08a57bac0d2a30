"""Where a fleet keeps its things: one durable state folder, one short runtime folder.

The state folder survives a reboot. The runtime folder holds sockets, FIFOs and instance records;
it is short because the path of a Unix socket must stay below 104 bytes.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

DEFAULT_FLEET = "sutazai"


@dataclass(frozen=True)
class Places:
    """Every path of one fleet. Nothing here touches the disk.

    Args:
        state: absolute path of the state folder; one fleet each.
        runtime: absolute path of the runtime folder, derived from ``state``.
    """

    state: Path
    runtime: Path

    @classmethod
    def of(cls, state: Path) -> Places:
        """The places of the fleet whose state folder is ``state``."""
        state = state.absolute()
        digest = hashlib.sha256(os.fsencode(state)).hexdigest()[:12]
        return cls(state=state, runtime=runtime_root() / digest)

    # durable
    @property
    def config(self) -> Path:
        """What `up` decided and every process reads: ports, the fleet file's place."""
        return self.state / "config.json"

    @property
    def fleet(self) -> Path:
        """The fleet that is in force, catalogue merged in and ports given out."""
        return self.state / "fleet.json"

    @property
    def codes(self) -> Path:
        """Digests of the agents' code as it was when the fleet was accepted."""
        return self.state / "codes.json"

    @property
    def environments(self) -> Path:
        """Virtual environments that the host made of requirements."""
        return self.state / "environments"

    @property
    def token(self) -> Path:
        """The admin token, mode 0600."""
        return self.state / "token"

    @property
    def database(self) -> Path:
        return self.state / "sutazai.sqlite"

    @property
    def workflow_database(self) -> Path:
        return self.state / "workflows.sqlite"

    @property
    def artifacts(self) -> Path:
        return self.state / "artifacts"

    @property
    def logs(self) -> Path:
        """One log a unit, ``NAME.log``, rotated in place."""
        return self.state / "logs"

    @property
    def homes(self) -> Path:
        """One folder a unit, of which only that unit has the use."""
        return self.state / "homes"

    @property
    def sources(self) -> Path:
        """What was fetched from Git, a folder each source."""
        return self.state / "sources"

    @property
    def source_trees(self) -> Path:
        """The files of such a source as they were applied last; all units see them."""
        return self.homes / ".sources"

    @property
    def kept_code(self) -> Path:
        """The code of accepted revisions, a folder each digest; all units see it."""
        return self.homes / ".code"

    def home(self, unit: str) -> Path:
        """The folder of one unit."""
        return self.homes / unit

    @property
    def desired(self) -> Path:
        """The host's copy of what it should run."""
        return self.state / "desired.json"

    @property
    def containers(self) -> Path:
        """Where this fleet's containers are, from before the first one is made."""
        return self.state / "containers.json"

    @property
    def routes(self) -> Path:
        """The gateway's copy of where calls go; mode 0600, for it holds keys."""
        return self.state / "routes.json"

    @property
    def endpoints(self) -> Path:
        """The gateway's copy of which instances are ready."""
        return self.state / "endpoints.json"

    @property
    def calls(self) -> Path:
        """The gateway's record of calls and its dead letters."""
        return self.state / "gateway-calls.sqlite"

    @property
    def history(self) -> Path:
        """What was measured, at falling resolution."""
        return self.state / "history.sqlite"

    @property
    def messages(self) -> Path:
        """The log of messages that are not delivered yet, and of dead letters."""
        return self.state / "messages.log"

    @property
    def budgets(self) -> Path:
        """What keys have used today, as the gateway has counted it."""
        return self.state / "budgets.json"

    @property
    def paused(self) -> Path:
        """There while agents' calls to models are held."""
        return self.state / "paused"

    @property
    def alerts(self) -> Path:
        """What is known of alerts, silences, and notifications that are still to be sent."""
        return self.state / "alerts.json"

    @property
    def traces(self) -> Path:
        """How far the traces of tasks were sent elsewhere."""
        return self.state / "traces.json"

    @property
    def throttle(self) -> Path:
        """There while all agents are held to a part of a core, which it says."""
        return self.state / "throttle"

    # for as long as the machine is up
    @property
    def lock(self) -> Path:
        """Locked by the living keeper."""
        return self.runtime / "keeper.lock"

    @property
    def exits(self) -> Path:
        """The keeper's journal of ended processes."""
        return self.runtime / "exits.jsonl"

    @property
    def keeper_socket(self) -> Path:
        return self.runtime / "keeper.sock"

    @property
    def host_socket(self) -> Path:
        return self.runtime / "host.sock"

    @property
    def gateway_socket(self) -> Path:
        """The gateway's own API, for control and host."""
        return self.runtime / "gateway.sock"

    @property
    def agents_socket(self) -> Path:
        """Where instances reach the gateway's LLM endpoints and other agents.

        In a folder of its own: of the runtime folder, instances see nothing else.
        """
        return self.runtime / "a" / "gateway.sock"

    @property
    def llm_socket(self) -> Path:
        return self.runtime / "llm.sock"

    @property
    def instances(self) -> Path:
        """Records of running instances, one file each, from which a new host adopts them."""
        return self.runtime / "instances"

    @property
    def groups(self) -> Path:
        """Where the control groups of the fleet are, which outlive a killed host."""
        return self.runtime / "groups.json"

    @property
    def sockets(self) -> Path:
        """Listening sockets of instances."""
        return self.runtime / "s"


def runtime_root() -> Path:
    """``$XDG_RUNTIME_DIR/sutazai``, or ``/tmp/sutazai-UID`` where that is unset or too long."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base and len(base) <= 40:
        return Path(base) / "sutazai"
    return Path("/tmp") / f"sutazai-{os.getuid()}"  # noqa: S108 (made with mode 0700, checked)


def state_root() -> Path:
    """``$XDG_STATE_HOME/sutazai``, usually ``~/.local/state/sutazai``."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "sutazai"
