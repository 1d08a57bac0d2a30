"""Which tasks agents are serving, what their calls inherit from them, and when they are stopped.

While a call through a front door is in flight, its agent serves the call's task. A call to a model
by that agent's key that shows the task (a header that proves nothing) belongs to it only then: it
has the task's priority and deadline, and is charged to

- the agent's part in the task, bound by the agent's own ``task_budget``,
- the task with all agents that were asked in its course, bound by the ``task_budget`` of the agent
  to whom it was given,
- the task's run, bound by the ``run_budget`` of the fleet.

A task whose budget is spent, or which makes the same call more often than ``repeats``, is stopped:
its calls through doors end with TaskStopped, and so does each further call to a model. Budgets are
looked at before a call, so they are passed by what the task's calls in flight take, no more.

Pure: time goes in (seconds on a clock that never goes back).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sutazai.fleet.declared import Priority
from sutazai.fleet.errors import TaskStopped
from sutazai.fleet.routes import Key
from sutazai.fleet.serving import WorkBudget
from sutazai.gateway.callers.keys import Caller
from sutazai.gateway.callers.loops import Loops, digest_of
from sutazai.gateway.callers.runs import Run, Runs
from sutazai.gateway.callers.spending import Bound, Used

STOPPED_MAX = 1000
"""Stopped tasks that are remembered after their calls ended, for agents that do not stop."""

OnStop = Callable[[TaskStopped], None]

_NOTHING = WorkBudget()
_LOOP_HINT = "look at what it asks again and again; `gateway.repeats` is the bound"


@dataclass(frozen=True, slots=True)
class Work:
    """What a call through a door is made for. Without ``priority`` an agent's calls have its own.

    ``deadline`` is on the clock of `Tasks`.
    """

    task: str
    run: str = ""
    priority: Priority | None = None
    deadline: float | None = None


class _Task:
    """A task that is being served."""

    __slots__ = ("id", "loops", "owner", "parts", "run", "stopped", "used")

    def __init__(self, id: str, owner: str, run: Run | None) -> None:  # noqa: A002 (the word of the field)
        self.id = id
        self.owner = owner
        self.run = run
        self.parts = 0
        self.used = Used()
        self.loops = Loops()
        self.stopped: _Reason | None = None


class _Part:
    """One agent's part in a task: the calls through its door that are in flight."""

    __slots__ = ("agent", "servings", "task", "used")

    def __init__(self, agent: str, task: _Task) -> None:
        self.agent = agent
        self.task = task
        self.used = Used()
        self.servings: list[Serving] = []

    @property
    def priority(self) -> Priority | None:
        """The one that it was asked with last."""
        return self.servings[-1].work.priority

    @property
    def deadline(self) -> float | None:
        """The latest of those it was asked with, None where one of them has none."""
        latest = 0.0
        for serving in self.servings:
            if serving.work.deadline is None:
                return None
            latest = max(latest, serving.work.deadline)
        return latest


@dataclass(frozen=True, slots=True)
class _Reason:
    """Why a task was stopped; ``kind`` is loop, calls, tokens or time."""

    task: str
    kind: str
    text: str
    hint: str

    def error(self) -> TaskStopped:
        message = f"the task {self.task} was stopped: {self.text}"
        return TaskStopped(message, hint=self.hint, task=self.task, reason=self.kind)


class Serving:
    """A call through a door in flight. Whoever has one ends it; a second time does nothing."""

    __slots__ = ("_ended", "_tasks", "on_stop", "part", "work")

    def __init__(self, tasks: Tasks, part: _Part, work: Work, on_stop: OnStop) -> None:
        self._tasks = tasks
        self._ended = False
        self.part = part
        self.work = work
        self.on_stop = on_stop

    def end(self) -> None:
        """The call through the door is over."""
        if not self._ended:
            self._ended = True
            self._tasks.ended(self)


class ServedCall:
    """A call to a model that belongs to a task. Ends by one of `end` and `withdraw`.

    Attributes:
        task: what versions of a model are sticky by, too.
        run: its run, empty where it has none.
        priority: the task's, None for the caller's own.
        deadline: when the call is of no use any more, None where there is no such time.
    """

    __slots__ = ("_digest", "_over", "_part", "deadline", "priority", "run", "task")

    def __init__(self, part: _Part, digest: int, deadline: float | None) -> None:
        self._part = part
        self._digest = digest
        self._over = False
        self.task = part.task.id
        self.run = "" if part.task.run is None else part.task.run.id
        self.priority = part.priority
        self.deadline = deadline

    def end(self, tokens: int) -> None:
        """The call was made and took ``tokens``, however it ended."""
        if not self._over:
            self._over = True
            for used in _charged(self._part):
                used.tokens += tokens

    def withdraw(self) -> None:
        """It was refused before a backend saw it, and counts as not made."""
        if not self._over:
            self._over = True
            self._part.task.loops.take_back(self._digest)
            for used in _charged(self._part):
                used.calls -= 1


class Tasks:
    """All tasks that are being served, and what runs have used."""

    def __init__(self) -> None:
        self._budgets: dict[str, WorkBudget] = {}
        self._run_budget = _NOTHING
        self._repeats: int | None = None
        self._tasks: dict[str, _Task] = {}
        self._parts: dict[tuple[str, str], _Part] = {}
        self._stopped: OrderedDict[str, _Reason] = OrderedDict()
        self._runs = Runs()

    def apply(self, keys: Iterable[Key], *, repeats: int | None, run_budget: WorkBudget) -> None:
        """What tasks and runs may use from now on.

        Args:
            keys: those of agents have ``task_budget``.
            repeats: how often the same call may be made in one task, None for any number.
        """
        self._budgets = {
            key.name: key.task_budget for key in keys if key.agent and key.task_budget != _NOTHING
        }
        self._repeats = repeats
        self._run_budget = run_budget

    @property
    def served(self) -> int:
        """How many tasks are being served."""
        return len(self._tasks)

    # through doors

    def serve(self, agent: str, work: Work, now: float, on_stop: OnStop) -> Serving:
        """``agent`` is called through its door for ``work``.

        Args:
            on_stop: called once if the task is stopped before the serving ends.

        Raises TaskStopped where the task is stopped, or its run's budget is spent.
        """
        task = self._tasks.get(work.task) or self._begin(agent, work, now)
        if task.stopped is not None:
            raise task.stopped.error()
        key = (agent, work.task)
        part = self._parts.get(key)
        if part is None:
            part = self._parts[key] = _Part(agent, task)
            task.parts += 1
        serving = Serving(self, part, work, on_stop)
        part.servings.append(serving)
        return serving

    def handed_on(self, agent: str, task: str, deadline: float | None = None) -> Work | None:
        """The work that ``agent`` hands on when it calls another one for a task that it serves;
        None where it serves no such task. Raises TaskStopped."""
        part = self._part(agent, task)
        if part is None:
            return None
        run = part.task.run
        bounded = _earliest(part.deadline, deadline)
        return Work(task, "" if run is None else run.id, part.priority, bounded)

    def ended(self, serving: Serving) -> None:
        """To be called by `Serving.end` alone."""
        part = serving.part
        part.servings.remove(serving)
        if part.servings:
            return
        task = part.task
        del self._parts[part.agent, task.id]
        task.parts -= 1
        if not task.parts:
            del self._tasks[task.id]

    # to models

    def call(
        self, caller: Caller, task: str, path: str, body: bytes, now: float
    ) -> ServedCall | None:
        """A call to a model by ``caller``, which shows ``task``; None where it serves no such task.

        Args:
            path: the endpoint.
            body: every byte of it; calls are the same where path and body are.

        Raises TaskStopped where the task is stopped, now or before.
        """
        part = self._part(caller.name, task) if caller.agent else None
        if part is None:
            return None
        bounds = self._bounds(part)
        for bound in bounds:
            if (spent := bound.spent(now)) is not None:
                raise self._stop(part.task, spent, bound.told(spent), bound.hint)
        digest = digest_of(path, body)
        if self._repeats is not None and part.task.loops.count(digest) > self._repeats:
            text = f"{part.agent} made the same call more than {self._repeats} times"
            raise self._stop(part.task, "loop", text, _LOOP_HINT)
        for used in _charged(part):
            used.begin(now)
        ends = [bound.ends_at(now) for bound in bounds]
        return ServedCall(part, digest, _earliest(part.deadline, *ends))

    def _part(self, agent: str, task: str) -> _Part | None:
        part = self._parts.get((agent, task))
        reason = self._stopped.get(task) if part is None else part.task.stopped
        if reason is not None:
            raise reason.error()
        return part

    def _begin(self, agent: str, work: Work, now: float) -> _Task:
        run = self._runs.get(work.run, now) if work.run else None
        task = _Task(work.task, agent, run)
        if run is not None:
            self._check_run(task, now)
        self._stopped.pop(work.task, None)  # it is given anew, by whoever may
        self._tasks[work.task] = task
        return task

    def _check_run(self, task: _Task, now: float) -> None:
        for bound in self._run_bounds(task):
            if (spent := bound.spent(now)) is not None:
                raise _Reason(task.id, spent, bound.told(spent), bound.hint).error()

    def _bounds(self, part: _Part) -> list[Bound]:
        """The budgets that a call of ``part`` has to keep."""
        bounds = self._run_bounds(part.task)
        task, agent = part.task, part.agent
        for used, owner in ((task.used, task.owner), (part.used, agent)):
            budget = self._budgets.get(owner)
            if budget is not None:
                option = f"`task_budget` of the agent {owner}"
                bounds.append(Bound(used, budget, f"a task of {owner}", option))
        return bounds

    def _run_bounds(self, task: _Task) -> list[Bound]:
        if task.run is None or self._run_budget == _NOTHING:
            return []
        whose, option = f"the run {task.run.id}", "`gateway.run_budget`"
        return [Bound(task.run.used, self._run_budget, whose, option)]

    def _stop(self, task: _Task, kind: str, text: str, hint: str) -> TaskStopped:
        """Ends everything that is under way for ``task``; the error that tells why."""
        task.stopped = reason = _Reason(task.id, kind, text, hint)
        self._stopped[task.id] = reason
        if len(self._stopped) > STOPPED_MAX:
            self._stopped.popitem(last=False)
        for part in [part for part in self._parts.values() if part.task is task]:
            for serving in list(part.servings):
                serving.on_stop(reason.error())
        return reason.error()


def _charged(part: _Part) -> list[Used]:
    run = part.task.run
    return [part.used, part.task.used] if run is None else [part.used, part.task.used, run.used]


def _earliest(*times: float | None) -> float | None:
    return min((time for time in times if time is not None), default=None)
