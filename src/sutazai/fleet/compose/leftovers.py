"""Keys of a Compose file that a fleet file has no word for, each with what to do instead."""

from __future__ import annotations

from sutazai.fleet.compose.around import Around
from sutazai.fleet.compose.kinds import LABEL, pairs
from sutazai.fleet.compose.source import ComposeFile, ComposeService, Node
from sutazai.fleet.positions import shown

_DEALT_WITH = frozenset(
    {
        "image", "build", "command", "entrypoint", "environment", "ports", "volumes",
        "depends_on", "healthcheck", "deploy", "mem_limit", "cpus", "restart", "scale", "profiles",
        "networks", "extends", "stop_grace_period", "expose", "network_mode", "user",
        "working_dir", "read_only",
    }
)  # fmt: skip

_SAME_LIMITS = "a fleet file limits memory and cores; docs/operations.md has the other bounds"
_RIGHTS = "a fleet gives no unit more rights; run it beside the fleet where it needs them"
_FILES = "put the secret into a file, and write `file:PATH` in `environment`"
_SHARED = "containers of a fleet share one network, where each has its unit's name"

_INSTEAD = {
    "env_file": "write the variables that it needs under `environment`, as `NAME: ${NAME}`",
    "container_name": "a unit is called by its own name; one that runs already is taken by "
    "`import --adopt`",
    "hostname": _SHARED,
    "labels": "who reads them (a proxy, a collector) must be told in its own settings",
    "logging": "the host keeps what units print, bounded; see `sutazai agents logs NAME`",
    "mem_reservation": "`memory` is the limit, and what the plan counts follows from it",
    "memswap_limit": _SAME_LIMITS,
    "pids_limit": _SAME_LIMITS,
    "shm_size": _SAME_LIMITS,
    "ulimits": _SAME_LIMITS,
    "cpu_shares": "set `cpu`",
    "cpuset": "set `cpu`",
    "cpu_quota": "set `cpu`",
    "cpu_count": "set `cpu`",
    "links": "name what it waits for in `depends_on`",
    "dns": _SHARED,
    "extra_hosts": _SHARED,
    "secrets": _FILES,
    "configs": "keep the file beside the fleet file, and name its path in `environment`",
    "privileged": _RIGHTS,
    "cap_add": _RIGHTS,
    "cap_drop": _RIGHTS,
    "security_opt": _RIGHTS,
    "devices": _RIGHTS,
    "gpus": "an LLM server with its GPU stays outside, and is declared under `backends`",
    "runtime": "an LLM server with its GPU stays outside, and is declared under `backends`",
    "tmpfs": "the image's own folders count",
    "init": "the host reaps what units leave behind",
    "stop_signal": "the host asks politely (SIGTERM), then kills after `stop_timeout`",
    "tty": "units have no terminal",
    "stdin_open": "units have no terminal",
}
_ELSE = "leave what needs it in the Compose file, and declare it with `runtime: remote`"

_DEPLOY = {
    "restart_policy": "the host restarts what ends, with growing pauses",
    "placement": "one machine runs the whole fleet",
    "labels": _INSTEAD["labels"],
}
_DEPLOY_DEALT_WITH = ("resources", "replicas", "mode", "endpoint_mode")
_RESOURCES = ("limits", "reservations")
_AMOUNTS = ("memory", "cpus")

_TOP_DEALT_WITH = ("version", "name", "volumes")
_TOP = {
    "networks": _SHARED,
    "secrets": _FILES,
    "configs": _INSTEAD["configs"],
    "include": "import what `docker compose config --no-interpolate` prints, which has all in one",
}


def tell_of_leftovers(service: ComposeService, around: Around) -> None:
    """Find every key of ``service`` that nothing else looks at."""
    for key, node in service.keys().items():
        dealt_with = key in _DEALT_WITH or (key == "container_name" and around.adopt)
        if not dealt_with and not key.startswith("x-") and not _is_our_label(node):
            _tell(node.path, key, _INSTEAD.get(key, _ELSE), around)
    deploy = service.find("deploy")
    for key in deploy.value if deploy else ():
        if key not in _DEPLOY_DEALT_WITH:
            path = (*service.path, "deploy", key)
            _tell(path, f"deploy.{key}", _DEPLOY.get(key, _ELSE), around)
    for kind in _RESOURCES:
        _tell_of_amounts(service, kind, around)
    _tell_of_restart(service, around)


def tell_of_top(file: ComposeFile, around: Around) -> None:
    """Find what stands beside the services and means nothing to a fleet."""
    for key, value in file.top.items():
        if value and key not in _TOP_DEALT_WITH and not key.startswith("x-"):
            _tell((key,), key, _TOP.get(key, _ELSE), around)


def _is_our_label(node: Node) -> bool:
    return node.path[-1] == "labels" and pairs([node]).keys() == {LABEL}


def _tell_of_amounts(service: ComposeService, kind: str, around: Around) -> None:
    amounts = service.find("deploy", "resources", kind)
    for key in amounts.value if amounts else ():
        if key not in _AMOUNTS:
            path = (*service.path, "deploy", "resources", kind, key)
            instead = _INSTEAD["gpus"] if key == "devices" else _SAME_LIMITS
            _tell(path, f"resources.{kind}.{key}", instead, around)
        elif (kind, key) == ("reservations", "memory"):
            path = (*service.path, "deploy", "resources", kind, key)
            _tell(path, f"resources.{kind}.{key}", _INSTEAD["mem_reservation"], around)


def _tell_of_restart(service: ComposeService, around: Around) -> None:
    restart = service.find("restart")
    if restart is not None and str(restart.value).startswith(("no", "on-failure", "False")):
        around.findings.note(
            restart.path,
            "the host restarts this whenever it ends, also after a success",
            "what runs once belongs into a script before `sutazai up`",
        )


def _tell(path: tuple[str | int, ...], key: str, instead: str, around: Around) -> None:
    around.findings.note(path, f"`{shown(key)}` is not carried over", instead, at_key=True)
