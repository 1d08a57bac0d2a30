"""How long the overview takes to be there, in a real browser."""

from __future__ import annotations

import shutil
import time
from typing import Any

from playwright.async_api import Browser, async_playwright

from benchmarks.dense.house import fleet_with
from tests.e2e.fleet import Fleet

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
TIMES = 5
PATIENCE = 120_000.0


async def overview(agents: int) -> dict[str, Any]:
    """Seconds until all agents are drawn, the median of a few visits; sleeping ones are cheap."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        return {"left_out": {"overview_load_seconds": "chromium is not installed"}}
    declared: dict[str, dict[str, Any]] = {f"agent-{number}": {} for number in range(agents - 1)}
    async with fleet_with(declared) as fleet, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=FLAGS)
        seconds = sorted([await _visit(browser, fleet, agents) for _ in range(TIMES)])
        await browser.close()
    return {"overview_load_seconds": round(seconds[TIMES // 2], 2), "overview_agents": agents}


async def _visit(browser: Browser, fleet: Fleet, agents: int) -> float:
    """One by somebody who is logged in and was here before, so that scripts are cached."""
    context = await browser.new_context()
    context.set_default_timeout(PATIENCE)
    page = await context.new_page()
    await page.goto(fleet.must("dashboard").strip())
    await page.locator("a.tile").nth(agents - 1).wait_for(state="attached")
    await page.goto("about:blank")
    began = time.monotonic()
    await page.goto(f"http://127.0.0.1:{fleet.port_base + 1}/", wait_until="commit")
    await page.locator("a.tile").nth(agents - 1).wait_for(state="attached")
    passed = time.monotonic() - began
    await context.close()
    return passed
