"""A rollout and revisions in a real browser, of a fleet whose agents get another version."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.web.browser import look_over, needs_browser
from tests.web.conftest import LIVELY, Lively

pytestmark = needs_browser


def file_of(fleet: Lively) -> Path:
    assert fleet.file is not None
    return fleet.file


@pytest.fixture(scope="module")
def moving(fleet: Lively) -> Lively:
    """A fleet whose agents are on their way to another version."""
    code = file_of(fleet).parent / "lively.py"
    code.write_text(code.read_text().replace("VERSION = 1", "VERSION = 2"))
    file_of(fleet).write_text(LIVELY.replace("good night", "sleep <b>well</b>"))
    fleet.must("apply", str(fleet.file), "--reason", "a second <b>version</b>")
    return fleet


def test_a_fleet_without_rollouts_says_so(page: Page, address: str, fleet: Lively) -> None:
    page.goto(f"{address}/rollouts")

    expect(page.get_by_text("No rollout goes on.")).to_be_visible()
    expect(page.get_by_text("There was no rollout yet")).to_be_visible()


def test_a_rollout_is_followed_held_and_taken_back(
    page: Page, address: str, moving: Lively
) -> None:
    page.goto(f"{address}/rollouts")
    expect(page.get_by_role("heading", name="Rollout 1: revision 1 → 2")).to_be_visible()
    state = page.locator("main .state").first
    expect(state).to_have_text("measure")
    expect(page.get_by_text("green 50 %, baseline 50 %")).to_be_visible()
    expect(page.get_by_role("heading", name="What the evidence says")).to_be_visible()

    page.get_by_role("button", name="Pause 1").click()
    expect(state).to_have_text("paused")
    look_over(page, "rollout")
    page.get_by_role("button", name="Resume 1").click()
    expect(state).to_have_text("measure")

    page.get_by_role("button", name="Promote 1").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(state).to_have_text("measure")
    page.get_by_role("button", name="Promote 1").click()
    page.get_by_role("dialog").get_by_role("button", name="Promote").click()
    expect(page.get_by_text("promoted by dashboard").first).to_be_visible()

    page.get_by_role("button", name="Abort 1").click()
    page.get_by_role("dialog").get_by_role("button", name="Abort").click()
    expect(page.get_by_text("No rollout goes on.")).to_be_visible()
    page.get_by_role("link", name="1", exact=True).click()
    expect(page.get_by_role("heading", name="Rollout 1", exact=True)).to_be_visible()
    expect(page.get_by_text("aborted by dashboard").first).to_be_visible()


def test_revisions_are_compared_and_one_is_restored(
    page: Page, address: str, moving: Lively
) -> None:
    page.goto(f"{address}/revisions")
    expect(page.get_by_text("a second <b>version</b>")).to_be_visible()
    look_over(page, "revisions")
    page.get_by_label("To revision").fill("2")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_text("sleep <b>well</b>")).to_be_visible()
    expect(page.get_by_role("cell", name="its code").first).to_be_visible()
    look_over(page, "difference")

    page.goto(f"{address}/revisions")
    page.get_by_role("button", name="Restore 2").click()
    expect(page.get_by_role("dialog")).to_contain_text("It would be revision")
    page.get_by_label("Why").fill("it was <i>better</i>")
    page.get_by_role("dialog").get_by_role("button", name="Restore").click()
    expect(page.get_by_text("it was <i>better</i>")).to_be_visible()


def test_a_revision_that_never_was_is_told(page: Page, address: str, fleet: Lively) -> None:
    page.goto(f"{address}/revisions/1/difference/99")

    expect(page.locator("main p.notice")).to_contain_text("99")
