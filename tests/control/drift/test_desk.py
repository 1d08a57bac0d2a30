"""The desk over looks that a test sets: what it tells, keeps, and has put right."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sutazai.control.drift.desk import DriftDesk, Ends
from sutazai.fleet.drift import Drift, DriftFinding, DriftKind, Heal, Healed
from sutazai.fleet.errors import NotFound, Unavailable
from sutazai.observe.drift.accepted import Digests
from sutazai.observe.drift.facts import Fact, Look

LIMITS, MODEL = DriftKind.LIMITS, DriftKind.MODEL
AUTO = Drift(limits=Healed(heal=Heal.AUTO))


class World:
    """What runs, what was told, and what was done about it."""

    def __init__(self, path: Path) -> None:
        self.digests: Digests = {}
        self.drifting: list[str] = []
        self.blind = self.rolling = self.refuses = False
        self.events: list[tuple[str, str]] = []
        self.mended: list[str] = []
        self.now = 1_800_000_000.0
        self._path = path

    def desk(self, drift: Drift, *, revision: int = 1) -> DriftDesk:
        """A desk that knows what is on disk, and nothing else."""
        ends = Ends(
            path=self._path,
            eyes=self,
            mends={LIMITS: self._mend},
            rolling=lambda: self.rolling,
            tell=self._tell,
        )
        return DriftDesk(drift, ends, revision=revision, units=["tea"], clock=lambda: self.now)

    async def see(self, desk: DriftDesk, *drifting: str, seconds: float = 5.0) -> None:
        """These drift by now, and the desk acts on it."""
        self.now += seconds
        self.drifting = list(drifting)
        await desk.look([LIMITS])
        await desk.mend()

    def looks(self) -> Mapping[DriftKind, Callable[[], Awaitable[Look]]]:
        return {kind: partial(self._look, kind) for kind in DriftKind}

    async def _look(self, kind: DriftKind) -> Look:
        if self.blind:
            raise Unavailable("the host does not answer")
        facts = (self._fact(kind, unit) for unit in self.drifting)
        return Look(tuple(facts), same=4)

    def _fact(self, kind: DriftKind, unit: str) -> Fact:
        return Fact(
            kind=kind, unit=unit, instance=f"{unit}-1", what="memory", expected="1GiB", seen="none"
        )

    async def _mend(self, findings: Sequence[DriftFinding]) -> None:
        if self.refuses:
            raise NotFound("there is no unit tea")
        self.mended += [one.instance for one in findings]

    async def _tell(self, kind: str, message: str, **data: Any) -> None:
        self.events.append((kind, message))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "drift.json")


async def test_drift_is_told_when_it_comes_and_when_it_goes(world: World) -> None:
    desk = world.desk(Drift())
    await world.see(desk, "tea")
    assert not world.events, "it may be on its way"
    await world.see(desk, "tea")
    await world.see(desk)
    assert world.events == [
        ("drift-found", "limits: memory of tea-1: none, not 1GiB"),
        ("drift-gone", "limits: memory of tea-1: as declared again"),
    ]
    assert not world.mended


async def test_it_is_put_right_where_that_is_told(world: World) -> None:
    desk = world.desk(AUTO)
    await world.see(desk, "tea")
    await world.see(desk, "tea")
    assert world.mended == ["tea-1"]
    assert desk.report().findings[0].healed == world.now
    await world.see(desk)
    assert world.events[-1] == ("drift-healed", "limits: memory of tea-1: as declared again")
    assert [one.unit for one in desk.report().healed] == ["tea"]


async def test_nothing_is_put_right_in_the_midst_of_a_rollout(world: World) -> None:
    desk, world.rolling = world.desk(AUTO), True
    for _ in range(5):
        await world.see(desk, "tea")
    assert [kind for kind, _ in world.events] == ["drift-found"]
    assert not world.mended

    world.rolling = False
    await world.see(desk, "tea")
    assert world.mended == ["tea-1"]


async def test_what_cannot_be_put_right_is_said(world: World) -> None:
    desk, world.refuses = world.desk(AUTO), True
    await world.see(desk, "tea")
    await world.see(desk, "tea")
    assert world.events[-1] == (
        "drift-stays",
        "limits of tea is not put right: there is no unit tea",
    )


async def test_whoever_does_not_answer_changes_nothing(world: World) -> None:
    desk = world.desk(Drift())
    await world.see(desk, "tea")
    await world.see(desk, "tea")
    world.blind = True
    await world.see(desk)

    report = desk.report()
    assert [one.unit for one in report.findings] == ["tea"]
    assert report.unchecked == ("limits: the host does not answer",)
    assert report.score == 1 / 5

    world.blind = False
    await world.see(desk)
    assert not desk.report().unchecked


async def test_another_control_goes_on_with_what_was_known(world: World) -> None:
    before = world.desk(AUTO)
    await world.see(before, "tea")
    await world.see(before, "tea")

    after = world.desk(AUTO, revision=2)
    assert after.report().findings == before.report().findings
    await world.see(after)
    assert world.events[-1][0] == "drift-healed"


async def test_models_are_known_by_what_they_were_until_the_next_revision(world: World) -> None:
    before = world.desk(Drift())
    world.digests = {"own": {"llama": "sha256:1"}}
    await before.look([MODEL])

    world.digests = {}
    world.desk(Drift())
    assert world.digests == {"own": {"llama": "sha256:1"}}
    world.desk(Drift(), revision=2)
    assert world.digests == {}


async def test_a_file_that_cannot_be_read_is_as_none(world: World, tmp_path: Path) -> None:
    (tmp_path / "drift.json").write_text("{")
    assert not world.desk(Drift()).report().findings
