"""``sutazai install-service`` and ``uninstall-service``: a fleet that comes back after a reboot."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from sutazai.cli import fleets
from sutazai.cli.fleet_file import Accepted, accept, meant
from sutazai.cli.folder import environment_of
from sutazai.cli.options import FileOption, OverlayOption, StateOption
from sutazai.cli.service_start import MODULE
from sutazai.cli.service_unit import Service, state_of, unit_text
from sutazai.fleet.errors import Conflict, NotFound, Refused
from sutazai.fleet.places import Places

SYSTEM_FOLDER = Path("/etc/systemd/system")
SYSTEM_SECRETS = Path("/etc/sutazai")

KEPT = (
    *("PATH", "PYTHONPATH", "LANG", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("OLLAMA_HOST", "CUDA_VISIBLE_DEVICES"),
    *("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"),
)
"""Variables of this shell that go into the unit. Any other may be a secret, and others can read
the unit."""

GIVEN_BY_SYSTEMD = frozenset({"HOME", "USER", "LOGNAME", "SHELL", "XDG_RUNTIME_DIR"})
OURS = frozenset({"SUTAZAI_STATE", "SUTAZAI_MARK"})
SESSIONS = ("XDG_SESSION_", "XDG_SEAT", "XDG_VTNR")
"""Beginnings of variables that mean nothing outside of a login."""

install_app = typer.Typer()
uninstall_app = typer.Typer()

SystemOption = Annotated[
    bool,
    typer.Option("--system/--user", help="For the machine (needs root), or for this user alone."),
]
PortBaseOption = Annotated[
    int | None, typer.Option("--port-base", metavar="N", help="Move all ports, as with `up`.")
]


@install_app.command()
def install_service(
    system: SystemOption = False,
    print_only: Annotated[
        bool, typer.Option("--print", help="Print the unit and write nothing.")
    ] = False,
    file: FileOption = None,
    overlay: OverlayOption = None,
    state: StateOption = None,
    port_base: PortBaseOption = None,
) -> None:
    """Write a systemd unit for the fleet in this folder, so that it survives a reboot.

    It starts nothing: what to run next is printed.
    """
    source = meant(file)
    accepted = accept(source, overlay=overlay, port_base=port_base)
    owner = _owner(system=system)
    places = Places.of(state) if state else owner.places(accepted.fleet.name)
    asked = _options(places, source, overlay=overlay, port_base=port_base)
    service = _service(accepted, places, owner, asked, system=system)
    text = unit_text(service)
    if print_only:
        print(text, end="")
        return
    unit = _folder(system=system) / service.name
    _write(unit, text, service)
    print(f"written: {unit}\n")
    _print_variables(accepted, places, service)
    _print_next(service)


@uninstall_app.command()
def uninstall_service(system: SystemOption = False, state: StateOption = None) -> None:
    """Remove the systemd unit of a fleet; the fleet itself runs on until it is stopped."""
    unit = _installed(_folder(system=system), _meant(state, _owner(system=system)).state)
    for link in (unit.parent / f"{target}.target.wants" for target in ("default", "multi-user")):
        (link / unit.name).unlink(missing_ok=True)
    unit.unlink()
    systemctl = "systemctl" if system else "systemctl --user"
    print(f"removed: {unit}")
    print(f"next: {systemctl} daemon-reload\nto stop the fleet, too: sutazai down")


@dataclass(frozen=True)
class Owner:
    """Whose fleet it is. ``is_us`` is False where root installs it for who called `sudo`."""

    name: str
    uid: int
    home: Path
    is_us: bool

    def places(self, fleet: str) -> Places:
        """Where that user's commands look for a fleet of this name."""
        if self.is_us:
            return fleets.places_of_name(fleet)
        return Places.of(self.home / ".local" / "state" / "sutazai" / fleet)

    def runtime(self, environment: Mapping[str, str]) -> Path | None:
        """That user's ``XDG_RUNTIME_DIR``."""
        if self.is_us:
            return Path(told) if (told := environment.get("XDG_RUNTIME_DIR")) else None
        return Path(f"/run/user/{self.uid}")


def _owner(*, system: bool) -> Owner:
    uid = os.geteuid()
    sudo = os.environ.get("SUDO_USER")
    if system and uid == 0 and sudo and sudo != "root":
        found = pwd.getpwnam(sudo)
        return Owner(found.pw_name, found.pw_uid, Path(found.pw_dir), is_us=False)
    return Owner(pwd.getpwuid(uid).pw_name, uid, Path.home(), is_us=True)


def _meant(state: Path | None, owner: Owner) -> Places:
    """The fleet that the owner's commands would mean."""
    if state is not None or owner.is_us:
        return fleets.chosen(state)
    named = fleets.named_in(fleets.LOCAL_FILE) if fleets.LOCAL_FILE.is_file() else None
    return owner.places((named or fleets.default_places()).state.name)


def _options(
    places: Places, file: Path | None, *, overlay: str | None, port_base: int | None
) -> tuple[str, ...]:
    """What `service_start` is told. The machine's own overlay is looked for at each start."""
    options = ["--state", str(places.state)]
    options += ["--file", str(file.absolute())] if file else []
    options += ["--overlay", overlay] if overlay is not None else []
    options += ["--port-base", str(port_base)] if port_base is not None else []
    return tuple(options)


def _service(
    accepted: Accepted, places: Places, owner: Owner, options: tuple[str, ...], *, system: bool
) -> Service:
    file = accepted.file.absolute() if accepted.file else None
    # -P: what lies in the working folder is not ours to import.
    command = (os.path.abspath(sys.executable), "-P", "-m", MODULE, *options)
    name = f"{accepted.fleet.name}.env"
    return Service(
        fleet=accepted.fleet.name,
        state=places.state,
        command=command,
        folder=file.parent if file else Path.cwd(),
        secrets=SYSTEM_SECRETS / name if system else _config_home() / "sutazai" / name,
        environment={name: os.environ[name] for name in KEPT if os.environ.get(name)},
        user=owner.name if system else None,
        runtime=owner.runtime(os.environ),
    )


def _config_home() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME")
    return Path(base) if base else Path.home() / ".config"


def _folder(*, system: bool) -> Path:
    return SYSTEM_FOLDER if system else _config_home() / "systemd" / "user"


def _write(unit: Path, text: str, service: Service) -> None:
    """Write the unit, in the place of an older one for the same fleet only."""
    try:
        if unit.exists() and state_of(unit.read_text(errors="replace")) != service.state:
            raise Conflict(
                f"{unit} is there already, and not for this fleet",
                hint=f"look at it, remove it, or give the fleet another name: {unit}",
            )
        unit.parent.mkdir(parents=True, exist_ok=True)
        fresh = unit.with_name(f".{unit.name}.{os.getpid()}")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(unit)
    except PermissionError as error:
        raise Refused(
            f"{unit} cannot be written by this user",
            hint=f"sutazai install-service --system --print | sudo tee {unit}\n"
            "or for this user alone: sutazai install-service --user",
        ) from error


def _installed(folder: Path, state: Path) -> Path:
    """The unit of the fleet on ``state``. Raises NotFound."""
    for unit in sorted(folder.glob("sutazai*.service")):
        if state_of(unit.read_text(errors="replace")) == state:
            return unit
    raise NotFound(
        f"no service is installed in {folder} for the fleet on {state}",
        hint="one for the machine: --system; of another fleet: --state DIR",
    )


def _print_variables(accepted: Accepted, places: Places, service: Service) -> None:
    """Which variables of this shell the fleet will not see by itself."""
    passed = environment_of(places, accepted.fleet, os.environ).keys() - OURS - GIVEN_BY_SYSTEMD
    missing = sorted(
        name for name in passed - service.environment.keys() if not name.startswith(SESSIONS)
    )
    if missing:
        print(
            f"not in the unit, for they may be secret: {', '.join(missing)}\n"
            "what the fleet needs of them belongs, as NAME=value and with chmod 600, into\n"
            f"{service.secrets}\n"
        )


def _print_next(service: Service) -> None:
    if service.user is None:
        print(
            "next:\n  systemctl --user daemon-reload\n"
            f"  systemctl --user enable --now {service.name}\n"
            "  loginctl enable-linger    # else it runs only while you are logged in"
        )
        return
    print(f"next:\n  systemctl daemon-reload\n  systemctl enable --now {service.name}")
