"""The store: objects written whole or not at all, read in pieces, deleted without complaint."""

import asyncio
import hashlib
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from stentor_common.adapters import resolve
from stentor_common.store import STORES, ObjectMissing, Store, StoreUnavailable

if TYPE_CHECKING:
    from stentor_dev.servers import Servers

KEY = "uploads/one"
MIB = 1024 * 1024


@pytest.fixture(params=["file", pytest.param("s3+http", marks=pytest.mark.live)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "file":
        url = f"file:{tmp_path}/objects"
    else:
        url = cast("Servers", request.getfixturevalue("servers")).store_url()
    found: Store = await resolve(STORES, url.partition(":")[0]).open(url)
    return found


async def pieces(*contents: bytes) -> AsyncIterator[bytes]:
    for content in contents:
        yield content


async def content_of(store: Store, key: str) -> bytes:
    return b"".join([piece async for piece in store.read(key)])


async def is_missing(store: Store, key: str) -> bool:
    try:
        await content_of(store, key)
    except ObjectMissing:
        return True
    return False


@pytest.mark.parametrize("contents", [(b"",), (), (b"one",), (b"one", b"", b"two"), (b"x" * MIB,) * 3])
async def test_an_object_is_read_as_it_was_written(store: Store, contents: tuple[bytes, ...]) -> None:
    assert await store.save(KEY, pieces(*contents)) == len(b"".join(contents))
    assert await content_of(store, KEY) == b"".join(contents)


@pytest.mark.parametrize(
    ("start", "stop", "found"),
    [(0, 3, b"one"), (3, None, b"two"), (1, 5, b"netw"), (4, 99, b"wo"), (2, 2, b"")],
)
async def test_a_part_of_an_object_can_be_read(
    store: Store, start: int, stop: int | None, found: bytes
) -> None:
    await store.save(KEY, pieces(b"onetwo"))
    assert b"".join([piece async for piece in store.read(KEY, start, stop)]) == found


async def test_an_object_can_be_had_as_a_file(store: Store) -> None:
    await store.save(KEY, pieces(b"one", b"two"))
    async with store.fetch(KEY) as path:
        assert path.read_bytes() == b"onetwo"


async def test_an_object_is_replaced_whole(store: Store) -> None:
    await store.save(KEY, pieces(b"a longer one"))
    await store.save(KEY, pieces(b"short"))
    assert await content_of(store, KEY) == b"short"


async def test_keys_do_not_mix(store: Store) -> None:
    await store.save("a/b", pieces(b"1"))
    await store.save("a/c", pieces(b"2"))
    assert (await content_of(store, "a/b"), await content_of(store, "a/c")) == (b"1", b"2")


async def test_what_is_deleted_is_missing_and_may_be_deleted_again(store: Store) -> None:
    await store.save(KEY, pieces(b"one"))
    for _ in range(2):
        await store.delete(KEY)
    assert await is_missing(store, KEY)
    with pytest.raises(ObjectMissing):
        async with store.fetch(KEY):
            pass


class Broken(Exception):
    pass


@pytest.mark.parametrize("before", [0, 1, 3 * MIB, 20 * MIB])
async def test_when_its_bytes_stop_coming_no_object_is_left(store: Store, before: int) -> None:
    async def broken() -> AsyncIterator[bytes]:
        for _ in range(0, before, MIB):
            yield b"x" * min(before, MIB)
        raise Broken

    with pytest.raises(Broken):
        await store.save(KEY, broken())
    assert await is_missing(store, KEY)


async def test_when_its_bytes_stop_coming_the_object_of_before_stays(store: Store) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"new"
        raise Broken

    await store.save(KEY, pieces(b"old"))
    with pytest.raises(Broken):
        await store.save(KEY, broken())
    assert await content_of(store, KEY) == b"old"


async def test_a_save_that_is_cancelled_leaves_nothing(store: Store) -> None:
    more = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"one"
        more.set()
        await asyncio.sleep(0.05)
        yield b"two"

    saving = asyncio.create_task(store.save(KEY, slow()))
    await more.wait()
    saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving
    # Longer than the bytes would have taken.
    await asyncio.sleep(0.1)
    assert await is_missing(store, KEY)


async def test_objects_can_be_written_side_by_side(store: Store) -> None:
    await asyncio.gather(*(store.save(f"a/{n}", pieces(bytes([n]) * 1000)) for n in range(10)))
    for n in range(10):
        assert await content_of(store, f"a/{n}") == bytes([n]) * 1000


async def test_a_large_object_is_never_in_memory_whole(store: Store) -> None:
    sent, chunk = hashlib.sha256(), b"0123456789abcdef" * (MIB // 16)

    async def large() -> AsyncIterator[bytes]:
        for _ in range(80):
            sent.update(chunk)
            yield chunk

    tracemalloc.start()
    try:
        assert await store.save(KEY, large()) == 80 * MIB
        got = hashlib.sha256()
        async for piece in store.read(KEY):
            got.update(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert got.digest() == sent.digest()
    assert peak < 64 * MIB


async def test_ping_is_content(store: Store) -> None:
    await store.ping()


@pytest.mark.parametrize("key", ["../outside", "/etc/passwd", "a/../../b", "", "."])
async def test_a_key_cannot_lead_out_of_the_folder(tmp_path: Path, key: str) -> None:
    store: Store = await resolve(STORES, "file").open(f"file:{tmp_path}/objects")
    with pytest.raises(ValueError, match="not a key"):
        await store.save(key, pieces(b"x"))


async def test_a_folder_that_is_gone_is_reported(tmp_path: Path) -> None:
    store: Store = await resolve(STORES, "file").open(f"file:{tmp_path}/objects")
    (tmp_path / "objects").rmdir()
    with pytest.raises(StoreUnavailable):
        await store.ping()


async def test_what_a_crash_left_half_written_is_no_object(tmp_path: Path) -> None:
    store: Store = await resolve(STORES, "file").open(f"file:{tmp_path}/objects")
    more = asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        yield b"half"
        more.set()
        await asyncio.Event().wait()

    saving = asyncio.create_task(store.save(KEY, stuck()))
    await more.wait()
    assert await is_missing(store, KEY)
    saving.cancel()
    await asyncio.gather(saving, return_exceptions=True)
    assert [path for path in (tmp_path / "objects").rglob("*") if path.is_file()] == []


@pytest.mark.live
async def test_a_server_that_is_not_there_is_reported(unused_tcp_port: int) -> None:
    with pytest.raises(StoreUnavailable):
        await resolve(STORES, "s3+http").open(f"s3+http://key:secret@127.0.0.1:{unused_tcp_port}/bucket")
