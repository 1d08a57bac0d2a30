"""The loop of `sutazai apply --watch` over a source that a test moves, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from sutazai.cli.apply_view import Telling
from sutazai.cli.apply_watch import Watcher
from sutazai.cli.offer import Asked
from sutazai.fleet.errors import BadFleet, Conflict, NotFound, PeerClosed, SutazaiError
from sutazai.fleet.revisions import Difference, FieldChange, FleetPlan
from sutazai.fleet.watching import Look

PLAN = FleetPlan(
    revision=2,
    difference=Difference(before=1, after=2, settings=(FieldChange(path="description"),)),
    accepted=True,
)


@dataclass
class Scripted:
    """A source that changes by the second; what is ``lost`` cannot be looked at then."""

    changes: dict[int, Callable[[Scripted], object]] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=lambda: {"fleet.yaml": 1})
    secrets: dict[str, int] = field(default_factory=dict)
    refusal: SutazaiError | OSError | None = None
    lost: SutazaiError | OSError | None = None
    now: int = 0
    tried: list[int] = field(default_factory=list)

    def look(self) -> Look:
        if self.lost is not None:
            raise self.lost
        return Look(
            {path: (stamp,) for path, stamp in self.files.items()},
            {path: (stamp,) for path, stamp in self.secrets.items()},
        )

    def apply(self, asked: Asked) -> FleetPlan:
        self.tried.append(self.now)
        if self.refusal is not None:
            raise self.refusal
        return PLAN

    def watched(self, seconds: int) -> None:
        """Watches it for so long."""

        def pause(_seconds: float) -> None:
            self.now += 1
            if self.now == seconds:
                raise KeyboardInterrupt
            if self.now in self.changes:
                self.changes[self.now](self)

        with pytest.raises(KeyboardInterrupt):
            Watcher(
                self, Asked(), Telling(as_json=False), clock=lambda: self.now, pause=pause
            ).run()


def edit(source: Scripted) -> None:
    source.files["fleet.yaml"] += 1


def lines(text: str) -> list[str]:
    """Without the time of day."""
    return [line.partition("  ")[2] if line[:1].isdigit() else line for line in text.splitlines()]


def test_what_happens_is_told_in_lines(capsys: pytest.CaptureFixture[str]) -> None:
    source = Scripted(changes={3: edit}, secrets={"key": 1})
    source.changes[8] = lambda source: source.secrets.update(key=2)
    source.watched(12)
    out, err = capsys.readouterr()
    assert source.tried == [0, 4, 9] and not err
    assert [line for line in lines(out) if "description" not in line and line] == [
        "watching fleet.yaml and 1 that it refers to; Ctrl-C ends it",
        "applied:",
        "revision 2 is accepted: settings",
        "changed: fleet.yaml",
        "revision 2 is accepted: settings",
        "changed: key",
        "revision 2 is accepted: settings",
        "who read it at its start has the old one until the next: sutazai drift",
    ]


def test_what_passes_is_told_once_and_tried_until_it_has(
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = Scripted(refusal=Conflict("rollout 1 goes on"))
    source.changes[7] = lambda source: setattr(source, "refusal", PeerClosed("control went away"))
    source.changes[12] = lambda source: setattr(source, "refusal", None)
    source.watched(30)
    out, err = capsys.readouterr()
    assert source.tried == [0, 5, 10, 15]
    assert lines(out)[1:4] == ["waiting, and trying again:"] * 2 + ["applied:"]
    assert err == "error: rollout 1 goes on\nerror: control went away\n"


def test_what_is_wrong_is_told_once_and_not_tried_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = Scripted(refusal=BadFleet("fleet.yaml:1:1: no", hint="put it right"))
    source.watched(30)
    assert source.tried == [0]
    out, err = capsys.readouterr()
    assert lines(out)[1:] == ["not applied, the fleet stays as it is:"]
    assert err == "error: fleet.yaml:1:1: no\n  → put it right\n"


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), NotFound("no such branch")])
def test_a_source_that_cannot_be_looked_at_is_told_once(
    error: SutazaiError | OSError, capsys: pytest.CaptureFixture[str]
) -> None:
    source = Scripted()
    for at in (3, 15):
        source.changes[at] = lambda source: setattr(source, "lost", error)
        source.changes[at + 6] = lambda source: setattr(source, "lost", None)
    source.changes[22] = edit
    source.watched(30)
    out, err = capsys.readouterr()
    assert out.count("waiting, and trying again") == err.count("error:") == 2  # it was lost twice
    assert source.tried == [0, 25]


def test_a_file_that_is_gone_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    source = Scripted(changes={3: lambda source: source.files.clear()})
    source.watched(20)
    assert lines(capsys.readouterr().out)[-1] == (
        "gone: fleet.yaml; nothing is applied until it is back"
    )
    assert source.tried == [0]
