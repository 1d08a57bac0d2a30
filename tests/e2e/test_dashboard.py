"""The dashboard in a real browser, in front of a real fleet that does real work.

Screenshots of every page are left in the folder `screenshots`, which git ignores.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.fleet import Fleet
from tests.web.browser import PATIENCE, look_over, needs_browser, running_browser, visiting

PATHS = (
    *("/", "/agents", "/agents/echo", "/gateway", "/work", "/work/schedules", "/work/dead"),
    *("/rollouts", "/revisions", "/alerts", "/events"),
)

pytestmark = needs_browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as running:
        yield running


@pytest.fixture(scope="module")
def address(small_fleet: Fleet) -> str:
    return f"http://127.0.0.1:{small_fleet.port_base + 1}"


@pytest.fixture
def visit(browser: Browser) -> Iterator[BrowserContext]:
    with visiting(browser) as context:
        yield context


@pytest.fixture
def page(visit: BrowserContext, small_fleet: Fleet) -> Page:
    """A page of the dashboard after logging in by a link."""
    page = visit.new_page()
    page.goto(small_fleet.must("dashboard").strip())
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    return page


def test_a_stranger_sees_nothing_but_the_login(visit: BrowserContext, address: str) -> None:
    page = visit.new_page()
    page.goto(f"{address}/agents")

    expect(page.get_by_label("Token")).to_be_visible()
    assert "echo" not in page.content()


def test_the_token_logs_in(visit: BrowserContext, address: str, small_fleet: Fleet) -> None:
    page = visit.new_page()
    page.goto(address)
    page.get_by_label("Token").fill(small_fleet.token)
    page.get_by_role("button", name="Log in").click()

    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_control_sends_browsers_to_the_dashboard(page: Page, small_fleet: Fleet) -> None:
    page.goto(small_fleet.control)

    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_the_overview_shows_every_agent_and_that_all_is_well(page: Page) -> None:
    expect(page.get_by_role("heading", name="All is well")).to_be_visible()
    for name in ("echo", "sleepy", "trouble", "planner", "executor", "reviewer"):
        expect(page.locator(f'a.tile[href="/agents/{name}"]')).to_be_visible()


def test_what_goes_wrong_is_said_first_and_goes_away_again(page: Page, small_fleet: Fleet) -> None:
    small_fleet.must("agents", "stop", "trouble")
    tile = page.locator('a.tile[href="/agents/trouble"]')
    expect(tile).to_have_attribute("title", "trouble, hot, stopped")

    small_fleet.must("agents", "start", "trouble")
    expect(tile).to_have_attribute("title", "trouble, hot, healthy")


def test_agents_are_found_by_name(page: Page, address: str) -> None:
    page.goto(f"{address}/agents")
    expect(page.get_by_role("link", name="echo", exact=True)).to_be_visible()
    page.get_by_label("Search by name, state or group").fill("sleepy")

    expect(page.get_by_role("link", name="echo", exact=True)).to_be_hidden()
    page.get_by_role("link", name="sleepy", exact=True).click()
    expect(page.get_by_role("heading", name="sleepy")).to_be_visible()


def test_an_agent_is_asked_and_its_log_grows(page: Page, address: str) -> None:
    page.goto(f"{address}/agents/echo")
    page.get_by_label("Question").fill("is it <b>raining</b>?")
    page.get_by_role("button", name="Ask", exact=True).click()

    expect(page.locator(".answer")).to_contain_text("is it <b>raining</b>?")
    expect(page.locator("pre.log").first).to_contain_text("echo was asked")


def test_an_answer_of_a_model_comes_as_it_is_written(page: Page, address: str) -> None:
    page.goto(f"{address}/agents/planner")
    page.get_by_label("Question").fill("Say hello.")
    page.get_by_role("button", name="Ask", exact=True).click()

    expect(page.get_by_role("region", name="time and more").last).to_contain_text("done")
    assert len(page.locator(".answer").inner_text()) > 1


def test_an_agent_is_stopped_and_started(page: Page, address: str) -> None:
    page.goto(f"{address}/agents/echo")
    state = page.locator("main .state").first
    expect(state).to_have_text("healthy")

    page.get_by_role("button", name="Stop", exact=True).click()
    expect(state).to_have_text("stopped")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(state).to_have_text("healthy")


def test_the_gateway_shows_its_backend_and_its_calls(
    page: Page, address: str, small_fleet: Fleet
) -> None:
    small_fleet.must("ask", "planner", "Say hi.")
    page.goto(f"{address}/gateway")

    expect(page.get_by_text("smollm2-135m-instruct").first).to_be_visible()
    expect(page.get_by_role("link", name="planner").first).to_be_visible()
    expect(page.get_by_text("Nobody waits.")).to_be_visible()


def test_a_run_is_seen_step_by_step(page: Page, address: str, small_fleet: Fleet) -> None:
    headers = {"authorization": f"Bearer {small_fleet.token}"}
    runs = f"{small_fleet.control}/api/v1/runs"
    asked = httpx.post(runs, json={"goal": "write one short note"}, headers=headers)
    run = asked.json()["id"]
    page.goto(f"{address}/work")
    page.get_by_role("link", name=run).click()

    expect(page.get_by_role("link", name="planner")).to_be_visible()
    expect(page.get_by_role("link", name="reviewer")).to_be_visible()
    expect(page.get_by_text("write one short note")).to_be_visible()
    httpx.post(f"{runs}/{run}/cancel", headers=headers)
    expect(page.locator("main .state").first).to_have_text("cancelled")


def test_memory_and_cpu_of_an_agent_are_drawn(page: Page, address: str) -> None:
    page.goto(f"{address}/agents/echo")

    drawn = page.get_by_role("img", name="Memory, last hour: now")
    expect(drawn).to_be_visible(timeout=4 * PATIENCE)  # one look takes ten seconds
    drawn = page.get_by_role("img", name="CPU, last hour: now")
    expect(drawn).to_be_visible(timeout=4 * PATIENCE)  # one look takes ten seconds


def test_a_page_says_so_when_control_is_silent_and_opens_all_the_same(
    page: Page, address: str, small_fleet: Fleet
) -> None:
    pid = small_fleet.plane("control")["instances"][0]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        page.goto(f"{address}/work")
        expect(page.get_by_role("heading", name="Work")).to_be_visible()
        expect(page.get_by_role("alert")).to_contain_text("Control does not answer")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_page_says_so_when_it_is_disconnected(browser: Browser, small_fleet: Fleet) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(small_fleet.must("dashboard").strip())
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    pid = small_fleet.plane("web")["instances"][0]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        expect(page.get_by_text("Connection lost")).to_be_visible()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    expect(page.get_by_text("Connection lost")).to_be_hidden()
    context.close()


def test_control_may_restart_under_an_open_page(page: Page, small_fleet: Fleet) -> None:
    pid = small_fleet.plane("control")["instances"][0]["pid"]
    os.kill(pid, signal.SIGKILL)

    expect(page.get_by_text("control is started again")).to_be_visible()
    expect(page.get_by_role("heading", name="All is well")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_hidden()


@pytest.mark.parametrize("path", PATHS)
def test_everybody_can_read_and_use_every_page(page: Page, address: str, path: str) -> None:
    page.goto(address + path)

    look_over(page, path.strip("/").replace("/", "-") or "overview")
