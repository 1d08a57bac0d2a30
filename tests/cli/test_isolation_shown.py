"""What people are told of isolation: by `status` and by `doctor`."""

from __future__ import annotations

from sutazai.cli.doctor.finding import Level
from sutazai.cli.doctor.isolation import isolation_finding
from sutazai.cli.status_view import isolation
from sutazai.fleet.status import FleetStatus, IsolationStatus, LlmStatus
from sutazai.host.isolation import Allowed


def lines(seen: IsolationStatus) -> list[str]:
    llm = LlmStatus(source="embedded")
    status = FleetStatus(
        fleet="f", revision=1, started=0.0, state="/state", llm=llm, isolation=seen
    )
    return [line.plain for line in isolation(status)]


def test_status_says_who_runs_as_whom_and_why() -> None:
    why = ("echo: /root/x is closed to other users; move it, or chmod o+rX",)
    assert lines(IsolationStatus(own=68, shared=1, landlock=7, hidden=True, why=why)) == [
        "isolation 68 units as users of their own; 1 as the host's user: against accidents only; "
        "Landlock 7",
        f"  {why[0]}",
    ]
    assert lines(IsolationStatus(own=2, hidden=True)) == [
        "isolation 2 units as users of their own; no Landlock"
    ]
    assert lines(IsolationStatus()) == []


def test_the_doctor_says_what_this_machine_allows() -> None:
    best = isolation_finding(Allowed(root=True, landlock=7), refused="")
    assert best.level is Level.OK
    assert best.found.startswith("a user of its own for each unit, Landlock 7")
    user = isolation_finding(Allowed(root=False, landlock=0), refused="")
    assert user.level is Level.NOTE and "as root" in user.fix
    contained = isolation_finding(Allowed(root=True, landlock=3), refused="not permitted")
    assert "not permitted" in contained.found and "SYS_ADMIN" in contained.fix
