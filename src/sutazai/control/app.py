"""Puts control together: the one place where its parts meet."""

from __future__ import annotations

import asyncio
import logging
import os
import pwd
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from sutazai.control.accepted import in_force
from sutazai.control.alerts.delivering import deliver
from sutazai.control.alerts.desk import AlertDesk, Ends
from sutazai.control.alerts.sending import Sender
from sutazai.control.api.parts import Parts
from sutazai.control.checkpoints.desk import CheckpointDesk
from sutazai.control.drift.desk import DriftDesk
from sutazai.control.drift.desk import Ends as DriftEnds
from sutazai.control.drift.looking import Looker
from sutazai.control.drift.mending import Mender
from sutazai.control.feed import EventFeed
from sutazai.control.kept_code import forget_code, keep_code
from sutazai.control.keys import agent_keys
from sutazai.control.metrics.collecting import Collector, Fixed
from sutazai.control.metrics.keeping import Keeping
from sutazai.control.ollama import SourceChooser
from sutazai.control.peers import GatewayPeer, HostPeer
from sutazai.control.reconciler import EVERY, Reconciler
from sutazai.control.revising import Reviser
from sutazai.control.rollouts.desk import RolloutDesk
from sutazai.control.rollouts.driver import Driver
from sutazai.control.settings import Settings
from sutazai.control.status import StatusReader
from sutazai.control.tail import tail
from sutazai.control.traces.exporting import exporter_of
from sutazai.control.uids import unit_users
from sutazai.control.work import control_database, control_office, control_scheduler
from sutazai.fleet.isolation import uid_range
from sutazai.store import Database, Events, Policies, Revisions, Rollouts, Stops, migrate
from sutazai.wire import Client

log = logging.getLogger(__name__)


@asynccontextmanager
async def open_control(
    settings: Settings, *, every: float = EVERY, clock: Callable[[], float] = time.time
) -> AsyncIterator[Parts]:
    """Opens the databases, resumes what was left, and closes everything in the end.

    Args:
        every: seconds between two looks at whether the peers are where they should be.
        clock: seconds since 1970, by which schedules go.
    """
    async with AsyncExitStack() as stack:
        url = control_database(settings, os.environ)
        migrate(url)
        database = Database(url)
        stack.callback(database.close)
        client = await stack.enter_async_context(Client())
        settings = in_force(settings, await Revisions(database).newest())
        parts = await _parts(settings, database, client, every, clock)
        stack.callback(parts.history.close)
        stack.push_async_callback(parts.work.close)
        await parts.work.open()
        await parts.work.run_desk.recover()
        yield parts


async def run_background(parts: Parts) -> None:
    """What goes on beside the API, until cancelled; raises when any of it fails."""
    async with asyncio.TaskGroup() as group:
        group.create_task(parts.reconciler.run(), name="reconcile")
        group.create_task(tail(parts.host, parts.feed), name="read the host's events")
        group.create_task(parts.work.run(), name="do durable work")
        group.create_task(parts.schedules.run(), name="begin work by the clock")
        group.create_task(parts.driver.run(), name="drive the rollout")
        group.create_task(parts.metrics.run(), name="read metrics")
        group.create_task(parts.alerts.run(), name="watch for alerts")
        group.create_task(parts.drift.run(), name="watch for drift")
        group.create_task(parts.checkpoints.run(), name="make checkpoints")
        if parts.exporter is not None:
            group.create_task(parts.exporter.run(), name="send traces")
        group.create_task(parts.checkpoints.load(parts.host), name="restore services' data")
        settings = parts.settings
        sender = Sender(settings.fleet.notify.targets, settings.base)
        group.create_task(deliver(parts.alerts, sender), name="notify of alerts")


async def _parts(
    settings: Settings,
    database: Database,
    client: Client,
    every: float,
    clock: Callable[[], float],
) -> Parts:
    places = settings.places
    host = HostPeer(client, "host", places.host_socket)
    gateway = GatewayPeer(client, "gateway", places.gateway_socket)
    feed = EventFeed(Events(database))
    revisions = Revisions(database)
    revision = await _record(settings, revisions, feed)
    rollouts = RolloutDesk(settings, Rollouts(database), revisions)
    await rollouts.load()
    reconciler = _reconciler(
        settings, database, client, host, gateway, feed, every, moving=rollouts.state is not None
    )
    work = control_office(settings, database, client, feed)
    history = Keeping(places.history, feed)
    exporter = exporter_of(settings, work.tasks, gateway, client, feed)
    fixed = Fixed(
        revision=revision,
        schedules=len(settings.fleet.schedules),
        folder=places.state,
        problems=lambda: len(reconciler.problems),
        objectives=lambda: alerts.owed,
        traces=lambda: None if exporter is None else exporter.counts,
    )
    metrics = Collector((host, gateway), database, history, fixed)
    ends = Ends(places.alerts, lambda: metrics.latest, feed.add)
    alerts = AlertDesk(settings.fleet, ends, clock=clock)
    renewing = asyncio.Event()
    reviser = Reviser(settings, revisions, reconciler, rollouts, feed, renewing)
    checkpoints = CheckpointDesk(settings, database, feed, clock=clock)
    driver = Driver(
        settings,
        rollouts,
        reconciler,
        host,
        gateway,
        feed,
        tasks=work.tasks,
        restore=reviser.put_back,
        backup=checkpoints.backup,
    )
    return Parts(
        settings=settings,
        host=host,
        gateway=gateway,
        reconciler=reconciler,
        status=StatusReader(settings, reconciler, host, gateway, revision=revision),
        feed=feed,
        revisions=revisions,
        reviser=reviser,
        rollouts=rollouts,
        driver=driver,
        work=work,
        schedules=control_scheduler(settings, work, feed, clock),
        metrics=metrics,
        history=history,
        checkpoints=checkpoints,
        alerts=alerts,
        exporter=exporter,
        drift=_drift_desk(settings, reconciler, host, gateway, reviser, rollouts, feed, revision),
        stopping=asyncio.Event(),
        renewing=renewing,
    )


def _drift_desk(
    settings: Settings,
    reconciler: Reconciler,
    host: HostPeer,
    gateway: GatewayPeer,
    reviser: Reviser,
    rollouts: RolloutDesk,
    feed: EventFeed,
    revision: int,
) -> DriftDesk:
    fleet = settings.fleet
    ends = DriftEnds(
        path=settings.places.state / "drift.json",
        eyes=Looker(settings, reconciler, host, gateway),
        mends=Mender(settings, reconciler, host, reviser).mends(),
        rolling=lambda: rollouts.state is not None and rollouts.state.is_open,
        tell=feed.add,
    )
    return DriftDesk(fleet.drift, ends, revision=revision, units=[*fleet.agents, *fleet.services])


def _reconciler(
    settings: Settings,
    database: Database,
    client: Client,
    host: HostPeer,
    gateway: GatewayPeer,
    feed: EventFeed,
    every: float,
    *,
    moving: bool,
) -> Reconciler:
    state, config = settings.places.state, settings.config
    chooser = SourceChooser(
        settings.fleet,
        client,
        state / "llm-source.json",
        started=config.started,
        gateway=config.ports.gateway,
    )
    return Reconciler(
        settings,
        agent_keys(state / "keys.json", settings.fleet.agents),
        host=host,
        gateway=gateway,
        policies=Policies(database),
        stops=Stops(database),
        chooser=chooser,
        feed=feed,
        every=every,
        moving=moving,
        users=unit_users(
            state / "uids.json",
            [*settings.fleet.agents, *settings.fleet.services],
            uid_range(settings.fleet.isolation.uids),
        ),
    )


async def _record(settings: Settings, revisions: Revisions, feed: EventFeed) -> int:
    """The number of the fleet's revision, a new one where the fleet changed."""
    before = await revisions.newest()
    source = settings.config.fleet_file or "the built-in fleet"
    revision = await revisions.record(
        settings.fleet,
        author=_author(),
        at=time.time(),
        reason=f"started from {source}",
        codes=settings.codes,
        file=settings.config.fleet_file,
    )
    await _keep_code(settings, revisions)
    if before is None or revision.number != before.number:
        await feed.add("revision", f"revision {revision.number}: {source}", number=revision.number)
    return revision.number


async def _keep_code(settings: Settings, revisions: Revisions) -> None:
    """What runs now can be started again once its files have changed."""
    folder, needed = settings.places.kept_code, await revisions.codes()
    try:
        await asyncio.to_thread(keep_code, settings.fleet, settings.base, settings.codes, folder)
        await asyncio.to_thread(forget_code, folder, needed)
    except OSError as error:
        log.warning("the agents' code cannot be kept: %s", error)


def _author() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
