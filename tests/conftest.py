"""What holds for all tests, on a machine as busy as it may be."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

OPTIONAL = ("crewai",)
"""Libraries of others that an example in the docs imports; too heavy to be installed for that."""

settings.register_profile(
    "busy", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy")  # how long an example takes says more of the machine than of us

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a shell, say
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what tests start would inherit it


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
