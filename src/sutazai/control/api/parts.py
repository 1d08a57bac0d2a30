"""What the routes work with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from sutazai.control.feed import EventFeed
from sutazai.control.peers import GatewayPeer, HostPeer
from sutazai.control.reconciler import Reconciler
from sutazai.control.settings import Settings
from sutazai.control.status import StatusReader
from sutazai.fleet.errors import NotFound
from sutazai.fleet.explain import did_you_mean
from sutazai.fleet.spec import Agent
from sutazai.store import Revisions
from sutazai.tasks.office import Office
from sutazai.tasks.schedules.scheduler import Scheduler


@dataclass(frozen=True)
class Parts:
    """Control, put together. ``stopping`` is set when the process is about to end."""

    settings: Settings
    host: HostPeer
    gateway: GatewayPeer
    reconciler: Reconciler
    status: StatusReader
    feed: EventFeed
    revisions: Revisions
    work: Office
    schedules: Scheduler
    stopping: asyncio.Event

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
