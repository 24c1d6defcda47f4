"""Each private server starts, does its work, keeps it through a kill, and leaves nothing behind."""

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import aio_pika
import psutil
import pytest
from pamqp.common import FieldTable

from stentor_dev import buckets, databases
from stentor_dev.process import Server
from stentor_dev.servers import Servers

pytestmark = pytest.mark.live

SOCKETS = Path("/tmp")  # noqa: S108 - where SeaweedFS leaves them, whatever TMPDIR says
KINDS = ("DATABASE", "QUEUE", "STORE")
QUORUM: FieldTable = {"x-queue-type": "quorum"}


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with private_servers() as started:
        yield started


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that any account may enter, unlike pytest's own: as root, PostgreSQL runs as another."""
    with tempfile.TemporaryDirectory(prefix="stentor-") as made:
        Path(made).chmod(0o711)
        yield Path(made)


def private_servers(folder: Path | None = None) -> Servers:
    """Its own ones, also where the environment names others: these tests kill them."""
    with pytest.MonkeyPatch.context() as patch:
        for what in KINDS:
            patch.delenv(f"STENTOR_TEST_{what}_URL", raising=False)
        return Servers(folder)


def kill_and_start(server: Server) -> None:
    server.kill()
    server.start()


async def publish(url: str, queue: str, body: bytes) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        await channel.declare_queue(queue, durable=True, arguments=QUORUM)
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, queue)


async def consume(url: str, queue: str) -> bytes:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        declared = await channel.declare_queue(queue, durable=True, arguments=QUORUM)
        async with declared.iterator(timeout=20) as messages:
            message = await anext(messages)
            await message.ack()
            return message.body


def put(url: str, name: str, content: bytes) -> None:
    bucket = bucket_of(url)
    buckets.connect(url).put_object(
        bucket_name=bucket, object_name=name, data=io.BytesIO(content), length=len(content)
    )


def get(url: str, name: str) -> bytes:
    answer = buckets.connect(url).get_object(bucket_name=bucket_of(url), object_name=name)
    try:
        return answer.read()
    finally:
        answer.close()
        answer.release_conn()


def bucket_of(url: str) -> str:
    return url.rpartition("/")[2]


def test_a_row_outlives_a_kill_of_postgres(servers: Servers) -> None:
    url = servers.database_url()
    databases.execute(url, "CREATE TABLE answer AS SELECT 42 AS value")
    assert servers.postgres
    kill_and_start(servers.postgres)
    assert databases.execute(url, "SELECT value FROM answer") == 42


async def test_a_confirmed_message_outlives_a_kill_of_the_broker(servers: Servers) -> None:
    url = servers.queue_url()
    await publish(url, "work", b"first")
    assert await consume(url, "work") == b"first"
    await publish(url, "work", b"second")
    assert servers.rabbitmq
    servers.rabbitmq.settle()
    kill_and_start(servers.rabbitmq)
    assert await consume(url, "work") == b"second"


def test_an_object_outlives_a_kill_of_the_store(servers: Servers) -> None:
    url = servers.store_url()
    put(url, "folder/object", b"content")
    assert get(url, "folder/object") == b"content"
    assert servers.s3
    kill_and_start(servers.s3)
    assert get(url, "folder/object") == b"content"


def test_each_url_is_fresh_unless_it_has_a_name(servers: Servers) -> None:
    for offer in (servers.database_url, servers.queue_url, servers.store_url):
        assert offer() != offer()
        assert offer("kept-one") == offer("kept-one")


def test_a_database_can_be_a_copy_of_another(servers: Servers) -> None:
    original = servers.database_url()
    databases.execute(original, "CREATE TABLE answer AS SELECT 42 AS value")
    copy = servers.database_url(copy_of=original)
    assert databases.execute(copy, "SELECT value FROM answer") == 42


async def test_a_database_can_be_made_while_an_event_loop_runs(servers: Servers) -> None:
    assert databases.answers(servers.database_url())


def test_servers_named_by_the_environment_are_used_and_left_clean(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = (servers.database_url(), servers.queue_url(), servers.store_url())
    for what, url in zip(KINDS, named, strict=True):
        monkeypatch.setenv(f"STENTOR_TEST_{what}_URL", url)
    with Servers() as others:
        assert others.own() == {}
        assert others.queue_url() == named[1]
        database, store = others.database_url(), others.store_url()
        assert databases.answers(database)
        put(store, "object", b"content")
    assert not databases.has_database(named[0], database.rpartition("/")[2])
    assert not buckets.connect(named[2]).bucket_exists(bucket_name=bucket_of(store))


def test_nothing_is_left_behind_when_nothing_is_to_be_kept() -> None:
    before = children()
    with private_servers() as started:
        during = children() - before
    assert len(during) > len(started.own())
    assert still_there(during) == []
    assert not started.base.exists()
    assert started.s3
    assert not list(SOCKETS.glob(f"seaweedfs-*-{started.s3.port}.sock"))


async def test_a_kept_folder_is_found_again_and_no_process_stays(open_folder: Path) -> None:
    before = children()
    with private_servers(open_folder) as first:
        during = children() - before
        databases.execute(first.database_url("kept"), "CREATE TABLE answer AS SELECT 42 AS value")
        await publish(first.queue_url("kept"), "work", b"message")
        put(first.store_url("kept"), "object", b"content")
    assert still_there(during) == []
    with private_servers(open_folder) as second:
        assert databases.execute(second.database_url("kept"), "SELECT value FROM answer") == 42
        assert await consume(second.queue_url("kept"), "work") == b"message"
        assert get(second.store_url("kept"), "object") == b"content"


def children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def still_there(processes: set[psutil.Process]) -> list[psutil.Process]:
    """Without those that ended, also where the system has not yet taken note of it."""
    return [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
