"""`sutazai install-service`: a unit that systemd understands, and nobody else's touched."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sutazai.cli.service_unit import Service, state_of, unit_text
from sutazai.fleet.errors import BadInput
from tests.cli.conftest import CommandLine

FLEET = """
name: home
catalogue: [planner, executor, reviewer]
backends:
  hosted:
    url: https://models.example.com/v1
    dialect: openai
    api_key: ${HOSTED_KEY}
"""


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Where this user's units are."""
    return tmp_path / ".config" / "systemd" / "user"


@pytest.fixture(autouse=True)
def here(home: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a fleet, and a shell that knows its secret."""
    Path("fleet.yaml").write_text(FLEET)
    monkeypatch.setenv("HOSTED_KEY", "very-secret")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


def lines(text: str) -> list[str]:
    return text.splitlines()


def test_the_unit_runs_this_installation_in_this_folder(sutazai: CommandLine, units: Path) -> None:
    said = sutazai("install-service", "--print", "--port-base", "12000")

    command = next(line for line in lines(said.out) if line.startswith("ExecStart="))
    assert said.code == 0
    assert command.startswith(f"ExecStart={sys.executable} -P -m sutazai.cli.service_start ")
    assert f"--file {Path('fleet.yaml').absolute()}" in command and "--port-base 12000" in command
    assert f"WorkingDirectory={Path.cwd()}" in lines(said.out)
    assert {"Type=notify", "KillMode=process", "Delegate=yes", "Restart=on-failure",
            "OOMPolicy=continue", "LimitNOFILE=524288", "WantedBy=default.target",
            } <= set(lines(said.out))  # fmt: skip
    assert not any(line.startswith("User=") for line in lines(said.out))
    assert not units.exists()


def test_one_for_the_machine_names_its_user_and_finds_the_same_sockets(
    sutazai: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")

    found = lines(sutazai("install-service", "--system", "--print").out)

    assert any(line.startswith("User=") for line in found)
    assert 'Environment="XDG_RUNTIME_DIR=/run/user/1000"' in found
    assert "Requires=user-runtime-dir@1000.service" in found
    assert "EnvironmentFile=-/etc/sutazai/home.env" in found
    assert "WantedBy=multi-user.target" in found


def test_installing_says_what_to_run_next_and_again_replaces_its_own(
    sutazai: CommandLine, units: Path
) -> None:
    first = sutazai("install-service")
    written = (units / "sutazai-home.service").read_text()
    again = sutazai("install-service", "--user", "--port-base", "12000")

    assert (first.code, again.code) == (0, 0)
    assert "systemctl --user daemon-reload" in first.out
    assert "systemctl --user enable --now sutazai-home.service" in first.out
    assert "loginctl enable-linger" in first.out
    assert "--port-base" not in written
    assert "--port-base" in (units / "sutazai-home.service").read_text()
    assert [unit.name for unit in units.iterdir()] == ["sutazai-home.service"]


def test_no_secret_is_written_and_where_it_belongs_is_told(
    sutazai: CommandLine, units: Path
) -> None:
    said = sutazai("install-service")

    assert "very-secret" not in said.out + (units / "sutazai-home.service").read_text()
    assert "not in the unit, for they may be secret:" in said.out and "HOSTED_KEY" in said.out
    assert str(Path.home() / ".config/sutazai/home.env") in said.out


@pytest.mark.parametrize("other", ["[Service]\nExecStart=/bin/true\n", ""])
def test_another_unit_of_that_name_is_left_alone(
    sutazai: CommandLine, units: Path, other: str
) -> None:
    units.mkdir(parents=True)
    (units / "sutazai-home.service").write_text(other)

    said = sutazai("install-service")

    assert said.code == 5
    assert "not for this fleet" in said.err
    assert (units / "sutazai-home.service").read_text() == other


def test_the_unit_of_another_state_folder_is_left_alone(
    sutazai: CommandLine, tmp_path: Path
) -> None:
    sutazai("install-service")

    assert sutazai("install-service", "--state", str(tmp_path / "elsewhere")).code == 5


def test_uninstalling_removes_the_unit_and_what_enabled_it(
    sutazai: CommandLine, units: Path
) -> None:
    sutazai("install-service")
    wanted = units / "default.target.wants"
    wanted.mkdir()
    (wanted / "sutazai-home.service").symlink_to(units / "sutazai-home.service")

    said = sutazai("uninstall-service")
    again = sutazai("uninstall-service")

    assert said.code == 0 and "systemctl --user daemon-reload" in said.out
    assert list(units.rglob("*.service")) == []
    assert again.code == 4


def test_uninstalling_leaves_the_units_of_others(sutazai: CommandLine, units: Path) -> None:
    units.mkdir(parents=True)
    (units / "sutazai-home.service").write_text("[Service]\nExecStart=/bin/true\n")

    assert sutazai("uninstall-service").code == 4
    assert (units / "sutazai-home.service").exists()


def test_a_fleet_that_cannot_be_started_gets_no_unit(sutazai: CommandLine, units: Path) -> None:
    Path("fleet.yaml").write_text("name: home\nagnts: {}\n")

    assert sutazai("install-service").code == 2
    assert not units.exists()


def service(folder: Path, *, user: str | None = None) -> Service:
    return Service(
        fleet="odd",
        state=folder,
        command=(sys.executable, "-m", "x", "--file", str(folder / "fleet.yaml")),
        folder=folder,
        secrets=folder / "odd.env",
        environment={"PATH": "/bin:/usr/bin", "ODD": 'a "b" \\ 100% $HOME'},
        user=user,
        runtime=Path("/run/user/1000"),
    )


def test_the_state_folder_is_found_again_in_a_unit(tmp_path: Path) -> None:
    assert state_of(unit_text(service(tmp_path / "a b"))) == tmp_path / "a b"
    assert state_of("[Unit]\nDescription=another one\n") is None


def test_what_no_unit_can_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        unit_text(service(tmp_path / "two\nlines"))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
@pytest.mark.parametrize("folder", ["plain", "with a space", "100%", 'a "quote"', "$HOME", "a\\b"])
@pytest.mark.parametrize("user", [None, "root"])
def test_systemd_understands_it_whatever_the_folder_is_called(
    tmp_path: Path, folder: str, user: str | None
) -> None:
    place = tmp_path / folder
    place.mkdir()
    unit = tmp_path / "sutazai-odd.service"
    unit.write_text(unit_text(service(place, user=user)))

    scope = ["--user"] if user is None else []
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *scope, str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
