"""A fleet with work of every kind, and a browser in front of its dashboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.fleet import Fleet
from tests.web.browser import running_browser, visiting

LIVELY = """
name: lively
agents:
  echo:
    class: "lively:Echo"
    temperature: hot
  scribe:
    class: "lively:Echo"
    temperature: hot
  trouble:
    class: "lively:Trouble"
    temperature: hot
schedules:
  nightly:
    cron: "0 2 * * *"
    task: {agent: echo, input: "good night"}
workflows:
  letter:
    description: A letter in parts, which a person signs.
    steps:
      - name: draft
        agent: echo
        map: ${input.parts}
        input: "${item}"
        artifact: parts/${number}.txt
      - name: sign
        approval: "Send the letter <b>now</b>?"
rollout:
  phases:
    - {name: first, agents: [scribe], for: 10m}
    - {name: others, agents: [echo, trouble], for: 10m}
  warm: 0s
alerts:
  many-agents:
    metric: sutazai_agents
    by: []
    value: 0
    severity: warning
    summary: "{value} agents are <b>declared</b>"
    hint: "nothing to worry about"
  cpu-high: {enabled: false}
  memory-high: {enabled: false}
  disk-nearly-full: {enabled: false}
"""

AGENTS = """
from sutazai.agent import Agent

VERSION = 1

class Echo(Agent):
    async def run(self, task):
        return f"<script>alert({VERSION})</script> {task.input}"

class Trouble(Agent):
    async def run(self, task):
        if task.input == "raise":
            raise RuntimeError("this <b>agent</b> is made to fail")
        return "fine"
"""


class Lively(Fleet):
    """A fleet that tests give work to over its API."""

    def post(self, path: str, value: object = None) -> httpx.Response:
        url = f"{self.control}/api/v1{path}"
        headers = {"authorization": f"Bearer {self.token}"}
        answer = httpx.post(url, json=value, headers=headers, timeout=30)
        assert answer.is_success, answer.text
        return answer


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lively]:
    folder: Path = tmp_path_factory.mktemp("lively")
    (folder / "fleet.yaml").write_text(LIVELY)
    (folder / "lively.py").write_text(AGENTS)
    fleet = Lively(folder / "fleet.yaml")
    try:
        done = fleet.up()
        assert done.returncode == 0, done.stdout + done.stderr
        yield fleet
    finally:
        fleet.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as running:
        yield running


@pytest.fixture
def visit(browser: Browser) -> Iterator[BrowserContext]:
    with visiting(browser) as context:
        yield context


@pytest.fixture
def page(visit: BrowserContext, fleet: Lively) -> Page:
    """A page of the dashboard after logging in by a link."""
    page = visit.new_page()
    page.goto(fleet.must("dashboard").strip())
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    return page


@pytest.fixture
def address(fleet: Lively) -> str:
    return f"http://127.0.0.1:{fleet.port_base + 1}"
