"""Questions and answers over RabbitMQ: messages that nobody keeps, answers by direct reply-to."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractRobustConnection
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError, DeliveryError

from stentor_common.queue import Answer, NoAnswer, QueueUnavailable

REPLY_TO = "amq.rabbitmq.reply-to"
"""The broker's own name for answers that go straight to the connection that asked:
https://www.rabbitmq.com/docs/direct-reply-to"""

FORGOTTEN_AFTER_MS = 60_000
"""A queue of questions on which nobody has answered this long is gone, and who asks is told at once."""

REFUSED = "refused"
"""Type of an answer that says that answering went wrong."""

BROKEN = (OSError, AMQPError, ChannelInvalidStateError, RuntimeError)

log = structlog.get_logger()


class Asker:
    """Asks on a channel of its own, on which the answers come back."""

    def __init__(self, connection: AbstractRobustConnection) -> None:
        self._connection = connection
        self._opening = asyncio.Lock()
        self._channel: AbstractChannel | None = None
        self._listening = asyncio.Event()
        self._open: dict[str, asyncio.Future[bytes]] = {}

    async def ask(self, queue: str, question: bytes, seconds: float) -> bytes:
        asked_id = uuid.uuid4().hex
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._open[asked_id] = answer
        try:
            async with asyncio.timeout(seconds):
                await self._send(queue, question, asked_id, seconds)
                return await answer
        except DeliveryError as error:
            raise NoAnswer("no worker that could answer is there") from error
        except TimeoutError as error:
            raise NoAnswer(f"no answer came within {seconds:.0f} s; try again") from error
        except BROKEN as error:
            raise QueueUnavailable(f"the message broker did not take a question: {error!r}") from error
        finally:
            self._open.pop(asked_id, None)

    async def _send(self, queue: str, question: bytes, asked_id: str, seconds: float) -> None:
        async with self._opening:
            if self._channel is None:
                await self._open_channel()
        assert self._channel is not None
        # After a break the channel comes back by itself, and is of use once answers are listened for.
        await self._listening.wait()
        message = aio_pika.Message(
            question,
            correlation_id=asked_id,
            reply_to=REPLY_TO,
            expiration=seconds,
            delivery_mode=aio_pika.DeliveryMode.NOT_PERSISTENT,
        )
        await self._channel.default_exchange.publish(message, queue)

    async def _open_channel(self) -> None:
        channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        await self._listen(channel)
        channel.close_callbacks.add(self._lost)
        channel.reopen_callbacks.add(self._listen)
        self._channel = channel

    async def _listen(self, channel: AbstractChannel | None) -> None:
        assert channel is not None
        replies = await channel.get_queue(REPLY_TO, ensure=False)
        await replies.consume(self._heard, no_ack=True)
        self._listening.set()

    async def _heard(self, message: AbstractIncomingMessage) -> None:
        answer = self._open.get(message.correlation_id or "")
        if answer is None or answer.done():
            return
        if message.type == REFUSED:
            answer.set_exception(NoAnswer("answering went wrong; the log of the worker says why"))
        else:
            answer.set_result(message.body)

    def _lost(self, _channel: object, _error: BaseException | None) -> None:
        """Answers go to the channel that asked, so those that are open will never come."""
        self._listening.clear()
        for answer in self._open.values():
            if not answer.done():
                answer.set_exception(QueueUnavailable("the connection to the message broker was lost"))


async def answer_questions(
    connection: AbstractRobustConnection, queue: str, handler: Answer, at_once: int
) -> None:
    """See `Questions.answer`."""
    try:
        channel = await connection.channel()
        try:
            await channel.set_qos(prefetch_count=at_once)
            source = await channel.declare_queue(
                queue, durable=True, arguments={"x-expires": FORGOTTEN_AFTER_MS}
            )
            async with source.iterator() as incoming:
                await _answer_all(channel, incoming, handler)
        finally:
            await channel.close()
    except BROKEN as error:
        raise QueueUnavailable(f"the message broker sends no questions: {error!r}") from error


async def _answer_all(
    channel: AbstractChannel, incoming: AsyncIterator[AbstractIncomingMessage], handler: Answer
) -> None:
    under_way: set[asyncio.Task[None]] = set()
    try:
        async for question in incoming:
            task = asyncio.create_task(_answer(channel, question, handler))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
    finally:
        # What is not acknowledged when the channel closes is asked of somebody else.
        for task in tuple(under_way):
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def _answer(channel: AbstractChannel, question: AbstractIncomingMessage, handler: Answer) -> None:
    try:
        said = aio_pika.Message(await handler(question.body))
    except Exception:
        log.exception("a question could not be answered", queue=question.routing_key)
        said = aio_pika.Message(b"", type=REFUSED)
    said.correlation_id = question.correlation_id
    try:
        await channel.default_exchange.publish(said, question.reply_to or "", mandatory=False)
        await question.ack()
    except BROKEN as error:
        log.info("an answer could not be sent, its channel is gone", reason=repr(error))
