"""Who gets into a queue that is bounded. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sutazai.fleet.declared import Priority
from sutazai.fleet.errors import QueueFull
from sutazai.fleet.queueing import TaskOverflow
from sutazai.fleet.work import TaskRequest
from sutazai.store.intake import Load, Room
from sutazai.tasks.queue.rank import STEPS


@dataclass(frozen=True)
class Admission:
    """The rule of one fleet.

    Args:
        bound: open tasks in all.
        lane_bound: open tasks of one target, None for no other bound.
        others: for each agent, who else can do its work, the most alike first.
    """

    bound: int
    lane_bound: int | None = None
    overflow: TaskOverflow = TaskOverflow.REJECT
    others: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def by_lane(self) -> bool:
        """Whether the load of single lanes must be known."""
        return self.lane_bound is not None

    @property
    def by_last(self) -> bool:
        """Whether the priority of the last one must be known."""
        return self.overflow is TaskOverflow.SHED_LOWEST

    def admit(self, request: TaskRequest, load: Load) -> Room:
        """How ``request`` gets in. Raises QueueFull."""
        if load.total >= self.bound:
            return self._squeeze(request, load)
        if not self._is_full(request.lane, load):
            return Room(request)
        if self.overflow is TaskOverflow.ANOTHER_AGENT and request.agent is not None:
            for other in self.others.get(request.agent, ()):
                moved = request.model_copy(update={"agent": other})
                if not self._is_full(moved.lane, load):
                    return Room(moved)
        raise QueueFull(
            f"{load.lanes.get(request.lane, 0)} tasks for {request.lane.partition(':')[2]} "
            "have not ended yet",
            hint="try again later, or raise `tasks.queue_per_target`",
        )

    def _is_full(self, lane: str, load: Load) -> bool:
        return self.lane_bound is not None and load.lanes.get(lane, 0) >= self.lane_bound

    def _squeeze(self, request: TaskRequest, load: Load) -> Room:
        if self.by_last and load.last and _is_more_urgent(request.priority, load.last):
            return Room(request, sheds=True)
        raise QueueFull(
            f"{load.total} tasks have not ended yet",
            hint="try again later, or cancel tasks that are not needed",
        )


def _is_more_urgent(priority: Priority | None, than: Priority) -> bool:
    return STEPS[priority or Priority.MEDIUM] < STEPS[than]
