"""What every unit of one machine shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sutazai.fleet.desired import DesiredUnit
from sutazai.host.admission.desk import Desk
from sutazai.host.endpoints import Endpoints
from sutazai.host.events import Events
from sutazai.host.instances.launcher import Launcher
from sutazai.host.units.lifecycle import Renewed
from sutazai.host.units.pacing import Pace
from sutazai.host.units.turns import Claim
from sutazai.wire import Client

if TYPE_CHECKING:
    from sutazai.host.units.unit import Unit


@dataclass(frozen=True)
class Surroundings:
    """What units reach of their machine.

    Args:
        pace: told of what ends badly.
        swap_free: tells how many bytes of swap are free.
        renewed: the dependencies with which a unit is to be restarted, as they are now.
        claim: tells how many of the instances that a unit lacks it may start now; it is poked when
            it may start more.
        blocked_by: the names of what a unit depends on that is not well.
        held: what a unit has to wait for beside these before it starts an instance, empty where
            there is nothing; it is told whether somebody called for the unit.
        changed: called with a unit's name when its state may be another one.
        rests: called with a unit when it comes to rest, and when it does not rest any more.
    """

    launcher: Launcher
    endpoints: Endpoints
    events: Events
    client: Client
    admission: Desk
    pace: Pace
    swap_free: Callable[[], int]
    renewed: Callable[[DesiredUnit], tuple[Renewed, ...]]
    claim: Callable[[Claim], int]
    blocked_by: Callable[[DesiredUnit], tuple[str, ...]]
    held: Callable[[DesiredUnit, bool], str]
    changed: Callable[[str], None]
    rests: Callable[[Unit], None]
