"""`sutazai apply --watch` in a process of its own, as a test follows it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from sutazai.wire import Request, Response, json_response

PROGRAM = """
import signal, sys
from sutazai.cli.main import main
signal.signal(signal.SIGINT, signal.default_int_handler)
main(sys.argv[1:])
"""
WITHIN = 60.0


class Watch:
    """Runs it, with ``--json``; its messages are read one by one."""

    def __init__(self, *words: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "apply", *words, "--watch", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def next(self, event: str) -> dict[str, Any]:
        """The next message, which must be of that kind."""
        said = self._read()
        assert said["event"] == event, said
        return said

    def until(self, event: str) -> None:
        """Reads on to the next message of that kind."""
        while self._read()["event"] != event:
            pass

    def interrupt(self) -> tuple[int, str]:
        """Its exit code, and what it said on stderr."""
        self._process.send_signal(signal.SIGINT)
        _, errors = self._process.communicate(timeout=WITHIN)
        return self._process.returncode, errors

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, self._process.communicate()[1]
        said: dict[str, Any] = json.loads(line)
        return said


def accepting(_request: Request, value: Any) -> Response:
    """How a control answers that takes everything."""
    difference = {"before": 1, "after": 2, "settings": [{"path": "description"}]}
    return json_response(
        {"revision": 2, "difference": difference, "accepted": not value["dry_run"]}
    )


def write(path: Path, text: str) -> None:
    """As editors save: the old file is there until the new one is."""
    fresh = path.with_name(f".{path.name}.fresh")
    fresh.write_text(text)
    os.replace(fresh, path)
