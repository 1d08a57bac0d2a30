"""What the routes work with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from sutazai.control.alerts.desk import AlertDesk
from sutazai.control.checkpoints.desk import CheckpointDesk
from sutazai.control.drift.desk import DriftDesk
from sutazai.control.feed import EventFeed
from sutazai.control.metrics.collecting import Collector
from sutazai.control.metrics.keeping import Keeping
from sutazai.control.peers import GatewayPeer, HostPeer
from sutazai.control.reconciler import Reconciler
from sutazai.control.revising import Reviser
from sutazai.control.rollouts.desk import RolloutDesk
from sutazai.control.rollouts.driver import Driver
from sutazai.control.settings import Settings
from sutazai.control.status import StatusReader
from sutazai.control.traces.exporting import Exporter
from sutazai.fleet.errors import NotFound
from sutazai.fleet.explain import did_you_mean
from sutazai.fleet.spec import Agent
from sutazai.store import Revisions
from sutazai.tasks.office import Office
from sutazai.tasks.schedules.scheduler import Scheduler


@dataclass(frozen=True)
class Parts:
    """Control, put together. ``stopping`` is set when the process is about to end, ``renewing``
    where it is to start anew then, for another fleet is in force. Without an ``exporter`` no traces
    are sent elsewhere."""

    settings: Settings
    host: HostPeer
    gateway: GatewayPeer
    reconciler: Reconciler
    status: StatusReader
    feed: EventFeed
    revisions: Revisions
    reviser: Reviser
    rollouts: RolloutDesk
    driver: Driver
    work: Office
    schedules: Scheduler
    metrics: Collector
    history: Keeping
    alerts: AlertDesk
    drift: DriftDesk
    checkpoints: CheckpointDesk
    exporter: Exporter | None
    stopping: asyncio.Event
    renewing: asyncio.Event

    def agent(self, name: str) -> Agent:
        """What the fleet declares of an agent. Raises NotFound."""
        try:
            return self.settings.fleet.agents[name]
        except KeyError:
            near = did_you_mean(name, self.settings.fleet.agents)
            hint = "\n".join(line for line in (near, "sutazai agents list") if line)
            raise NotFound(f"there is no agent {name!r}", hint=hint) from None


def _parts(request: Request) -> Parts:
    return cast(Parts, request.app.state.parts)


PartsDep = Annotated[Parts, Depends(_parts)]
