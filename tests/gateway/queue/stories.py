"""A scheduler in virtual time, and short words for what happens to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sutazai.fleet.declared import Priority
from sutazai.gateway.queue.entries import Decision, Entry, Limits, Start
from sutazai.gateway.queue.lanes import Backend
from sutazai.gateway.queue.scheduler import Scheduler

HIGH, MEDIUM, LOW = Priority.HIGH, Priority.MEDIUM, Priority.LOW
NEVER = 1e9


def backend(
    name: str = "one",
    slots: int = 1,
    *,
    weight: float = 1.0,
    available: bool = True,
    targets: str = "standard",
    resident: str | None = None,
    capacity: int = 1,
) -> Backend:
    """Targets are ``target`` or ``target=model``, separated by spaces; models resident too."""
    pairs = (each.partition("=") for each in targets.split())
    return Backend(
        name,
        slots,
        weight,
        available,
        {target: model or target for target, _, model in pairs},
        None if resident is None else frozenset(resident.split()),
        capacity,
    )


def scheduler(*backends: Backend, **limits: Any) -> Scheduler:
    made = Scheduler(Limits(**limits))
    made.update_backends(0.0, backends or (backend(),))
    return made


def entry(
    id: str,  # noqa: A002 (the word of the field)
    client: str = "a",
    priority: Priority = MEDIUM,
    target: str = "standard",
    deadline: float = NEVER,
    **more: Any,
) -> Entry:
    return Entry(id, client, priority, target, deadline, **more)


def submit(queue: Scheduler, entries: Iterable[Entry], now: float = 0.0) -> list[Decision]:
    return [decision for each in entries for decision in queue.submit(now, each)]


def many(
    count: int, client: str, priority: Priority = MEDIUM, target: str = "standard", **more: Any
) -> list[Entry]:
    """Entries of one client: `a0`, `a1`, …"""
    return [entry(f"{client}{number}", client, priority, target, **more) for number in range(count)]


def started(decisions: list[Decision]) -> list[str]:
    return [each.id for each in decisions if isinstance(each, Start)]


def drain(
    queue: Scheduler, first: str, *, now: float = 0.0, each: float = 0.0, most: int = 10_000
) -> list[str]:
    """Finishes what runs on the one slot, ``each`` seconds after it began, again and again; the
    order in which the waiting started."""
    order: list[str] = []
    current = first
    while len(order) < most:
        now += each
        ids = started(queue.finish(now, current))
        if not ids and (due := queue.next_due() or NEVER) < NEVER:
            now = due
            ids = started(queue.tick(now))
        if not ids:
            break
        current = ids[0]
        order.append(current)
    return order


def clients(order: list[str]) -> str:
    """Whose entries these are, a letter each."""
    return "".join(each[0] for each in order)


def jain(values: Iterable[float]) -> float:
    """Jain's index of fairness: one where all have the same, 1/n where one has everything."""
    found = list(values)
    return sum(found) ** 2 / (len(found) * sum(value * value for value in found))
