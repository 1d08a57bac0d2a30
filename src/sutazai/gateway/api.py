"""The gateway's own API on its Unix socket, for control and host: routes, facts, figures."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sutazai.fleet.arms import ArmsSeen
from sutazai.fleet.facts import Demand, EndpointFacts, Heard
from sutazai.fleet.ids import new_id
from sutazai.fleet.routes import Routes
from sutazai.fleet.shapes import Shape
from sutazai.gateway.backends.catalogue import Target
from sutazai.gateway.doors.instances import Instances
from sutazai.gateway.llm import LlmSide
from sutazai.gateway.state import Keeping, read_shape
from sutazai.gateway.stats import GatewayStats, ModelStats
from sutazai.gateway.trouble import Trouble, TroubleOrder
from sutazai.wire import Request, Response, Router, json_response


class Api:
    """Answers control and host.

    Args:
        apply: applies routes; gives the problems it met, in words.
        listen: listens on further addresses, for containers.
        kept: keeps the endpoints on disk.
        on_ready: called when other instances are ready than before.
        trouble: makes trouble where that is ordered.
    """

    def __init__(
        self,
        llm: LlmSide,
        instances: Instances,
        *,
        apply: Callable[[Routes], Awaitable[tuple[str, ...]]],
        listen: Callable[[tuple[str, ...]], Awaitable[None]],
        kept: Keeping,
        on_ready: Callable[[], None],
        trouble: Trouble,
    ) -> None:
        self._llm = llm
        self._instances = instances
        self._apply = apply
        self._listen = listen
        self._kept = kept
        self._on_ready = on_ready
        self._trouble = trouble
        self._incarnation = new_id("gateway")
        self._applying: set[asyncio.Task[None]] = set()
        self._order = asyncio.Lock()
        self._revision = 0
        self._problems: tuple[str, ...] = ()

    def serve(self, router: Router) -> None:
        """Adds its endpoints to ``router``."""
        router.add("PUT", "/routes", self.put_routes)
        router.add("POST", "/facts", self.post_facts)
        router.add("GET", "/stats", self.get_stats)
        router.add("GET", "/arms", self.get_arms)
        router.add("GET", "/models", self.get_models)
        router.add("PUT", "/trouble", self.put_trouble)

    async def put_routes(self, request: Request) -> Response:
        """Control alone writes, one after the other, so the last one counts."""
        routes = read_shape(Routes, await request.read())
        # A task of its own: whoever gives up waiting does not leave routes half applied.
        task = asyncio.create_task(self._adopt(routes), name=f"routes-{routes.revision}")
        self._applying.add(task)
        task.add_done_callback(self._applying.discard)
        await asyncio.shield(task)
        return json_response({"revision": self._revision, "problems": self._problems})

    def adopted(self, routes: Routes, problems: tuple[str, ...]) -> None:
        """Calls are routed by ``routes`` from now on."""
        self._revision, self._problems = routes.revision, problems

    async def _adopt(self, routes: Routes) -> None:
        async with self._order:
            self.adopted(routes, await self._apply(routes))

    async def post_facts(self, request: Request) -> Response:
        facts = read_shape(EndpointFacts, await request.read())
        if self._instances.apply(facts):
            self._kept.touch()
            self._on_ready()
        await self._listen(facts.bridges)
        heard = Heard(sequence=facts.sequence, demand=self._demand())
        return _told(heard)

    def _demand(self) -> Demand:
        instances = self._instances
        return Demand(
            agents=self._llm.agents(instances.room),
            busy=instances.busy,
            llm=self._llm.demand(),
        )

    async def get_stats(self, request: Request) -> Response:
        return _told(self.stats())

    async def get_arms(self, request: Request) -> Response:
        seen = ArmsSeen(
            incarnation=self._incarnation,
            arms=self._llm.arms.counts(),
            trips=self._llm.arms.trips.last(),
            running=self._instances.in_hand(),
        )
        return _told(seen)

    async def get_models(self, request: Request) -> Response:
        catalogue = self._llm.backends.catalogue
        targets = (*catalogue.tiers.values(), *catalogue.models.values())
        return json_response([_model_stats(target).model_dump(mode="json") for target in targets])

    async def put_trouble(self, request: Request) -> Response:
        order = read_shape(TroubleOrder, await request.read())
        self._trouble.order(order)
        return _told(order)

    def stats(self) -> GatewayStats:
        """The figures of this moment."""
        return GatewayStats(
            **self._llm.stats(),
            incarnation=self._incarnation,
            revision=self._revision,
            problems=self._problems,
        )


def _told(shape: Shape) -> Response:
    return Response(200, [("content-type", "application/json")], shape.model_dump_json().encode())


def _model_stats(target: Target) -> ModelStats:
    return ModelStats(name=target.name, tier=target.tier is not None, backends=tuple(target.models))
