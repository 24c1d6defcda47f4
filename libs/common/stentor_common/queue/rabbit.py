"""RabbitMQ: quorum queues, publisher confirms, a dead-letter queue each, connections that come back."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import aio_pika
import structlog
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustChannel, AbstractRobustQueue
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError, ChannelNotFoundEntity

from stentor_common.queue import Answer, Delivery, Message, QueueUnavailable, dead
from stentor_common.queue.rabbit_ask import Asker, answer_questions

PUBLISH_SECONDS = 5
CONNECT_SECONDS = 30
RECONNECT_SECONDS = 1

DELIVERY_LIMIT = 20
"""Deliveries before the broker itself gives a message up. Attempts are counted in the job's row; this
only stops a message that kills its consumer before the row is read. Drained workers count here too."""

log = structlog.get_logger()


class RabbitQueue:
    def __init__(
        self, connection: aio_pika.abc.AbstractRobustConnection, channel: AbstractRobustChannel
    ) -> None:
        self._connection = connection
        self._channel = channel
        self._declared: dict[str, AbstractRobustQueue] = {}
        self._declaring = asyncio.Lock()
        self._asker = Asker(connection)

    @classmethod
    async def open(cls, url: str) -> "RabbitQueue":
        """Raises QueueUnavailable when no broker answers in time."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = await aio_pika.connect_robust(url, reconnect_interval=RECONNECT_SECONDS)
                channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        except (OSError, AMQPError, TimeoutError) as error:
            raise QueueUnavailable(f"no message broker answers: {error}") from error
        assert isinstance(channel, AbstractRobustChannel)
        return cls(connection, channel)

    async def publish(self, message: Message) -> None:
        await self._publish(message, message.queue)

    async def bury(self, message: Message) -> None:
        await self._publish(message, dead(message.queue))

    @asynccontextmanager
    async def consume(self, queue: str, prefetch: int) -> AsyncIterator[AsyncIterator[Delivery]]:
        channel = await self._connection.channel()
        await channel.set_qos(prefetch_count=prefetch)
        # One at a time: RabbitMQ 3.10 drops a connection that declares a new quorum queue twice at once.
        async with self._declaring:
            source = await self._declare(channel, queue)
        # The channel stays open after the block: deliveries under way are settled on it.
        async with source.iterator() as incoming:
            yield _deliveries(incoming)

    async def depth(self, queue: str) -> int:
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                channel = await self._connection.channel()
                try:
                    found = await channel.declare_queue(queue, passive=True, robust=False)
                    return found.declaration_result.message_count or 0
                except ChannelNotFoundEntity:
                    return 0
                finally:
                    await channel.close()
        except (OSError, AMQPError, ChannelInvalidStateError, TimeoutError) as error:
            raise QueueUnavailable(f"the message broker does not answer: {error!r}") from error

    async def ask(self, queue: str, question: bytes, seconds: float) -> bytes:
        return await self._asker.ask(queue, question, seconds)

    async def answer(self, queue: str, handler: Answer, at_once: int) -> None:
        await answer_questions(self._connection, queue, handler, at_once)

    async def ping(self) -> None:
        if not self._connection.connected.is_set():
            raise QueueUnavailable("the message broker is not connected")

    async def close(self) -> None:
        await self._connection.close()

    async def _publish(self, message: Message, routing_key: str) -> None:
        body = json.dumps({"queue": message.queue, "kind": message.kind, "job_id": str(message.job_id)})
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                await self._declared_here(message.queue)
                await self._channel.default_exchange.publish(
                    aio_pika.Message(
                        body.encode(),
                        content_type="application/json",
                        message_id=str(message.job_id),
                        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                    ),
                    routing_key,
                )
        except (OSError, AMQPError, ChannelInvalidStateError, TimeoutError, RuntimeError) as error:
            raise QueueUnavailable(f"the message broker did not take a message: {error!r}") from error

    async def _declared_here(self, queue: str) -> None:
        if queue not in self._declared:
            async with self._declaring:
                self._declared[queue] = await self._declare(self._channel, queue)

    @staticmethod
    async def _declare(channel: aio_pika.abc.AbstractChannel, queue: str) -> AbstractRobustQueue:
        await channel.declare_queue(dead(queue), durable=True, arguments={"x-queue-type": "quorum"})
        found = await channel.declare_queue(
            queue,
            durable=True,
            arguments={
                "x-queue-type": "quorum",
                "x-delivery-limit": DELIVERY_LIMIT,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": dead(queue),
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
            },
        )
        assert isinstance(found, AbstractRobustQueue)
        return found


async def _deliveries(incoming: AsyncIterator[AbstractIncomingMessage]) -> AsyncIterator[Delivery]:
    async for message in incoming:
        try:
            delivery = RabbitDelivery(message)
        except (ValueError, KeyError, TypeError):
            log.error(
                "a message that is not ours was moved to the dead letters", message_id=message.message_id
            )
            await message.reject(requeue=False)
        else:
            yield delivery


class RabbitDelivery:
    def __init__(self, incoming: AbstractIncomingMessage) -> None:
        content = json.loads(incoming.body)
        self.message = Message(content["queue"], content["kind"], uuid.UUID(content["job_id"]))
        self._incoming = incoming

    async def ack(self) -> None:
        await _settle(self._incoming.ack())

    async def bury(self) -> None:
        await _settle(self._incoming.reject(requeue=False))


async def _settle(answer: Awaitable[None]) -> None:
    """Tell the broker, if it still listens: on a channel that broke meanwhile it has taken the message
    back already, and whoever gets it next finds the job done."""
    try:
        await answer
    except (OSError, AMQPError, ChannelInvalidStateError, RuntimeError) as error:
        log.info("a delivery could not be settled, its channel is gone", reason=repr(error))
