"""What Prometheus reads of control: durable work, its database and disk, its peers, service
levels. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from sutazai.fleet.declared import Priority
from sutazai.fleet.work import WorkState
from sutazai.observe.alerts.objectives import BURN, LEFT, SHARE
from sutazai.observe.samples import Sample
from sutazai.store import WorkFigures
from sutazai.wire.exposition import Table, Value, counter, gauge, labels, plain

UNSAID = "none"
"""The priority of tasks that were given none: that of their agent counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlFigures:
    """How things stand: times in seconds, sizes in bytes.

    ``latency`` is how long the database took for ``work``; both are None while it does not answer.
    ``connections`` are those in use and those that there may be. ``peers`` says by name who
    answered last. ``recording`` is whether the history is kept. ``disk`` is the room that is free
    on the disk of the state folder, and all of it; None where it cannot be looked at.
    ``objectives`` are samples of service levels. ``traces`` are those that were sent elsewhere, and
    those that were given up; None where none are to be sent.
    """

    now: float
    revision: int
    problems: int
    schedules: int
    work: WorkFigures | None
    latency: float | None
    connections: tuple[int, int]
    peers: Mapping[str, bool]
    recording: bool
    history_size: int
    disk: tuple[int, int] | None
    objectives: Iterable[Sample]
    traces: tuple[int, int] | None


def _of_work(
    read: Callable[[WorkFigures], Iterable[Value]],
) -> Callable[[ControlFigures], Iterable[Value]]:
    return lambda now: () if now.work is None else read(now.work)


def _by_state(counts: Mapping[str, int]) -> Iterator[Value]:
    for state in WorkState:
        yield labels(state=state), counts.get(state, 0)


def _by_priority(counts: Mapping[str, int]) -> Iterator[Value]:
    for priority in (*Priority, ""):
        yield labels(priority=priority or UNSAID), counts.get(priority, 0)


def _oldest_wait(now: ControlFigures) -> float | None:
    if now.work is None:
        return None
    return 0.0 if now.work.ready is None else max(0.0, now.now - now.work.ready)


def _of_objectives(metric: str) -> Callable[[ControlFigures], Iterable[Value]]:
    return lambda now: (
        (labels(**dict(one.labels)), one.value) for one in now.objectives if one.name == metric
    )


CONTROL: Table[ControlFigures] = (
    gauge(
        "sutazai_tasks", "Tasks that are remembered.", _of_work(lambda work: _by_state(work.tasks))
    ),
    gauge(
        "sutazai_tasks_queued",
        "Tasks in the queue.",
        _of_work(lambda work: _by_priority(work.queued)),
    ),
    gauge(
        "sutazai_tasks_oldest_wait_seconds",
        "Time since the oldest task in the queue could be done.",
        plain(_oldest_wait),
    ),
    gauge(
        "sutazai_tasks_dead",
        "Dead letters: tasks that failed, expired or were shed.",
        _of_work(lambda work: (("", work.dead),)),
    ),
    gauge(
        "sutazai_runs",
        "Runs of workflows that are remembered.",
        _of_work(lambda work: _by_state(work.runs)),
    ),
    gauge("sutazai_schedules", "Schedules of the fleet.", plain(lambda now: now.schedules)),
    gauge(
        "sutazai_schedules_paused",
        "Schedules that are held back.",
        plain(lambda now: None if now.work is None else now.work.paused),
    ),
    gauge(
        "sutazai_schedules_due",
        "Schedules whose time has come and whose work has not begun.",
        plain(lambda now: None if now.work is None else now.work.due),
    ),
    gauge(
        "sutazai_database_up",
        "Whether the database answered.",
        plain(lambda now: int(now.work is not None)),
    ),
    gauge(
        "sutazai_database_latency_seconds",
        "Time that the database took for these counts.",
        plain(lambda now: now.latency),
    ),
    gauge(
        "sutazai_database_connections_used",
        "Connections to the database in use.",
        plain(lambda now: now.connections[0]),
    ),
    gauge(
        "sutazai_database_connections_limit",
        "Connections to the database that there may be.",
        plain(lambda now: now.connections[1]),
    ),
    gauge(
        "sutazai_peer_up",
        "Whether the process told its metrics when it was asked last.",
        lambda now: ((labels(peer=name), int(up)) for name, up in now.peers.items()),
    ),
    gauge("sutazai_fleet_revision", "Revision of the fleet.", plain(lambda now: now.revision)),
    gauge(
        "sutazai_fleet_problems",
        "What of the fleet file cannot be carried out.",
        plain(lambda now: now.problems),
    ),
    gauge(
        "sutazai_history_recording",
        "Whether the history is kept: not while its disk is full.",
        plain(lambda now: int(now.recording)),
    ),
    gauge(
        "sutazai_history_size_bytes",
        "The history's file.",
        plain(lambda now: now.history_size),
    ),
    counter(
        "sutazai_traces_sent_total",
        "Traces that the collector has taken.",
        plain(lambda now: now.traces and now.traces[0]),
    ),
    counter(
        "sutazai_traces_dropped_total",
        "Traces that the collector did not take, or not in time.",
        plain(lambda now: now.traces and now.traces[1]),
    ),
    gauge(
        "sutazai_disk_free_bytes",
        "Room on the disk of the state folder that we may take.",
        plain(lambda now: now.disk and now.disk[0]),
    ),
    gauge(
        "sutazai_disk_size_bytes",
        "The disk of the state folder.",
        plain(lambda now: now.disk and now.disk[1]),
    ),
    gauge(
        BURN,
        "How many times too fast an error budget burns, by pair of windows.",
        _of_objectives(BURN),
    ),
    gauge(LEFT, "Share of an error budget that is left; below 0 for none.", _of_objectives(LEFT)),
    gauge(SHARE, "Share that was good within an objective's window.", _of_objectives(SHARE)),
)
