"""The doctor looks at the real machine that the tests run on."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from sutazai.cli.doctor import Finding, Level, examine
from sutazai.fleet.places import Places
from sutazai.fleet.serving import EmbeddedLlm
from sutazai.fleet.spec import Ports
from sutazai.wire import Request, Response, Router, Server, json_response
from tests.ports import free_port


@asynccontextmanager
async def ollama(port: int) -> AsyncIterator[None]:
    """Something on ``port`` that answers as Ollama does."""

    async def version(request: Request) -> Response:
        return json_response({"version": "0.12.3"})

    async def models(request: Request) -> Response:
        return json_response({"models": [{"name": "a:1b"}]})

    router = Router()
    router.add("GET", "/api/version", version)
    router.add("GET", "/api/tags", models)
    server = Server(router)
    await server.listen_tcp("127.0.0.1", port, "ollama")
    try:
        yield
    finally:
        await server.close(grace=0)


class TestWholeMachine:
    @pytest.fixture
    def places(self, tmp_path: Path) -> Places:
        return Places.of(tmp_path / "state")

    @staticmethod
    def of(findings: Sequence[Finding], subject: str) -> Finding:
        (found,) = [finding for finding in findings if finding.subject == subject]
        return found

    async def test_every_subject_is_looked_at_once(self, places: Places) -> None:
        findings = await examine(places, Ports(), environ={"OLLAMA_HOST": ":1"})

        subjects = [finding.subject for finding in findings]
        assert len(subjects) == len(set(subjects))
        assert {
            "system", "memory", "swap", "cores", "limits", "pressure", "open files", "gpu",
            "ollama", "embedded llm", "port 10010", "port 10011", "port 10104", "ports 10300-10599",
            "state folder", "runtime folder", "python", "isolation",
        } == set(subjects)  # fmt: skip

    async def test_every_finding_says_what_it_means_and_is_ready_for_json(
        self, places: Places
    ) -> None:
        findings = await examine(places, Ports(), environ={"OLLAMA_HOST": ":1"})

        assert all(finding.found and finding.meaning for finding in findings)
        back = json.loads(json.dumps([asdict(finding) for finding in findings]))
        assert [Finding(**{**each, "level": Level(each["level"])}) for each in back] == findings

    async def test_an_ollama_is_found_with_the_settings_of_its_process(
        self, places: Places
    ) -> None:
        port = free_port()
        async with ollama(port):
            findings = await examine(places, Ports(), environ={"OLLAMA_HOST": f"127.0.0.1:{port}"})

        assert self.of(findings, "ollama").level is Level.OK
        given = {name for name in os.environ if name.startswith("OLLAMA_NUM")}
        settings = self.of(findings, "ollama settings").found
        assert "cannot be seen" not in settings
        assert bool(given) == ("OLLAMA_NUM" in settings)

    async def test_a_taken_port_is_told_with_its_holder(self, places: Places) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            ports = Ports(control=port)
            findings = await examine(places, ports, environ={"OLLAMA_HOST": ":1"})

        finding = self.of(findings, f"port {port}")
        assert finding.level is Level.PROBLEM
        assert f"by process {os.getpid()}" in finding.found

    async def test_a_port_of_this_fleet_is_known_by_its_mark(self, places: Places) -> None:
        holder = await _listening_fleet(places)
        try:
            assert holder.stdout is not None
            port = int(await holder.stdout.readline())
            findings = await examine(places, Ports(control=port), environ={"OLLAMA_HOST": ":1"})
        finally:
            holder.kill()
            await holder.wait()

        assert self.of(findings, f"port {port}").found == "held by this fleet, which runs"

    async def test_a_model_that_is_not_there_is_told(self, places: Places) -> None:
        llm = EmbeddedLlm(model="hf:owner/repo/missing.gguf")

        findings = await examine(places, Ports(), llm=llm, environ={"OLLAMA_HOST": ":1"})

        finding = self.of(findings, "embedded llm")
        assert finding.level is Level.PROBLEM
        assert "sutazai models pull hf:owner/repo/missing.gguf" in finding.fix


async def _listening_fleet(places: Places) -> asyncio.subprocess.Process:
    code = (
        "import socket; s = socket.create_server(('127.0.0.1', 0));"
        "print(s.getsockname()[1], flush=True); input()"
    )
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "SUTAZAI_MARK": str(places.state)},
    )
