"""A real browser: what it sees, what its console says, and whether everybody can use a page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None
)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SCREENSHOTS = Path("screenshots")
"""Where pictures of every page are left; git ignores it."""
NO_REQUESTS = {"preload": False}
"""For axe-core, whose own requests would draw a bar of progress into the page."""
PATIENCE = 30_000
PHONE = 390
expect.set_options(timeout=PATIENCE)

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@contextmanager
def running_browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@contextmanager
def visiting(browser: Browser) -> Iterator[BrowserContext]:
    """A visitor who has never been here; whatever the console says of errors fails the test."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    said: list[str] = []
    context.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
    context.on("weberror", lambda error: said.append(str(error.error)))
    yield context
    context.close()
    assert not said, said


def settle(page: Page) -> None:
    """Waits until what comes with the first update stands there."""
    expect(page.locator("h1")).to_be_visible()
    page.wait_for_timeout(1_500)


def shoot(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def check_everybody_can_use(page: Page) -> None:
    """No fault that axe-core calls serious."""
    found = Axe().run(page, options=NO_REQUESTS).response["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    faults = [
        (one["id"], node["html"], node["failureSummary"])
        for one in serious
        for node in one["nodes"]
    ]
    assert not faults, faults


def check_fits_a_phone(page: Page) -> None:
    """Nothing has to be scrolled sideways."""
    page.set_viewport_size({"width": PHONE, "height": 800})
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE
    page.set_viewport_size({"width": 1280, "height": 800})


def look_over(page: Page, name: str) -> None:
    """The page as it is now, light, dark and on a phone: it can be used everywhere."""
    settle(page)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.wait_for_timeout(300)
        shoot(page, f"{name}-{scheme}")
        check_everybody_can_use(page)
    check_fits_a_phone(page)
