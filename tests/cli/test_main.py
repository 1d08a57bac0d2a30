"""The command line as a whole: quick to start, clear in its errors, quiet when nobody reads."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sutazai import __version__
from sutazai.cli.main import COMMANDS, Listed, application
from sutazai.cli.output import exit_codes
from sutazai.fleet.errors import (
    BadFleet,
    BadInput,
    Conflict,
    DeadlineExceeded,
    Failed,
    NotFound,
    QueueFull,
    SutazaiError,
    Unauthenticated,
)
from tests.cli.conftest import CommandLine

CLI = [sys.executable, "-m", "sutazai.cli"]


def modules_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after ``code``."""
    program = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_the_version(sutazai: CommandLine) -> None:
    said = sutazai("--version")

    assert (said.code, said.out) == (0, f"sutazai {__version__}\n")


def test_the_overview_lists_every_command(sutazai: CommandLine) -> None:
    said = sutazai("--help")

    assert said.code == 0
    for listed in COMMANDS:
        assert f"│ {listed.name} " in said.out
        assert listed.summary.split()[0] in said.out


@pytest.mark.parametrize("listed", COMMANDS, ids=lambda listed: listed.name)
def test_each_command_can_be_imported_and_explains_itself(
    sutazai: CommandLine, listed: Listed
) -> None:
    said = sutazai(listed.name, "--help")

    assert said.code == 0
    assert f"Usage: sutazai {listed.name}" in said.out


def test_listing_the_commands_imports_none_of_them() -> None:
    loaded = modules_after("from sutazai.cli.main import application; application()")

    assert not loaded & {"rich.console", "pydantic", "asyncio", "sutazai.wire", "ruamel.yaml"}


def test_no_command_imports_what_belongs_to_the_planes() -> None:
    modules = ", ".join(f"sutazai.cli.{listed.module}" for listed in COMMANDS)

    loaded = modules_after(f"import {modules}")

    assert not loaded & {"fastapi", "dbos", "sqlalchemy", "alembic", "uvicorn", "xllamacpp"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("sttus",), "Did you mean 'status'?"),
        (("status", "--nope"), "No such option"),
        (("ask",), "Missing argument"),
        (("up", "--port-base", "high"), "Invalid value"),
    ],
)
def test_a_command_line_that_cannot_be_used_is_code_2(
    sutazai: CommandLine, words: tuple[str, ...], told: str
) -> None:
    said = sutazai(*words)

    assert said.code == 2
    assert told in said.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Failed("x"), 1),
        (BadInput("x"), 2),
        (BadFleet("x"), 2),
        (Unauthenticated("x"), 3),
        (NotFound("x"), 4),
        (Conflict("x"), 5),
        (QueueFull("x"), 6),
        (DeadlineExceeded("x"), 7),
        (PermissionError(13, "Permission denied", "/etc/shadow"), 1),
        (RuntimeError("a mistake of ours"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_every_error_has_its_exit_code_and_no_traceback(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    with pytest.raises(SystemExit) as ended, exit_codes():
        raise error

    assert ended.value.code == code
    assert "Traceback" not in capsys.readouterr().err


def test_a_hint_stands_below_its_error_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), exit_codes():
        raise SutazaiError("it is not there", hint="look here\nor there")

    assert capsys.readouterr().err == "error: it is not there\n  → look here\n  → or there\n"


def test_for_debugging_errors_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUTAZAI_DEBUG", "1")

    with pytest.raises(NotFound), exit_codes():
        raise NotFound("x")


def test_nobody_who_stops_reading_is_told_so() -> None:
    command = subprocess.Popen([*CLI, "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert command.stdout is not None and command.stderr is not None
    with command:
        try:
            command.stdout.read(1)
            command.stdout.close()

            assert command.stderr.read() == b""
            command.wait(60)
        finally:
            command.kill()


def test_a_terminal_that_knows_few_letters_is_no_error() -> None:
    done = subprocess.run(
        [*CLI, "status"],
        env={"PATH": "", "PYTHONIOENCODING": "ascii", "XDG_STATE_HOME": "/nonexistent"},
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 6
    assert b"? start one: sutazai up" in done.stderr


def test_completion_knows_commands_and_what_is_below_them() -> None:
    commands = {listed.name for listed in COMMANDS}

    assert commands == set(application().commands)
