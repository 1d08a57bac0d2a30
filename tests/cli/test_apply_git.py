"""`sutazai apply git+…`: a fleet out of a repository on disk."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sutazai.cli.git_checkout import GitCheckout
from sutazai.fleet.errors import Conflict
from sutazai.fleet.git_source import parse_git
from sutazai.fleet.places import Places
from tests.cli.conftest import CommandLine
from tests.cli.fake_control import FakeControl
from tests.cli.watching import Watch, accepting

FLEET = "name: sutazai\nagents:\n  pot: {prompt: Brew., class: 'pot:Pot', directory: code}\n"
CODE = "class Pot:\n    water = 1\n"
ROUTE = "POST /revisions"


class Repository:
    """A bare repository, and somebody who writes to it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "tea.git"
        self._work = folder / "work-tree"
        self._git("init", "--quiet", "--bare", "--initial-branch=main", str(self.path))
        self._git("clone", "--quiet", str(self.path), str(self._work))

    @property
    def url(self) -> str:
        return f"git+file://{self.path}"

    def commit(self, subject: str, *, branch: str = "main", **files: str) -> str:
        """Its digest; ``files`` are called as their names, with ``__`` for ``/``."""
        self._in("checkout", "--quiet", "-B", branch)
        for name, text in files.items():
            path = self._work / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self._in("add", "--all")
        self._in("commit", "--quiet", "--allow-empty", "-m", subject)
        self._in("push", "--quiet", "--force", "origin", branch)
        return self._in("rev-parse", "HEAD")

    def tag(self, name: str) -> None:
        self._in("tag", "--annotate", "-m", name, name)
        self._in("push", "--quiet", "origin", name)

    def remove(self, name: str) -> None:
        (self._work / name).unlink()

    def _in(self, *words: str) -> str:
        return self._git("-C", str(self._work), *words)

    def _git(self, *words: str) -> str:
        person = ["-c", "user.name=Cha Ji", "-c", "user.email=cha@example.org"]
        done = subprocess.run(["git", *person, *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, fleet: Places, control: FakeControl) -> Repository:
    """One whose fleet runs, under a control that takes everything."""
    control.answers[ROUTE] = accepting
    made = Repository(tmp_path)
    made.commit("First brew", fleet_yaml=FLEET, code__pot_py=CODE)
    return made


def offered(control: FakeControl) -> list[dict[str, Any]]:
    """What control was to make a revision of."""
    asked = [each.value for each in control.asked if each.path == "/revisions"]
    return [value for value in asked if not value["dry_run"]]


def tree(fleet: Places) -> Path:
    [found] = fleet.source_trees.iterdir()
    return found


def test_a_commit_becomes_a_revision(
    sutazai: CommandLine, repository: Repository, fleet: Places, control: FakeControl
) -> None:
    digest = repository.commit("Steep longer", fleet_yaml=FLEET.replace("Brew.", "Steep."))
    said = sutazai("apply", repository.url)
    assert said.code == 0, said.err
    [offer] = offered(control)
    assert offer["fleet"]["agents"]["pot"]["prompt"] == "Steep."
    assert offer["author"] == "Cha Ji"
    assert offer["reason"] == f"commit {digest[:10]} of {repository.url}#fleet.yaml: Steep longer"
    assert offer["file"] == str(tree(fleet) / "fleet.yaml")
    assert (tree(fleet) / "code" / "pot.py").read_text() == CODE

    assert sutazai("apply", repository.url, "-m", "thirst").code == 0
    expected = f"thirst (commit {digest[:10]} of {repository.url}#fleet.yaml)"
    assert offered(control)[-1]["reason"] == expected


def test_branches_tags_folders_of_parts_and_overlays(
    sutazai: CommandLine, repository: Repository, control: FakeControl
) -> None:
    files = {"fleets__a_yaml": "name: sutazai\n", "fleets__b_yaml": "agents: {cup: {}}\n"}
    overlay = {"fleets__overlays__gpu_yaml": "agents: {cup: {prompt: Hold.}}\n"}
    repository.commit("Cups", branch="next/cups", **files, **overlay)
    source = f"{repository.url}@next/cups#fleets"
    repository.tag("v1.0")
    repository.commit("Saucers", branch="next/cups", fleets__b_yaml="agents: {saucer: {}}\n")
    assert sutazai("apply", source, "--overlay", "none").code == 0
    assert [*offered(control)[-1]["fleet"]["agents"]] == ["saucer"]
    assert sutazai("apply", f"{repository.url}@v1.0#fleets", "--overlay", "gpu").code == 0
    assert offered(control)[-1]["fleet"]["agents"]["cup"]["prompt"] == "Hold."


def test_only_what_control_takes_comes_near_the_agents(
    sutazai: CommandLine, repository: Repository, fleet: Places, control: FakeControl
) -> None:
    assert sutazai("apply", repository.url).code == 0
    repository.commit("Worse", fleet_yaml=FLEET.replace("prompt", "promt"), code__pot_py="broken")
    refused = sutazai("apply", repository.url)
    assert refused.code == 2
    assert "error: fleet.yaml:3:9: unknown key `promt`" in refused.err

    repository.commit("Better", fleet_yaml=FLEET, code__pot_py=CODE.replace("1", "2"))
    before = offered(control)[-1]["codes"]
    assert sutazai("apply", repository.url, "--dry-run").code == 0
    assert control.asked[-1].value["codes"] != before
    control.refuse(ROUTE, Conflict("rollout 1 moves agents to revision 2"))
    assert sutazai("apply", repository.url).code == 5
    assert (tree(fleet) / "code" / "pot.py").read_text() == CODE

    control.answers[ROUTE] = accepting
    repository.remove("code/pot.py")
    repository.commit("Gone", more_yaml="")
    (tree(fleet) / "kept.db").write_text("an agent's")
    assert sutazai("apply", repository.url).code == 0
    assert not (tree(fleet) / "code" / "pot.py").exists() and (tree(fleet) / "kept.db").exists()


def test_what_a_crash_left_is_no_hindrance(
    sutazai: CommandLine, repository: Repository, fleet: Places, control: FakeControl
) -> None:
    assert sutazai("apply", repository.url).code == 0
    [folder] = fleet.sources.iterdir()
    (folder / f"{tree(fleet).name}.index.lock").touch()
    (folder / "draft" / "code").mkdir(parents=True)
    (tree(fleet) / "code" / "pot.py").write_text("half of")
    repository.commit("Steep", fleet_yaml=FLEET.replace("Brew.", "Steep."))
    assert sutazai("apply", repository.url).code == 0
    assert (tree(fleet) / "code" / "pot.py").read_text() == CODE
    assert not (folder / "draft").exists()


def test_one_at_a_time_works_on_a_source(
    sutazai: CommandLine, repository: Repository, fleet: Places
) -> None:
    with GitCheckout(parse_git(repository.url), fleet, {}).alone():
        refused = sutazai("apply", repository.url)
    assert refused.code == 5 and "somebody else applies" in refused.err
    assert sutazai("apply", repository.url).code == 0


def test_agents_that_are_other_users_can_read_the_files(
    sutazai: CommandLine, repository: Repository, fleet: Places
) -> None:
    before = os.umask(0o077)
    try:
        assert sutazai("apply", repository.url).code == 0
    finally:
        os.umask(before)
    code = tree(fleet) / "code"
    modes = [path.stat().st_mode & 0o777 for path in (code.parent, code, code / "pot.py")]
    assert modes == [0o755, 0o755, 0o644]


def test_what_is_wrong_is_said(
    sutazai: CommandLine, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(source: str) -> tuple[int, str]:
        ended = sutazai("apply", source)
        return ended.code, ended.err

    code, err = said(f"{repository.url}@nowhere")
    assert code == 4 and f"file://{repository.path} has no branch or tag `nowhere`" in err
    code, err = said(f"{repository.url}#tea.yaml")
    assert code == 4 and "has no tea.yaml" in err
    code, err = said(f"git+file://{tmp_path}/nothing.git")
    assert code == 4 and "there is no Git repository at" in err
    code, err = said("git+svn://example.org/tea")
    assert code == 2 and "a Git source is one of" in err
    code, err = said("git+http://127.0.0.1:9/tea.git")
    assert code == 6 and "http://127.0.0.1:9/tea.git does not answer" in err
    monkeypatch.setenv("PATH", str(tmp_path))
    code, err = said(repository.url)
    assert code == 6 and "the program git is not there" in err


class Closed(BaseHTTPRequestHandler):
    """A server that lets nobody in, and notes who asked."""

    def do_GET(self) -> None:
        self.server.asked.append(self.headers.get("Authorization"))  # type: ignore[attr-defined]
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="tea"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Not on our stderr."""


@pytest.fixture
def closed() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Closed) as server:
        server.asked = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, name="closed server")
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("password", ["s3cret", "${TEA_TOKEN}"])
def test_credentials_are_shown_to_the_server_alone(
    password: str,
    sutazai: CommandLine,
    repository: Repository,
    fleet: Places,
    closed: ThreadingHTTPServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TEA_TOKEN", "s3cret")
    place = f"127.0.0.1:{closed.server_port}/tea.git"
    refused = sutazai("apply", f"git+http://cha:{password}@{place}")
    assert refused.code == 3 and f"http://{place} may not be read" in refused.err
    told = f"Basic {base64.b64encode(b'cha:s3cret').decode()}"
    assert told in closed.asked  # type: ignore[attr-defined]
    assert "s3cret" not in refused.err + refused.out
    for file in (file for file in fleet.state.rglob("*") if file.is_file()):
        assert b"s3cret" not in file.read_bytes(), file


def test_without_the_network_the_last_commit_is_taken(
    sutazai: CommandLine, repository: Repository, fleet: Places, control: FakeControl
) -> None:
    assert sutazai("apply", repository.url).code == 0
    [kept] = fleet.sources.iterdir()
    away = f"git+http://127.0.0.1:9{repository.path}"
    assert sutazai("apply", away).code == 6
    [other] = [each for each in fleet.sources.iterdir() if each != kept]
    subprocess.run(["rm", "-r", str(other)], check=True)
    kept.rename(other)
    said = sutazai("apply", away)
    assert said.code == 0, said.err
    assert "does not answer" in said.err and "the commit that was fetched last" in said.err
    assert len(offered(control)) == 2


def test_new_commits_are_applied(repository: Repository, control: FakeControl) -> None:
    with Watch(repository.url, "--every", "1s") as watch:
        assert watch.next("watching")["sources"] == [f"{repository.url}#fleet.yaml"]
        watch.next("applied")
        repository.commit("Steep", fleet_yaml=FLEET.replace("Brew.", "Steep."))
        watch.next("applied")
        repository.commit("Spilled", fleet_yaml="name: [\n")
        problem = watch.next("refused")["error"]["data"]["problems"][0]
        assert problem["file"] == "fleet.yaml"
        repository.path.rename(repository.path.with_name("away.git"))
        watch.next("away")
        repository.path.with_name("away.git").rename(repository.path)
        repository.commit("Stir", fleet_yaml=FLEET.replace("Brew.", "Stir."))
        watch.until("applied")
        assert watch.interrupt() == (0, "")
    prompts = [each["fleet"]["agents"]["pot"]["prompt"] for each in offered(control)]
    assert prompts == ["Brew.", "Steep.", "Stir."]
