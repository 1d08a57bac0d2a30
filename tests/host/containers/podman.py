"""A real Podman for tests: its service on a socket, its storage in a folder of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import docker
import docker.errors
import pytest

REPOSITORY = "localhost/sutazai-test"
IMAGE = f"{REPOSITORY}:latest"
FOLDERS = ("agent", "dev", "etc", "proc", "run", "sys", "tmp", "usr", "var")
LINKS = ("bin", "lib", "lib64")
NEEDED = ("podman", "runc", "conmon")

PROGRAM = """
import http.server, json, os, signal, sys, urllib.request

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/call":
            request = urllib.request.Request(
                os.environ["OPENAI_BASE_URL"] + "/models",
                headers={"authorization": "Bearer " + os.environ["OPENAI_API_KEY"]},
            )
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            self.answer(json.loads(opener.open(request).read()))
        else:
            self.answer({"status": "ok", "pid": os.getpid(), "environment": dict(os.environ)})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        print("asked for", asked["input"], flush=True)
        if asked["input"] == "hog":
            bytearray(512 << 20)
        if asked["input"] == "exit":
            os._exit(17)
        self.answer({"output": asked["input"].upper()})

    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("listens at", os.environ["PORT"], flush=True)
http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""


def why_not() -> str:
    """Why no container can be run here; empty where they can."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    return "" if os.geteuid() == 0 else "Podman's storage in a folder of our own needs root here"


class Podman:
    """One engine. ``host`` is what DOCKER_HOST says."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "podman.sock"
        self.host = f"unix://{self.socket}"
        self._options = [
            "podman", "--root", str(folder / "root"), "--runroot", str(folder / "run"),
            "--storage-driver", "vfs", "--runtime", "runc", "--cgroup-manager", "cgroupfs",
            "--events-backend", "file", "--tmpdir", str(folder / "tmp"),
        ]  # fmt: skip
        self._service: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the service; it answers when this returns."""
        command = [*self._options, "system", "service", "--time", "0", self.host]
        log = self.socket.with_name("podman.log")
        with log.open("ab") as said:
            # Podman notes there that a container ran out of memory: the file `oom`.
            here = self.socket.parent
            self._service = subprocess.Popen(
                command, cwd=here, stdout=subprocess.DEVNULL, stderr=said
            )
        until = time.monotonic() + 90
        while not _answers(self.socket):
            if self._service.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"podman did not start: {log.read_text()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Ends the service; what runs in containers goes on."""
        if self._service is not None:
            self._service.kill()
            self._service.wait()
            self._service = None

    def clean(self) -> None:
        """Ends and removes everything."""
        subprocess.run(
            [*self._options, "rm", "--all", "--force", "--time", "0"], capture_output=True
        )
        subprocess.run([*self._options, "network", "prune", "--force"], capture_output=True)
        self.stop()

    def why_no_bridge(self) -> str:
        """Why containers cannot have a network of their own here; empty where they can."""
        with self.api() as api:
            made = api.create_container(IMAGE, ["true"], host_config=api.create_host_config())
            try:
                api.start(made["Id"])
            except docker.errors.APIError as error:
                said = str(error.explanation)
                return said if "network" in said.lower() or "iptables" in said else ""
            finally:
                api.remove_container(made["Id"], force=True)
        return ""

    @contextmanager
    def api(self) -> Iterator[docker.APIClient]:
        """Asks the engine as somebody else would."""
        client = docker.APIClient(base_url=self.host, version="auto", timeout=60)
        try:
            yield client
        finally:
            client.close()


@contextmanager
def podman(folder: Path) -> Iterator[Podman]:
    """A running engine with one image, which is empty: programs come by volumes."""
    engine = Podman(folder)
    engine.start()
    try:
        with engine.api() as api:
            api.import_image_from_data(_empty(), repository=REPOSITORY, tag="latest")
        yield engine
    finally:
        engine.clean()


@contextmanager
def podman_or_skip() -> Iterator[Podman]:
    """A running engine in a folder of its own, where this machine can run one."""
    if reason := why_not():
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="sz-podman-"))
    try:
        with podman(folder) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_program(folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A small HTTP agent for that image: its command, and the volumes that bring this machine's
    Python and the agent itself."""
    folder.mkdir(exist_ok=True)
    (folder / "agent.py").write_text(PROGRAM)
    python = Path(sys.base_prefix)
    volumes = [f"{folder}:/agent:ro", "/usr:/usr:ro"]
    if not python.is_relative_to("/usr"):
        volumes.append(f"{python}:{python}:ro")
    return (str(Path(sys.executable).resolve()), "-u", "/agent/agent.py"), tuple(volumes)


def _empty() -> bytes:
    """An image with folders alone."""
    content = BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name in FOLDERS:
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder)
        for name in LINKS:
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, f"usr/{name}"
            archive.addfile(link)
    return content.getvalue()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0
