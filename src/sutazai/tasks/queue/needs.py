"""The order within a batch whose tasks depend on one another. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from sutazai.fleet.errors import BadInput
from sutazai.fleet.order import cycles, start_waves
from sutazai.fleet.work import TaskRequest


def in_order(requests: Sequence[TaskRequest]) -> list[int]:
    """The places of ``requests`` such that each comes after those of them that it depends on.

    Tasks of a batch name each other by idempotency key. Raises BadInput for a circle.
    """
    places = {request.idempotency_key or f"\0{at}": at for at, request in enumerate(requests)}
    if len(places) < len(requests):
        raise BadInput("two tasks of the batch have the same `idempotency_key`")
    graph = {name: requests[at].depends_on for name, at in places.items()}
    if found := cycles(graph):
        raise BadInput(f"these tasks depend on each other in a circle: {' → '.join(found[0])}")
    waves = ([places[name] for name in wave] for wave in start_waves(graph))
    return [place for wave in waves for place in sorted(wave)]
