"""NATS JetStream. Accepted is what the stream has: on the disk of each of its replicas, where the
server is set to ``sync_interval: always``; without that a server's crash may cost the last minutes
of a stream that has one replica."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsMessage, PullSub
from nats.errors import Error as NatsError
from nats.js.api import ConsumerConfig, DiscardPolicy, RetentionPolicy, StorageType
from nats.js.errors import APIError, NotFoundError

from sutazai.bus.message import Bounds, Message
from sutazai.bus.outside import Outside
from sutazai.fleet.errors import QueueFull, SutazaiError, Unavailable

CONNECT = 5
ACCEPT_WITHIN = 30.0
"""Seconds that the server has to accept a message."""

LEAVE_WITHIN = 5.0
"""Seconds that the server has to hear of the last ends."""

BRING_AGAIN = 600.0
"""Seconds after which the server brings what is not settled again; it is known here, then."""

_FULL = (10077, 10047, 10122)
"""The server's codes for a subject or a stream that has as many messages or bytes as it takes."""


class Nats(Outside):
    """One stream for all inboxes, a subject each.

    Args:
        url: ``nats://…``, several separated by commas.
        prefix: tells fleets apart that share a server.
        replicas: servers that keep each message.
    """

    def __init__(self, url: str, prefix: str, bounds: Bounds, replicas: int) -> None:
        super().__init__()
        self._name = f"{prefix}-messages"
        self._subject = f"{prefix}.inbox"
        self._broker = NatsBroker(
            url.split(","),
            connect_timeout=CONNECT,
            max_reconnect_attempts=-1,
            allow_reconnect=True,
            apply_types=False,
            logger=None,
            graceful_timeout=2.0,
        )
        self._stream = _stream(self._name, f"{self._subject}.*", bounds, replicas)

    async def serve(self, agents: Iterable[str]) -> None:
        """The stream has the inboxes of all agents."""

    async def _connect(self) -> None:
        subscriber = self._broker.subscriber(
            f"{self._subject}.*",
            stream=self._stream,
            durable=f"{self._name}-gateway",
            pull_sub=PullSub(batch_size=256, timeout=1.0),
            config=ConsumerConfig(ack_wait=BRING_AGAIN, max_ack_pending=-1),
            ack_policy=AckPolicy.MANUAL,
            decoder=_undecoded,
            no_reply=True,
        )
        subscriber(self._brought)
        try:
            await self._broker.connect()
            await self._forget_consumer()
            await self._broker.start()
        except (NatsError, OSError, TimeoutError) as cause:
            with suppress(NatsError, OSError):
                await self._broker.stop()
            raise Unavailable(
                f"NATS cannot be used: {cause}", hint="check `bus.url`, and that JetStream is on"
            ) from cause

    async def _disconnect(self) -> None:
        with suppress(NatsError, OSError, TimeoutError):  # else it brings again what is settled
            async with asyncio.timeout(LEAVE_WITHIN):
                unsettled = await self._unsettled()
                while unsettled > len(self._held):
                    await asyncio.sleep(0.02)
                    unsettled = await self._unsettled()
        await self._broker.stop()

    async def _unsettled(self) -> int:
        """Messages that the server takes for unsettled, for it hears of their end a bit later."""
        stream = self._broker.config.connection_state.stream
        info = await stream.consumer_info(self._name, f"{self._name}-gateway")
        return info.num_ack_pending or 0

    async def _forget_consumer(self) -> None:
        """So that the new one is brought at once all that the last life of this gateway had."""
        with suppress(NotFoundError):
            stream = self._broker.config.connection_state.stream
            await stream.delete_consumer(self._name, f"{self._name}-gateway")

    async def _brought(self, message: NatsMessage) -> None:
        await self._came(message.body, message.ack)

    async def _put(self, message: Message, data: bytes) -> SutazaiError | None:
        try:
            await self._broker.publish(
                data,
                f"{self._subject}.{message.to}",
                stream=self._name,
                headers={"Nats-Msg-Id": message.id},
                timeout=ACCEPT_WITHIN,
            )
        except APIError as error:
            if error.err_code in _FULL:
                return _full(message.to)
            return Unavailable(f"NATS did not accept a message: {error}", retry_after=2)
        except (NatsError, OSError, TimeoutError) as error:
            return Unavailable(f"NATS does not answer: {error or 'no answer'}", retry_after=2)
        return None


def _stream(name: str, subjects: str, bounds: Bounds, replicas: int) -> JStream:
    stream = JStream(
        name,
        subjects=[subjects],
        retention=RetentionPolicy.WORK_QUEUE,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_msgs_per_subject=bounds.count,
        max_bytes=bounds.total,
        num_replicas=replicas,
    )
    stream.config.discard_new_per_subject = True
    return stream


async def _undecoded(message: Any) -> Any:
    return message


def _full(receiver: str) -> QueueFull:
    return QueueFull(
        f"the inbox of {receiver} is full",
        hint="try again in 1 s",
        retry_after=1,
        receiver=receiver,
    )
