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
from playwright.sync_api import Browser, BrowserContext, Cookie, Page, expect

from tests.e2e.fleet import Fleet
from tests.web.browser import PATIENCE, look_over, needs_browser, running_browser, visiting

PATHS = ("/", "/agents", "/agents/echo", "/gateway", "/events")
MORE = ("/work", "/work/schedules", "/work/dead", "/rollouts", "/revisions", "/drift", "/alerts")
"""Pages that other tests look over with something on them; empty ones are left to long runs."""

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


@pytest.fixture(scope="module")
def session(browser: Browser, small_fleet: Fleet) -> Cookie:
    """What is left in a browser after logging in by a link."""
    with visiting(browser) as context:
        page = context.new_page()
        page.goto(small_fleet.must("dashboard").strip())
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        (cookie,) = context.cookies()
    return cookie


@pytest.fixture
def page(visit: BrowserContext, session: Cookie, address: str) -> Page:
    """A page of somebody who is logged in."""
    return logged_in(visit, session, address)


def logged_in(context: BrowserContext, session: Cookie, address: str) -> Page:
    context.add_cookies([{"name": session["name"], "value": session["value"], "url": address}])
    return context.new_page()


def give(fleet: Fleet, agent: str, text: str, **more: object) -> str:
    """The id of a task that was given to an agent."""
    headers = {"authorization": f"Bearer {fleet.token}"}
    asked = {"agent": agent, "input": text, "ttl": None, **more}
    answer = httpx.post(f"{fleet.control}/api/v1/tasks", json=asked, headers=headers, timeout=30)
    assert answer.is_success, answer.text
    return str(answer.json()["id"])


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


def test_the_overview_shows_every_agent_and_that_all_is_well(page: Page, address: str) -> None:
    page.goto(address)

    expect(page.get_by_role("heading", name="All is well")).to_be_visible()
    for name in ("echo", "sleepy", "trouble", "planner", "executor", "reviewer"):
        expect(page.locator(f'a.tile[href="/agents/{name}"]')).to_be_visible()


def test_what_goes_wrong_is_said_first_and_goes_away_again(
    page: Page, address: str, small_fleet: Fleet
) -> None:
    page.goto(address)
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


def test_a_task_is_followed_while_it_goes_on_and_is_cancelled(
    page: Page, address: str, small_fleet: Fleet
) -> None:
    task = give(small_fleet, "trouble", "hang")
    page.goto(f"{address}/work")
    page.get_by_role("link", name=task).click()
    expect(page.get_by_role("heading", name=f"Task {task}")).to_be_visible()
    state = page.locator("main .state").first
    expect(state).to_have_text("running")
    expect(page.get_by_text("It is being worked on.")).to_be_visible()
    expect(page.get_by_role("link", name="trouble").first).to_be_visible()

    trace = page.get_by_role("region", name="Where its time went")
    attempt = trace.get_by_role("row").filter(has_text="attempt 1 by trouble")
    expect(attempt).to_contain_text("so far")
    trace.focus()
    earlier = attempt.inner_text()
    expect(attempt).not_to_have_text(earlier, use_inner_text=True)
    expect(trace).to_be_focused()  # what is drawn anew takes nobody's place away
    look_over(page, "task-running")

    page.get_by_role("button", name=f"Cancel {task}").click()
    page.get_by_role("button", name="Cancel the task").click()
    expect(state).to_have_text("cancelled")
    expect(page.get_by_text("somebody cancelled it").first).to_be_visible()
    expect(trace).not_to_contain_text("so far")
    page.get_by_role("button", name=f"Retry {task}").click()
    expect(state).to_have_text("running")
    page.get_by_role("button", name=f"Cancel {task}").click()
    page.get_by_role("button", name="Cancel the task").click()
    expect(state).to_have_text("cancelled")


def test_a_task_that_failed_tells_why_and_is_replayed(
    page: Page, address: str, small_fleet: Fleet
) -> None:
    task = give(small_fleet, "trouble", "raise", retries=1, backoff=0)
    page.goto(f"{address}/tasks/{task}")
    state = page.locator("main .state").first
    expect(state).to_have_text("failed")
    expect(page.get_by_text("It failed, and is not tried again")).to_be_visible()
    attempts = page.get_by_role("region", name="attempt and more").get_by_role("row")
    expect(attempts).to_have_count(3)
    page.get_by_text("its last log lines").first.click()
    expect(page.get_by_role("region", name="last log lines").first).to_contain_text(
        "about to raise"
    )
    look_over(page, "task-failed")

    page.goto(f"{address}/work/dead")
    page.get_by_role("link", name=task).click()
    page.get_by_role("button", name=f"Replay {task}").click()
    expect(page.get_by_text("in the queue again")).to_be_visible()
    expect(page.get_by_text("Nobody has begun to work on it.")).to_be_hidden()
    expect(state).to_have_text("failed")


def test_the_calls_to_models_of_a_task_are_drawn(
    page: Page, address: str, small_fleet: Fleet
) -> None:
    task = give(small_fleet, "planner", "<script>alert(1)</script> " + "Say hello. " * 100)
    page.goto(f"{address}/tasks/{task}")
    expect(page.locator("main .state").first).to_have_text("done")

    trace = page.get_by_role("region", name="Where its time went")
    call = trace.get_by_role("row").filter(has_text="planner asks").first
    expect(call).to_contain_text("tokens")
    expect(call.get_by_role("rowheader")).to_be_visible()
    expect(call.locator(".span")).to_be_visible()
    expect(trace.get_by_role("row").filter(has_text="to the first token").first).to_be_visible()
    folded = page.get_by_role("region", name="input")
    expect(folded).to_be_hidden()
    page.get_by_text("input, 1,1").click()
    expect(folded).to_contain_text("<script>alert(1)</script> Say hello.")
    look_over(page, "task-done")


def test_tasks_are_found_by_agent_and_state(page: Page, address: str, small_fleet: Fleet) -> None:
    well, badly = give(small_fleet, "echo", "hello"), give(small_fleet, "trouble", "raise")
    page.goto(f"{address}/work")
    expect(page.get_by_role("link", name=well)).to_be_visible()
    expect(page.get_by_role("link", name=badly)).to_be_visible()

    page.get_by_label("Only in state").click()
    page.get_by_role("option", name="failed").click()
    expect(page.get_by_role("link", name=well)).to_be_hidden()
    expect(page.get_by_role("link", name=badly)).to_be_visible()
    page.get_by_label("Only of agent").fill("echo")
    expect(page.get_by_role("link", name=badly)).to_be_hidden()


def test_a_task_that_never_was_is_told(page: Page, address: str) -> None:
    page.goto(f"{address}/tasks/none")

    expect(page.locator("main p.notice")).to_contain_text("none")


def test_drift_is_seen_and_goes_away_again(page: Page, address: str, small_fleet: Fleet) -> None:
    assert small_fleet.file is not None
    code = small_fleet.file.parent / "echo_agent.py"
    accepted = code.read_text()
    page.goto(f"{address}/drift")
    expect(page.get_by_role("heading", name="Everything runs as it is declared")).to_be_visible()
    code.write_text(f"{accepted}\n# not what was accepted\n")
    try:
        found = page.get_by_role("heading", name="code: agents' files on disk")
        expect(found).to_be_visible()
        expect(page.get_by_role("heading", name="facts are not as declared")).to_be_visible()
        look_over(page, "drift-found")
    finally:
        code.write_text(accepted)
    expect(page.get_by_role("heading", name="Everything runs as it is declared")).to_be_visible()


@pytest.mark.soak
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


def test_a_page_says_so_when_it_is_disconnected(
    browser: Browser, session: Cookie, address: str, small_fleet: Fleet
) -> None:
    context = browser.new_context()
    page = logged_in(context, session, address)
    page.goto(address)
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


def test_control_may_restart_under_an_open_page(
    page: Page, address: str, small_fleet: Fleet
) -> None:
    page.goto(address)
    expect(page.get_by_role("heading", name="All is well")).to_be_visible()
    pid = small_fleet.plane("control")["instances"][0]["pid"]
    os.kill(pid, signal.SIGKILL)

    expect(page.get_by_text("control is started again")).to_be_visible()
    expect(page.get_by_role("heading", name="All is well")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_hidden()


def test_every_page_opens(page: Page, address: str) -> None:
    for path in (*PATHS, *MORE):
        page.goto(address + path)
        expect(page.locator("h1")).to_be_visible()


@pytest.mark.parametrize(
    "path", [*PATHS, *(pytest.param(path, marks=pytest.mark.soak) for path in MORE)]
)
def test_everybody_can_read_and_use_every_page(page: Page, address: str, path: str) -> None:
    page.goto(address + path)

    look_over(page, path.strip("/").replace("/", "-") or "overview")
