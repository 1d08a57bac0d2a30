"""Alerts in a real browser: said first, looked after, silenced."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.web.browser import look_over, needs_browser

pytestmark = needs_browser


def test_an_alert_is_what_needs_somebody_until_it_is_silenced(page: Page, address: str) -> None:
    verdict = page.locator(".verdict")
    expect(verdict.locator("li").first).to_contain_text("agents are <b>declared</b>")
    look_over(page, "overview-alert")
    verdict.get_by_role("link", name="many-agents").click()
    expect(page.get_by_role("heading", name="What is wrong")).to_be_visible()
    expect(page.get_by_text("nothing to worry about")).to_be_visible()

    page.get_by_role("button", name="Acknowledge many-agents").click()
    page.get_by_label("What you found, or do").fill("<i>counting</i> them")
    page.get_by_role("dialog").get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("dashboard: <i>counting</i> them")).to_be_visible()
    look_over(page, "alerts")

    page.get_by_role("button", name="Silence many-agents").click()
    page.get_by_role("dialog").get_by_role("button", name="Silence").click()
    expect(page.get_by_text("alert=many-agents", exact=True)).to_be_visible()
    expect(page.get_by_text("silence: ").first).to_be_visible()
    page.goto(address)
    expect(page.get_by_role("heading", name="All is well")).to_be_visible()


def test_silences_are_added_and_ended(page: Page, address: str) -> None:
    page.goto(f"{address}/alerts")
    labels = page.get_by_label("Labels")
    labels.fill("nonsense")
    page.get_by_role("button", name="Add a silence").click()
    expect(page.get_by_text("which labels are silenced?")).to_be_visible()

    labels.fill("agent=echo severity=info")
    page.get_by_label("For how long").fill("2h")
    page.get_by_label("Why").fill("<b>maintenance</b>")
    page.get_by_role("button", name="Add a silence").click()
    row = page.get_by_role("row").filter(has_text="<b>maintenance</b>")
    expect(row).to_contain_text("agent=echo, severity=info")
    row.get_by_role("button").click()
    expect(row).to_be_hidden()


def test_service_levels_and_rules_are_listed(page: Page, address: str) -> None:
    page.goto(f"{address}/alerts")
    expect(page.get_by_text("calls that are answered")).to_be_visible()
    page.get_by_text("rules are watched").click()
    expect(page.get_by_role("cell", name="llm-down", exact=True)).to_be_visible()
    look_over(page, "rules")
