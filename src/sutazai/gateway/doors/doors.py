"""Front doors: the stable port and path of every agent, whichever of its instances answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field

from sutazai.fleet.errors import (
    BadPeer,
    ConnectFailed,
    NotFound,
    PeerClosed,
    SutazaiError,
    Unavailable,
)
from sutazai.fleet.facts import Endpoint
from sutazai.fleet.routes import Door
from sutazai.gateway.callers.activity import Activity
from sutazai.gateway.callers.handed import UNIT, work_of
from sutazai.gateway.callers.keys import ANYBODY, Caller
from sutazai.gateway.callers.tasks import Tasks, Work
from sutazai.gateway.doors.arms import TOOLS, Arms, has_result
from sutazai.gateway.doors.balancing import Balancer
from sutazai.gateway.doors.bodies import PassedBody, lost
from sutazai.gateway.doors.instances import Instance, Instances
from sutazai.gateway.doors.passage import BUFFERED_MAX, Passage, answered, length, passage_of
from sutazai.gateway.doors.room import Waiting
from sutazai.gateway.doors.stopping import Stoppable
from sutazai.gateway.doors.waking import Waker
from sutazai.wire import (
    Address,
    Client,
    ClientResponse,
    Request,
    Response,
    Timeout,
    error_response,
    json_response,
)

TIMEOUT = Timeout(connect=5.0, headers=3600.0, idle=3600.0)
"""Agents have deadlines of their own; these bound what has none."""


@dataclass(slots=True)
class _Open:
    """One agent's door: ``fixed`` where it runs elsewhere, else its instances share the calls, and
    the unit ``wakes`` is woken where none is ready."""

    fixed: Instance | None = None
    wakes: str = ""
    loyal: bool = True
    balancer: Balancer = field(default_factory=Balancer)


@dataclass(slots=True)
class _Passing:
    """A call on its way through a door: to which instance, since when, for which task. ``status``
    is what the instance answered with, 0 before it has; an answer may be ``empty`` of a result."""

    instance: Instance
    begun: float
    task: str
    status: int = 0
    empty: bool = False


class Doors:
    """Passes calls on to the instances of agents.

    Args:
        tasks: told of what is served while it is.
        activity: told of every call but those for health.
        arms: told of those to agents that move to a new version.
        clock: seconds, monotonic; that of ``tasks`` too.
    """

    def __init__(
        self,
        client: Client,
        instances: Instances,
        waker: Waker,
        tasks: Tasks | None = None,
        clock: Callable[[], float] = time.monotonic,
        activity: Activity | None = None,
        arms: Arms | None = None,
    ) -> None:
        self._client = client
        self._instances = instances
        self._waker = waker
        self._tasks = tasks or Tasks()
        self._clock = clock
        self._activity = activity or Activity(clock)
        self._arms = arms or Arms()
        self._doors: dict[str, _Open] = {}
        self.waiting = Waiting(self._ready, instances.room)

    def apply(self, doors: Iterable[Door]) -> None:
        """The doors there are from now on."""
        doors = tuple(doors)
        self._doors = {door.agent: self._renewed(door) for door in doors}
        self._arms.watch(unit for door in doors for unit in door.weights)

    async def serve(
        self, agent: str, request: Request, target: str, caller: Caller = ANYBODY
    ) -> Response:
        """The answer of an instance of ``agent`` to ``request`` for its ``target``, or the error
        as JSON: NotFound, Unavailable, DeadlineExceeded, QueueFull, InstanceLost, TaskStopped, or
        what the host says when it cannot wake the agent."""
        try:
            return await self._serve(agent, request, target, caller)
        except SutazaiError as error:
            response = error_response(error)
            if (retry := error.data.get("retry_after")) is not None:
                response.headers = [*response.headers, ("retry-after", str(retry))]
            return response

    async def hand(self, agent: str, passage: Passage) -> Response:
        """What an instance of ``agent`` answers to the gateway itself. Raises what `serve` tells.

        Where its body is no bytes, who gets it closes it.
        """
        with ExitStack() as held:
            held.callback(self._activity.begin(agent))
            response = await self._answer(agent, passage)
            if isinstance(response.body, PassedBody):
                response.body.serve(Stoppable(), held.pop_all())
            return response

    async def _serve(self, agent: str, request: Request, target: str, caller: Caller) -> Response:
        if agent not in self._doors:
            raise NotFound(f"there is no agent {agent!r}", hint="see `sutazai agents list`")
        passage = await passage_of(request, target)
        if passage.is_health:
            return await self._health(agent, passage)
        work = work_of(request.headers, caller, self._tasks, self._clock())
        if caller.admin and (unit := request.headers.get(UNIT)) is not None:
            self._arms.begin(agent, work.task, unit)
        return await self._work(agent, passage.serving(work), work)

    async def _health(self, agent: str, passage: Passage) -> Response:
        """How a ready instance does; nobody is woken for it."""
        while (instance := self._ready(agent)) is not None:
            try:
                return await self._pass(instance, passage)
            except ConnectFailed as cause:  # it is dropped: the next one can tell
                door = self._doors.get(agent)
                if door is not None and door.fixed is instance:
                    raise _unreachable(agent) from cause
        return json_response({"status": "asleep", "agent": agent})

    async def _work(self, agent: str, passage: Passage, work: Work) -> Response:
        """The answer to a call that has the agent serve a task, until its body has ended."""
        stoppable = Stoppable()
        with ExitStack() as held:
            held.callback(self._tasks.serve(agent, work, self._clock(), stoppable.stop).end)
            held.callback(self._activity.begin(agent))
            response = await stoppable.wait(self._answer(agent, passage, work.task))
            if isinstance(response.body, PassedBody):
                response.body.serve(stoppable, held.pop_all())
            return response

    async def _answer(self, agent: str, passage: Passage, task: str = "") -> Response:
        try:
            return await self._pass(await self._place(agent, task), passage, task)
        except ConnectFailed:
            pass  # it is gone, and nothing was sent: another one can do it
        try:
            return await self._pass(await self._place(agent, task), passage, task)
        except ConnectFailed as cause:
            raise _unreachable(agent) from cause

    def _renewed(self, door: Door) -> _Open:
        found = self._doors.get(door.agent) or _Open()
        found.balancer.update(door.balance, door.weights)
        found.wakes, found.loyal = door.wakes or door.agent, door.loyal
        if door.address is None:
            found.fixed = None
        elif found.fixed is None or found.fixed.endpoint.address != door.address:
            endpoint = Endpoint(agent=door.agent, instance="remote", address=door.address)
            found.fixed = Instance(endpoint)
        return found

    def _door(self, agent: str) -> _Open:
        """Raises NotFound where it was taken away while a call was under way."""
        try:
            return self._doors[agent]
        except KeyError:
            raise NotFound(f"there is no agent {agent!r} any more") from None

    def _ready(self, agent: str, task: str = "") -> Instance | None:
        door = self._door(agent)
        if door.fixed is not None:
            return door.fixed
        ready = self._instances.ready(agent)
        roomy = [one for one in ready if not one.is_full]
        began_with = self._arms.began_with(agent, task) if door.loyal else ""
        return door.balancer.choose(roomy or ready, began_with)

    async def _place(self, agent: str, task: str) -> Instance:
        """A ready instance that has room for the call; where none is ready, one is woken."""
        instance = await self.waiting.place(agent, task)
        if instance is None:
            self._instances.add(await self._waker.wake(self._door(agent).wakes))
            instance = await self.waiting.place(agent, task)
        if instance is None:
            raise Unavailable(f"{agent} has no ready instance", retry_after=2)
        return instance

    async def _pass(self, instance: Instance, passage: Passage, task: str = "") -> Response:
        """The instance's answer. Raises ConnectFailed where nothing was sent to it."""
        passing = _Passing(instance, self._clock(), task)
        watched = self._arms.watches(instance.endpoint.owner)
        self._instances.begin(instance)
        self._arms.begin(instance.endpoint.agent, task, instance.endpoint.owner)
        async with AsyncExitStack() as held:
            held.push(lambda kind, *_: self._end(passing, kind))
            response = await self._request(instance, passage)
            passing.status = response.status
            held.push_async_callback(response.close)
            if watched and (told := response.headers.get(TOOLS)) is not None:
                self._arms.called_tools(instance.endpoint.owner, told)
            if length(response.headers) <= BUFFERED_MAX:
                body = await _whole(response, instance.endpoint)
                if watched and passage.asks_for_a_result:
                    passing.empty = not has_result(body)
                return Response(response.status, answered(response.headers, whole=True), body)
            body_stream = PassedBody(response, instance.endpoint, held.pop_all())
            return Response(response.status, answered(response.headers, whole=False), body_stream)

    def _end(self, passing: _Passing, cause: type[BaseException] | None) -> None:
        instance, endpoint = passing.instance, passing.instance.endpoint
        seconds, failed = self._clock() - passing.begun, cause is not None
        self._instances.end(instance, None if failed else seconds)
        if passing.task and cause is not ConnectFailed:  # then nothing was sent
            self._arms.answered(endpoint.owner, seconds, failed=failed or passing.status >= 500)
            undone = failed or passing.empty or passing.status >= 400
            self._arms.ended(endpoint.agent, passing.task, failed=undone)
        self.waiting.look_again(endpoint.agent)

    async def _request(self, instance: Instance, passage: Passage) -> ClientResponse:
        endpoint = instance.endpoint
        try:
            return await self._client.request(
                passage.method,
                Address.parse(endpoint.address),
                passage.target,
                headers=passage.headers,
                body=passage.body(),
                timeout=TIMEOUT,
            )
        except ConnectFailed:
            self._instances.drop(endpoint.instance)
            raise
        except (PeerClosed, BadPeer) as cause:
            raise lost(endpoint) from cause


def _unreachable(agent: str) -> Unavailable:
    return Unavailable(
        f"no instance of {agent} can be reached",
        hint=f"see `sutazai agents show {agent}`",
        retry_after=2,
    )


async def _whole(response: ClientResponse, endpoint: Endpoint) -> bytes:
    try:
        return await response.read()
    except (PeerClosed, BadPeer) as cause:
        raise lost(endpoint) from cause
