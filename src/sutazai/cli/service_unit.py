"""The systemd unit of a fleet. Pure: facts go in, text comes out.

What matters in it: ``KillMode=process`` and ``Delegate=yes``, so that instances outlive a keeper
that was killed and the next one adopts them; ``OOMPolicy=continue``, so that one instance which ran
out of memory ends alone; ``Type=notify``, for the keeper says when it holds its ports; a long stop,
for agents end in their order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sutazai.fleet.errors import BadInput
from sutazai.fleet.places import DEFAULT_FLEET

OPEN_FILES = 524_288
"""As many as systemd allows by itself; a thousand agents take some ten each."""

STOP_WITHIN = 150
"""Seconds: the host's orderly stop, and what the keeper does after it, fit in."""

NO_USE_TRYING = "3 5"
"""Exit codes after which only a person helps: no right, a fleet that runs already. Not so a port
that is taken: whoever holds it may be about to end."""

_SIMPLE = re.compile(r"[\w./:=@+,-]+", re.ASCII)
"""Words that need no quotes."""

_MARK = "# The fleet whose state is in "


@dataclass(frozen=True, kw_only=True)
class Service:
    """One fleet as systemd shall run it. Every path is absolute.

    Args:
        command: what becomes the fleet's keeper.
        folder: where it is run.
        secrets: file of further variables, which need not be there.
        user: who runs it, where the system's manager does; None for a user's own.
        runtime: that user's ``XDG_RUNTIME_DIR``, where the commands look for the fleet's sockets.
    """

    fleet: str
    state: Path
    command: tuple[str, ...]
    folder: Path
    secrets: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    runtime: Path | None = None

    @property
    def name(self) -> str:
        """The unit's name, as `systemctl` wants it."""
        suffix = "" if self.fleet == DEFAULT_FLEET else f"-{self.fleet}"
        return f"sutazai{suffix}.service"


def unit_text(service: Service) -> str:
    """The whole unit. Raises BadInput for a path or value that no unit can hold."""
    parts = (
        ("Unit", _unit(service)),
        ("Service", _service(service)),
        ("Install", _install(service)),
    )
    sections = [f"[{name}]\n" + "".join(f"{line}\n" for line in lines) for name, lines in parts]
    head = "# Written by `sutazai install-service`; `sutazai uninstall-service` removes it.\n"
    return head + f"{_MARK}{_checked(str(service.state))}\n\n" + "\n".join(sections)


def state_of(text: str) -> Path | None:
    """The state folder of the fleet that a unit of ours is for; None for any other unit."""
    for line in text.splitlines():
        if line.startswith(_MARK):
            return Path(line.removeprefix(_MARK))
    return None


def _unit(service: Service) -> Iterator[str]:
    yield f"Description=SutazAI fleet {service.fleet}"
    if service.user is not None:
        yield "After=network.target ollama.service"
        if service.runtime is not None and (uid := _uid_of(service.runtime)):
            yield f"Requires=user-runtime-dir@{uid}.service"
            yield f"After=user-runtime-dir@{uid}.service"
    yield "StartLimitIntervalSec=300"
    yield "StartLimitBurst=20"


def _service(service: Service) -> Iterator[str]:
    yield "Type=notify"
    yield "NotifyAccess=main"
    yield f"ExecStart={' '.join(_argument(word) for word in service.command)}"
    yield f"WorkingDirectory={_plain(str(service.folder))}"
    if service.user is not None:
        yield f"User={service.user}"
    environment = dict(service.environment)
    if service.user is not None and service.runtime is not None:
        environment["XDG_RUNTIME_DIR"] = str(service.runtime)
    yield from (f"Environment={_quoted(f'{name}={environment[name]}')}" for name in environment)
    yield f"EnvironmentFile=-{_plain(str(service.secrets))}"
    yield "Restart=on-failure"
    yield "RestartSec=2"
    yield f"RestartPreventExitStatus={NO_USE_TRYING}"
    yield "KillMode=process"
    yield "Delegate=yes"
    yield "OOMPolicy=continue"
    yield f"TimeoutStopSec={STOP_WITHIN}"
    yield f"LimitNOFILE={OPEN_FILES}"


def _install(service: Service) -> Iterator[str]:
    yield f"WantedBy={'default.target' if service.user is None else 'multi-user.target'}"


def _uid_of(runtime: Path) -> str | None:
    """From ``/run/user/1000``, which systemd makes and removes; None for another folder."""
    is_systemds = str(runtime.parent) == "/run/user" and runtime.name.isdecimal()
    return runtime.name if is_systemds else None


def _argument(word: str) -> str:
    """One word of a command line: there a dollar sign would be a variable, too."""
    return word if _SIMPLE.fullmatch(word) else _quoted(word).replace("$", "$$")


def _quoted(text: str) -> str:
    escaped = _plain(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _plain(text: str) -> str:
    """A value that is taken as it stands, but for the percent sign."""
    return _checked(text).replace("%", "%%")


def _checked(text: str) -> str:
    if not text.isprintable():
        raise BadInput(f"a systemd unit cannot hold {text!r}", hint="rename it, or leave it out")
    return text
