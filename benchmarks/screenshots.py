"""The pictures of the documentation, from a real small fleet in a real browser.

    python -m benchmarks.screenshots [--out FOLDER]

Five of them: the overview (light, dark, on a phone), a rollout under way, and an incident. Needs
Chromium and Playwright. Each picture stays below 200 KiB.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.e2e.fleet import Fleet, eventually
from tests.web.browser import PHONE, running_browser

SIZE_MAX = 200 * 1024
DESK = {"width": 1280, "height": 860}
POCKET = {"width": PHONE, "height": 844}
GROUPS = {
    "research": ("reader", "searcher", "summariser", "translator", "fact-checker"),
    "writing": ("editor", "illustrator", "proof-reader", "typesetter"),
    "service": ("greeter", "bookkeeper", "scheduler", "archivist", "courier"),
}
WARM = ("illustrator", "typesetter", "archivist", "courier", "translator")
UNLUCKY = "bookkeeper"
CRASHES = 4
PATIENCE = 240.0
CODE = """
from sutazai.agent import Agent

VERSION = 1

class Worker(Agent):
    async def run(self, task):
        return await self.llm.generate(f"In one sentence: {task.input}")
"""
HEAD = """
name: newsroom
catalogue: [planner, executor, reviewer]
rollout:
  phases: [{percent: 25, for: 10m}, {percent: 100, for: 10m}]
  warm: 0s
  canary: 50
"""


def written(folder: Path) -> Path:
    """The fleet file, with the code of its agents beside it."""
    (folder / "workers.py").write_text(CODE)
    agents = "".join(
        f'  {name}: {{class: "workers:Worker", group: {group}, '
        f"temperature: {'warm' if name in WARM else 'hot'}}}\n"
        for group, names in GROUPS.items()
        for name in names
    )
    file = folder / "fleet.yaml"
    file.write_text(f"{HEAD}agents:\n{agents}")
    return file


@contextlib.contextmanager
def newsroom() -> Iterator[Fleet]:
    """The fleet, after some work."""
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet(written(Path(folder)))
        try:
            done = fleet.up()
            if done.returncode:
                raise SystemExit(done.stdout + done.stderr)
            for name in ("reader", "editor", "greeter"):
                fleet.cli("ask", name, "why do bees dance?", timeout=120)
            yield fleet
        finally:
            fleet.stop()


def visit(browser: Browser, fleet: Fleet, size: Any, scheme: Any = "light") -> Page:
    """A page of somebody who has just logged in."""
    page = browser.new_context(viewport=size, color_scheme=scheme).new_page()
    page.goto(fleet.must("dashboard").strip())
    expect(page.locator(".verdict")).to_be_visible()
    return page


def shoot(page: Page, file: Path) -> None:
    page.wait_for_timeout(2_000)  # until what comes with the second update stands there
    page.screenshot(path=file)
    size = file.stat().st_size
    print(f"{file}: {size / 1024:.0f} KiB")
    if size > SIZE_MAX:
        raise SystemExit(f"{file} has {size} bytes; {SIZE_MAX} are allowed")


def begin_rollout(fleet: Fleet) -> None:
    """Gives every agent another version."""
    assert fleet.file is not None
    (fleet.file.parent / "workers.py").write_text(CODE.replace("VERSION = 1", "VERSION = 2"))
    fleet.must("apply", str(fleet.file), "--reason", "shorter answers", timeout=120)


def crash_until_it_is_told(fleet: Fleet, agent: str, page: Page) -> None:
    """Ends an agent's process whenever there is a new one, until it is held back for a while and
    the overview says so."""
    killed: set[int] = set()

    def is_told() -> bool:
        for pid in {one["pid"] for one in fleet.agent(agent)["instances"]} - killed:
            killed.add(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(killed) >= CRASHES and agent in page.locator(".verdict").inner_text()

    eventually(is_told, PATIENCE, f"the overview names {agent}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with newsroom() as fleet, running_browser() as browser:
        desk = visit(browser, fleet, DESK)
        shoot(desk, out / "overview-light.png")
        shoot(visit(browser, fleet, DESK, "dark"), out / "overview-dark.png")
        shoot(visit(browser, fleet, POCKET), out / "overview-phone.png")
        begin_rollout(fleet)
        desk.goto(f"http://127.0.0.1:{fleet.port_base + 1}/rollouts")
        expect(desk.locator("main .state").first).to_have_text("measure", timeout=120_000)
        shoot(desk, out / "rollout.png")
        fleet.must("rollout", "abort")
        desk.goto(f"http://127.0.0.1:{fleet.port_base + 1}/")
        expect(desk.locator(".verdict")).to_be_visible()
        crash_until_it_is_told(fleet, UNLUCKY, desk)
        shoot(desk, out / "incident.png")


if __name__ == "__main__":
    main()
