"""Work in a real browser: runs step by step, approvals, artifacts, schedules, dead letters."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.web.browser import look_over, needs_browser
from tests.web.conftest import Lively

pytestmark = needs_browser


def start_letter(fleet: Lively) -> str:
    """A run that has written its parts, and waits for a person."""
    asked = {"workflow": "letter", "input": {"parts": ["Dear all", "Bye"]}}
    run: str = fleet.post("/runs", asked).json()["id"]
    return run


def test_a_run_is_seen_as_a_graph_and_goes_on_when_a_person_approves(
    page: Page, address: str, fleet: Lively
) -> None:
    run = start_letter(fleet)
    page.goto(f"{address}/work")
    expect(page.get_by_text("Send the letter <b>now</b>?")).to_be_visible()
    look_over(page, "work-waiting")
    page.get_by_role("link", name=run).first.click()

    nodes = page.locator(".flow .node")
    expect(nodes).to_have_count(3)
    expect(nodes.last).to_contain_text("waiting")
    page.get_by_role("button", name=f"Approve {run} sign").click()
    page.get_by_label("Comment").fill("on <i>thin</i> paper")
    look_over(page, "approval")
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()

    expect(page.locator("main .state").first).to_have_text("done")
    expect(page.get_by_text("approved on <i>thin</i> paper")).to_be_visible()
    look_over(page, "run")


def test_a_file_of_a_run_is_read_and_downloaded(page: Page, address: str, fleet: Lively) -> None:
    run = start_letter(fleet)
    page.goto(f"{address}/work/runs/{run}")
    page.get_by_role("button", name="Read parts/01.txt").click()
    expect(page.get_by_role("dialog")).to_contain_text("<script>alert(1)</script> Dear all")
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_be_hidden()

    with page.expect_download() as coming:
        page.get_by_role("link", name="parts/01.txt").click()
    assert coming.value.suggested_filename == "01.txt"
    assert coming.value.path().read_text() == "<script>alert(1)</script> Dear all"

    known = page.request.get(f"{address}/work/runs/{run}/artifacts/parts/01.txt")
    assert known.headers["content-security-policy"] == "sandbox"
    for unknown in (f"{run}/artifacts/none.txt", f"{run}/artifacts/..%2F..%2Ftoken"):
        assert page.request.get(f"{address}/work/runs/{unknown}").status == 404


def test_a_run_is_rejected_and_another_cancelled(page: Page, address: str, fleet: Lively) -> None:
    rejected, cancelled = start_letter(fleet), start_letter(fleet)
    page.goto(f"{address}/work/runs/{rejected}")
    page.get_by_role("button", name=f"Reject {rejected} sign").click()
    page.get_by_role("dialog").get_by_role("button", name="Reject").click()
    expect(page.locator("main .state").first).to_have_text("failed")

    page.goto(f"{address}/work/runs/{cancelled}")
    page.get_by_role("button", name=f"Cancel {cancelled}").click()
    page.get_by_role("button", name="Cancel the run").click()
    expect(page.locator("main .state").first).to_have_text("cancelled")


def test_a_schedule_is_held_back_and_run_at_once(page: Page, address: str) -> None:
    page.goto(f"{address}/work")
    page.get_by_role("link", name="Schedules").click()
    page.get_by_role("button", name="Pause nightly").click()
    expect(page.get_by_text("paused", exact=True)).to_be_visible()
    look_over(page, "schedules")
    page.get_by_role("button", name="Resume nightly").click()
    expect(page.get_by_text("paused", exact=True)).to_be_hidden()

    page.get_by_role("button", name="Run now nightly").click()
    page.goto(f"{address}/work")
    expect(page.get_by_role("link", name="echo").first).to_be_visible()


def test_dead_letters_go_back_into_the_queue(page: Page, address: str, fleet: Lively) -> None:
    tasks = [
        fleet.post("/tasks", {"agent": "trouble", "input": "raise"}).json()["id"] for _ in range(3)
    ]
    page.goto(f"{address}/work/dead")
    for task in tasks:
        expect(page.get_by_role("button", name=f"Replay {task}")).to_be_visible()
    expect(page.get_by_text("<b>agent</b> is made to fail").first).to_be_visible()
    look_over(page, "dead")

    page.get_by_role("button", name=f"Replay {tasks[0]}").click()
    expect(page.get_by_text("in the queue again")).to_be_visible()
    page.get_by_role("button", name=f"Forget {tasks[1]}").click()
    page.get_by_role("dialog").get_by_role("button", name="Forget").click()
    expect(page.get_by_role("button", name=f"Replay {tasks[1]}")).to_be_hidden()

    page.get_by_label("Only of agent").fill("echo")
    expect(page.get_by_text("There is none.")).to_be_visible()
    page.get_by_label("Only of agent").fill("trouble")
    expect(page.get_by_role("button", name=f"Replay {tasks[2]}")).to_be_visible()
    page.get_by_role("button", name="Replay all of these").click()
    page.get_by_role("dialog").get_by_role("button", name="Replay").click()
    expect(page.get_by_text("in the queue again").last).to_be_visible()
