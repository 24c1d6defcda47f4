"""The queue: at least once, in order, nothing lost with a consumer, dead letters kept."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import pytest

from stentor_common.adapters import resolve
from stentor_common.queue import (
    QUEUES,
    Answer,
    Broker,
    Delivery,
    Message,
    NoAnswer,
    Queue,
    QueueUnavailable,
    dead,
)
from stentor_common.testing import eventually

if TYPE_CHECKING:
    from stentor_dev.servers import Servers

NAME = "test.work"
QUESTIONS = "test.questions"
DELIVERY_LIMIT = 20
LIVE = pytest.param("amqp", marks=pytest.mark.live)


def message(queue: str = NAME) -> Message:
    return Message(queue, "test.work", uuid.uuid4())


@pytest.fixture
def url(request: pytest.FixtureRequest, kind: str) -> str:
    if kind == "memory":
        return "memory:"
    return cast("Servers", request.getfixturevalue("servers")).queue_url()


@pytest.fixture(params=["memory", LIVE])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Broker]:
    queue: Broker = await resolve(QUEUES, url.partition(":")[0]).open(url)
    try:
        yield queue
    finally:
        await queue.close()


@pytest.fixture
async def queue(url: str) -> AsyncIterator[Broker]:
    async with opened(url) as found:
        yield found


async def taken(deliveries: AsyncIterator[Delivery]) -> Delivery:
    async with asyncio.timeout(10):
        return await anext(deliveries)


async def nothing_comes(deliveries: AsyncIterator[Delivery]) -> bool:
    """Ends the iterator: nothing may be asked of it afterwards."""
    try:
        async with asyncio.timeout(0.05):
            await anext(deliveries)
    except TimeoutError:
        return True
    return False


async def depth(queue: Queue, name: str, wanted: int) -> None:
    async def reached() -> bool:
        return await queue.depth(name) == wanted

    await eventually(reached)


async def test_messages_come_as_they_were_sent_in_order(queue: Queue) -> None:
    sent = [message() for _ in range(5)]
    for each in sent:
        await queue.publish(each)
    async with queue.consume(NAME, 10) as deliveries:
        found = [await taken(deliveries) for _ in sent]
        assert [delivery.message for delivery in found] == sent
        for delivery in found:
            await delivery.ack()


async def test_what_is_sent_while_somebody_listens_comes_too(queue: Queue) -> None:
    async with queue.consume(NAME, 1) as deliveries:
        coming = asyncio.create_task(taken(deliveries))
        await asyncio.sleep(0)
        sent = message()
        await queue.publish(sent)
        delivery = await coming
        assert delivery.message == sent
        await delivery.ack()


async def test_messages_of_other_queues_do_not_come(queue: Queue) -> None:
    await queue.publish(message("test.other"))
    async with queue.consume(NAME, 1) as deliveries:
        assert await nothing_comes(deliveries)


async def test_no_more_are_given_out_than_were_asked_for(queue: Queue) -> None:
    for _ in range(3):
        await queue.publish(message())
    async with queue.consume(NAME, 2) as deliveries:
        first, _ = await taken(deliveries), await taken(deliveries)
        waiting = asyncio.create_task(taken(deliveries))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await first.ack()
        await (await waiting).ack()


async def test_a_slot_is_free_again_after_a_burial(queue: Queue) -> None:
    for _ in range(2):
        await queue.publish(message())
    async with queue.consume(NAME, 1) as deliveries:
        await (await taken(deliveries)).bury()
        await (await taken(deliveries)).ack()


async def test_each_message_goes_to_one_consumer(queue: Queue) -> None:
    sent = {message() for _ in range(20)}
    got: list[Message] = []

    async def work() -> None:
        async with queue.consume(NAME, 1) as deliveries:
            async for delivery in deliveries:
                got.append(delivery.message)
                await delivery.ack()

    workers = [asyncio.create_task(work()) for _ in range(3)]
    for each in sent:
        await queue.publish(each)

    async def all_came() -> bool:
        return len(got) >= len(sent)

    await eventually(all_came)
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    assert len(got) == len(sent)
    assert set(got) == sent


async def test_depth_counts_those_that_wait(queue: Queue) -> None:
    assert await queue.depth(NAME) == 0
    for _ in range(3):
        await queue.publish(message())
    await depth(queue, NAME, 3)
    async with queue.consume(NAME, 1) as deliveries:
        delivery = await taken(deliveries)
        await depth(queue, NAME, 2)
        await delivery.ack()


async def test_a_buried_message_lies_with_the_dead_letters(queue: Queue) -> None:
    sent = message()
    await queue.publish(sent)
    async with queue.consume(NAME, 1) as deliveries:
        await (await taken(deliveries)).bury()
    await depth(queue, dead(NAME), 1)
    await depth(queue, NAME, 0)


async def test_a_message_that_nobody_holds_can_be_buried(queue: Queue) -> None:
    await queue.bury(message())
    await depth(queue, dead(NAME), 1)


async def test_a_delivery_can_be_settled_after_its_consumer_has_left(queue: Queue) -> None:
    await queue.publish(message())
    async with queue.consume(NAME, 1) as deliveries:
        delivery = await taken(deliveries)
    await delivery.ack()
    await depth(queue, NAME, 0)


async def test_who_left_gets_nothing_more(queue: Queue) -> None:
    async with queue.consume(NAME, 1):
        pass
    await queue.publish(message())
    await depth(queue, NAME, 1)


async def shout(question: bytes) -> bytes:
    return question.upper()


@asynccontextmanager
async def answering(queue: Broker, answer: Answer = shout, at_once: int = 4) -> AsyncIterator[None]:
    """Somebody answers while the block lasts."""
    task = asyncio.create_task(queue.answer(QUESTIONS, answer, at_once))
    try:
        await eventually(lambda: answered(queue))
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def answered(queue: Broker) -> bool:
    try:
        await queue.ask(QUESTIONS, b"", 5)
    except NoAnswer:
        return False
    return True


async def test_a_question_is_answered(queue: Broker) -> None:
    async with answering(queue):
        assert await queue.ask(QUESTIONS, b"sound", 10) == b"SOUND"


async def test_many_questions_get_their_own_answers(queue: Broker) -> None:
    questions = [f"number {each}".encode() for each in range(50)]
    async with answering(queue):
        answers = await asyncio.gather(*(queue.ask(QUESTIONS, each, 10) for each in questions))
    assert answers == [each.upper() for each in questions]


async def test_a_question_may_be_as_large_as_half_a_minute_of_sound(queue: Broker) -> None:
    large = b"x" * 2_000_000
    async with answering(queue):
        assert await queue.ask(QUESTIONS, large, 20) == large.upper()


async def test_questions_that_nobody_would_answer_are_refused(queue: Broker) -> None:
    with pytest.raises(NoAnswer):
        await queue.ask(QUESTIONS, b"anybody?", 5)


async def test_who_waits_in_vain_is_told(queue: Broker) -> None:
    never = asyncio.Event()

    async def answer(question: bytes) -> bytes:
        if question:
            await never.wait()
        return question

    async with answering(queue, answer):
        with pytest.raises(NoAnswer, match="within"):
            await queue.ask(QUESTIONS, b"well?", 0.2)


async def test_an_answer_that_goes_wrong_is_no_answer_and_others_go_on(queue: Broker) -> None:
    async def answer(question: bytes) -> bytes:
        if question == b"bad":
            raise ValueError("what is this")
        return question

    async with answering(queue, answer):
        with pytest.raises(NoAnswer, match="went wrong"):
            await queue.ask(QUESTIONS, b"bad", 10)
        assert await queue.ask(QUESTIONS, b"good", 10) == b"good"


async def test_no_more_are_answered_side_by_side_than_was_said(queue: Broker) -> None:
    at_once = most = 0
    go_on = asyncio.Event()

    async def answer(question: bytes) -> bytes:
        nonlocal at_once, most
        if question:
            at_once += 1
            most = max(most, at_once)
            await go_on.wait()
            at_once -= 1
        return question

    async def two_began() -> bool:
        return at_once == 2

    async with answering(queue, answer, at_once=2):
        asked = [asyncio.create_task(queue.ask(QUESTIONS, b"x", 10)) for _ in range(6)]
        await eventually(two_began)
        go_on.set()
        await asyncio.gather(*asked)
    assert most == 2


async def test_what_one_began_to_answer_who_then_left_is_answered_by_another(queue: Broker) -> None:
    began = asyncio.Event()

    async def never(question: bytes) -> bytes:
        if question:
            began.set()
            await asyncio.Event().wait()
        return question

    async with answering(queue, never):
        asked = asyncio.create_task(queue.ask(QUESTIONS, b"sound", 20))
        await began.wait()
    async with answering(queue):
        assert await asked == b"SOUND"


async def test_ping_is_content(queue: Broker) -> None:
    await queue.ping()


@pytest.mark.parametrize("kind", [LIVE])
async def test_what_a_lost_consumer_held_comes_again(url: str) -> None:
    sent = message()
    async with opened(url) as lost:
        await lost.publish(sent)
        async with lost.consume(NAME, 1) as deliveries:
            await taken(deliveries)
    async with opened(url) as other, other.consume(NAME, 1) as deliveries:
        delivery = await taken(deliveries)
        assert delivery.message == sent
        await delivery.ack()


@pytest.mark.parametrize("kind", [LIVE])
async def test_a_message_that_kills_its_consumers_is_given_up_by_the_broker(url: str) -> None:
    async with opened(url) as publisher:
        await publisher.publish(message())
        for _ in range(DELIVERY_LIMIT + 1):
            async with opened(url) as lost, lost.consume(NAME, 1) as deliveries:
                await taken(deliveries)
        await depth(publisher, dead(NAME), 1)
        await depth(publisher, NAME, 0)


@pytest.mark.parametrize("kind", [LIVE])
async def test_messages_stay_when_nobody_is_there(url: str) -> None:
    async with opened(url) as publisher:
        await publisher.publish(message())
    async with opened(url) as later:
        await depth(later, NAME, 1)


@pytest.mark.parametrize("kind", [LIVE])
@pytest.mark.parametrize("body", [b"not json", b"{}", b"[]", json.dumps({"queue": 1}).encode()])
async def test_what_is_not_ours_is_moved_aside(url: str, body: bytes) -> None:
    import aio_pika

    ours = message()
    async with opened(url) as queue:
        await queue.publish(message())
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel()
            await channel.default_exchange.publish(aio_pika.Message(body), NAME)
        await queue.publish(ours)
        async with queue.consume(NAME, 1) as deliveries:
            await (await taken(deliveries)).ack()
            delivery = await taken(deliveries)
            assert delivery.message == ours
            await delivery.ack()
        await depth(queue, dead(NAME), 1)


@asynccontextmanager
async def cable(url: str) -> AsyncIterator[tuple[str, Callable[[], None]]]:
    """A URL that leads to the same broker, and a way to have all connections by it break."""
    broker, open_ends = urlsplit(url), set[asyncio.StreamWriter]()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while some := await reader.read(65_536):
                writer.write(some)
                await writer.drain()
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(broker.hostname, broker.port)
        open_ends.update((writer, there[1]))
        await asyncio.gather(carry(reader, there[1]), carry(there[0], writer))

    def pull() -> None:
        for end in open_ends:
            end.transport.abort()
        open_ends.clear()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield url.replace(f":{broker.port}/", f":{port}/"), pull
        pull()


@pytest.mark.parametrize("kind", [LIVE])
async def test_questions_are_answered_again_after_the_connection_broke(url: str) -> None:
    async with (
        cable(url) as (through, pull),
        opened(through) as asking,
        opened(through) as other,
        answering(other),
    ):
        assert await asking.ask(QUESTIONS, b"before", 10) == b"BEFORE"
        pull()

        async def asked() -> bytes:
            try:
                return await asking.ask(QUESTIONS, b"after", 5)
            except (NoAnswer, QueueUnavailable):
                return b""

        assert await eventually(asked, seconds=30) == b"AFTER"


@pytest.mark.parametrize("kind", [LIVE])
async def test_who_waits_for_an_answer_is_told_when_the_connection_breaks(url: str) -> None:
    began = asyncio.Event()

    async def never(question: bytes) -> bytes:
        if question:
            began.set()
            await asyncio.Event().wait()
        return question

    async with (
        opened(url) as other,
        answering(other, never),
        cable(url) as (through, pull),
        opened(through) as asking,
    ):
        waiting = asyncio.create_task(asking.ask(QUESTIONS, b"well?", 30))
        await began.wait()
        pull()
        with pytest.raises(QueueUnavailable):
            await waiting


@pytest.mark.live
async def test_a_broker_that_is_not_there_is_reported(unused_tcp_port: int) -> None:
    with pytest.raises(QueueUnavailable):
        async with opened(f"amqp://guest:guest@127.0.0.1:{unused_tcp_port}/"):
            pass
