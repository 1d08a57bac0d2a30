"""RabbitMQ. Accepted is what the server has confirmed: a quorum queue confirms when most of its
replicas have written a message to disk and flushed it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from aio_pika.exceptions import AMQPError, DeliveryError
from faststream import AckPolicy
from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitMessage, RabbitQueue
from faststream.rabbit.schemas.queue import QuorumQueueArgs

from sutazai.bus.message import Bounds, Message
from sutazai.bus.outside import Outside
from sutazai.fleet.errors import QueueFull, SutazaiError, Unavailable

CONNECT = 10.0
ACCEPT_WITHIN = 30.0
"""Seconds that the server has to confirm a message."""

DELIVERIES = 100
"""How often a message may come without an end, as when it kills gateways, until the server moves it
to the queue of dead letters. Each restart of a gateway counts."""


class RabbitMq(Outside):
    """A quorum queue for each inbox.

    Args:
        url: ``amqp://…``.
        prefix: tells fleets apart that share a server.
        replicas: servers that keep each message.
    """

    def __init__(self, url: str, prefix: str, bounds: Bounds, replicas: int) -> None:
        super().__init__()
        self._prefix = prefix
        self._bounds = bounds
        self._replicas = replicas
        self._broker = RabbitBroker(
            url, timeout=CONNECT, apply_types=False, logger=None, graceful_timeout=2.0
        )
        self._channel = Channel(prefetch_count=bounds.count)
        self._served: dict[str, Any] = {}

    async def serve(self, agents: Iterable[str]) -> None:
        known = frozenset(agents)
        for name in known - self._served.keys():
            subscriber = self._broker.subscriber(
                self._queue(name),
                channel=self._channel,
                ack_policy=AckPolicy.MANUAL,
                decoder=_undecoded,
                no_reply=True,
                persistent=False,
            )
            subscriber(self._brought)
            await subscriber.start()
            self._served[name] = subscriber
        for name in self._served.keys() - known:
            await self._served.pop(name).stop()

    async def _connect(self) -> None:
        try:
            await self._broker.start()
            await self._broker.declare_queue(_quorum(f"{self._prefix}.dead", {}, self._replicas))
        except (AMQPError, OSError, TimeoutError) as cause:
            with suppress(AMQPError, OSError):
                await self._broker.stop()
            raise Unavailable(
                f"RabbitMQ cannot be used: {cause}", hint="check `bus.url`"
            ) from cause

    async def _disconnect(self) -> None:
        await self._broker.stop()

    async def _brought(self, message: RabbitMessage) -> None:
        await self._came(message.body, message.ack)

    async def _put(self, message: Message, data: bytes) -> SutazaiError | None:
        try:
            await self._broker.publish(
                data,
                routing_key=f"{self._prefix}.inbox.{message.to}",
                mandatory=True,
                persist=True,
                message_id=message.id,
                timeout=ACCEPT_WITHIN,
            )
        except DeliveryError:
            return QueueFull(
                f"the inbox of {message.to} is full",
                hint="try again in 1 s",
                retry_after=1,
                receiver=message.to,
            )
        except (AMQPError, OSError, TimeoutError) as error:
            return Unavailable(f"RabbitMQ does not answer: {error!r}", retry_after=2)
        return None

    def _queue(self, agent: str) -> RabbitQueue:
        return _quorum(
            f"{self._prefix}.inbox.{agent}",
            {
                "x-max-length": self._bounds.count,
                "x-overflow": "reject-publish",
                "x-delivery-limit": DELIVERIES,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": f"{self._prefix}.dead",
            },
            self._replicas,
        )


def _quorum(name: str, arguments: QuorumQueueArgs, replicas: int) -> RabbitQueue:
    arguments["x-quorum-initial-group-size"] = replicas
    return RabbitQueue(name, queue_type=QueueType.QUORUM, durable=True, arguments=arguments)


async def _undecoded(message: Any) -> Any:
    return message
