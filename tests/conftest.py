"""What holds for all tests: where everything must be tested, what is missing is a failure."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

OPTIONAL = ("crewai",)
"""Libraries of others that an example in the docs imports; too heavy to be installed for that."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI no test is skipped for want of a program."""
    report = yield
    if "CI" in os.environ and report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].lower()
        if "not installed" in reason and not any(name in reason for name in OPTIONAL):
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} must run in CI: {reason}"
    return report
