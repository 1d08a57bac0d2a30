"""A view, as the host holds it: by descriptors that keep its namespaces alive."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sutazai.fleet.errors import Unavailable

MODULE = "sutazai.host.isolation.making"
END_WITHIN = 5.0


@dataclass(frozen=True)
class View:
    """What instances see of the file system.

    Args:
        entered: files by which its namespaces are entered, in this order.
        network: the file of a network without any connection; empty where none could be made.
        shown: the paths that were asked for.
        unreadable: the probed paths that the probing user could not read.
    """

    descriptors: tuple[int, ...]
    entered: tuple[str, ...]
    network: str
    shown: frozenset[str]
    unreadable: tuple[str, ...] = ()

    def close(self) -> None:
        """Lets go of it; whoever is in it stays in it."""
        for descriptor in self.descriptors:
            os.close(descriptor)


def make_view(
    *,
    closed: Sequence[str],
    hidden: Sequence[str],
    shown: Iterable[str],
    uid: int | None = None,
    probed: Sequence[str] = (),
) -> View:
    """A new view; takes about 50 ms. Raises Unavailable where this machine allows none.

    Args:
        closed: folders of which nothing but ``shown`` is seen.
        hidden: the same, of the fleet's own; they may lie in what is shown.
        uid: who is asked whether ``probed`` can be read.
    """
    paths = frozenset(shown)
    process = subprocess.Popen(
        [sys.executable, "-m", MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
    )
    wanted = {"closed": [*closed], "hidden": [*hidden], "shown": sorted(paths)}
    try:
        answer = _ask(process, {**wanted, "uid": uid, "probed": [*probed]})
        if "error" in answer:
            raise Unavailable(f"no view of their own for instances: {answer['error']}")
        return _held(process, answer, paths)
    finally:
        _end(process)


def why_no_view() -> str:
    """Tries to make one that changes nothing; empty where this machine allows views."""
    try:
        make_view(closed=(), hidden=(), shown=()).close()
    except Unavailable as error:
        return error.message
    return ""


def _ask(process: subprocess.Popen[str], wanted: dict[str, Any]) -> dict[str, Any]:
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(wanted), file=process.stdin, flush=True)
    line = process.stdout.readline() if process.stdout else ""
    return json.loads(line) if line else {"error": "it could not be made"}


def _held(process: subprocess.Popen[str], answer: dict[str, Any], shown: frozenset[str]) -> View:
    """Opens its namespaces, which then outlive the process."""
    same_user = os.readlink("/proc/self/ns/user") == os.readlink(f"/proc/{process.pid}/ns/user")
    kinds = ["mnt"] if same_user else ["user", "mnt"]
    kinds += ["net"] if answer["network"] else []
    descriptors = {
        kind: os.open(f"/proc/{process.pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
        for kind in kinds
    }
    files = {kind: f"/proc/{os.getpid()}/fd/{at}" for kind, at in descriptors.items()}
    return View(
        descriptors=tuple(descriptors.values()),
        entered=tuple(file for kind, file in files.items() if kind != "net"),
        network=files.get("net", ""),
        shown=shown,
        unreadable=tuple(answer["unreadable"]),
    )


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(BrokenPipeError):
        process.communicate(timeout=END_WITHIN)
