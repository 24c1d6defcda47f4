"""Forms read as a stream: however the body is cut into chunks, and however large it is."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator

import pytest

from stentor_common.errors import BadInput, TooLarge
from stentor_common.multipart import PARTS, parts

KIND = "multipart/form-data; boundary=xyz"
FILE = b"\r\n--xy\r\n--xy \r--xyz\n--xyz\r\n-\r\n\r\r\n--\x00\xff" * 3
BODY = (
    b"--xyz\r\n"
    b'Content-Disposition: form-data; name="model"\r\n\r\n'
    b"caf\xc3\xa9\r\n"
    b"--xyz\r\n"
    b'content-disposition: form-data; name="file"; filename="my \xc3\xa4 talk.wav"\r\n'
    b"Content-Type: audio/wav\r\n\r\n" + FILE + b"\r\n"
    b"--xyz\r\n"
    b'Content-Disposition: form-data; name="empty"\r\n\r\n'
    b"\r\n"
    b"--xyz--\r\n"
    b"an epilogue"
)
FOUND = [
    ("model", None, "", "café".encode()),
    ("file", "my ä talk.wav", "audio/wav", FILE),
    ("empty", None, "", b""),
]


async def cut(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def read(body: bytes, size: int = 65536, kind: str = KIND) -> list[tuple[str, str | None, str, bytes]]:
    return [
        (part.name, part.filename, part.content_type, b"".join([chunk async for chunk in part.chunks()]))
        async for part in parts(cut(body, size), kind)
    ]


@pytest.mark.parametrize("size", [*range(1, 40), len(BODY) - 1, len(BODY)])
async def test_a_form_is_the_same_however_it_is_cut(size: int) -> None:
    assert await read(BODY, size) == FOUND


async def test_what_is_not_read_of_a_part_is_passed_over() -> None:
    assert [part.name async for part in parts(cut(BODY, 7), KIND)] == ["model", "file", "empty"]


@pytest.mark.parametrize(
    "kind", [KIND.replace("xyz", '"xyz"'), KIND + "; charset=utf-8", KIND.upper()[:19] + KIND[19:]]
)
async def test_a_boundary_may_be_written_in_several_ways(kind: str) -> None:
    assert await read(BODY, kind=kind) == FOUND


@pytest.mark.parametrize("kind", ["", "multipart/form-data", "multipart/mixed; boundary=xyz", "audio/wav"])
async def test_what_is_no_form_is_refused(kind: str) -> None:
    with pytest.raises(BadInput, match="multipart/form-data with a boundary"):
        await read(BODY, kind=kind)


@pytest.mark.parametrize("length", [0, 1, 40, 60, 120, 200, BODY.index(b"--xyz--") + 3])
async def test_a_form_that_was_cut_off_is_refused(length: int) -> None:
    with pytest.raises(BadInput):
        await read(BODY[:length])


@pytest.mark.parametrize(
    "body", [b"--abc\r\n", b"--xyz\r\n bad header\r\n\r\n", b"--xyz?", b"no boundary" * 99]
)
async def test_a_broken_form_is_refused(body: bytes) -> None:
    with pytest.raises(BadInput, match="the form"):
        await read(body)


def part(name: str, content: bytes) -> bytes:
    return f'--xyz\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + content + b"\r\n"


async def test_a_field_that_is_too_long_is_refused() -> None:
    async def text() -> str:
        async for found in parts(cut(part("prompt", b"x" * 2000) + b"--xyz--", 100), KIND):
            return await found.text(limit=1000)
        return ""

    with pytest.raises(TooLarge, match=r"'prompt' is longer than 1000 bytes") as refused:
        await text()
    assert refused.value.param == "prompt"


async def test_a_field_that_is_no_text_is_refused() -> None:
    async for found in parts(cut(part("prompt", b"\xff") + b"--xyz--", 100), KIND):
        with pytest.raises(BadInput, match="not UTF-8"):
            await found.text()


async def test_a_form_of_too_many_parts_is_refused() -> None:
    with pytest.raises(BadInput, match=f"more than {PARTS} parts"):
        await read(part("a", b"") * (PARTS + 1) + b"--xyz--")


@pytest.mark.parametrize("headers", [b"a: b\r\n" * 5000, b"a: " + b"b" * 100_000 + b"\r\n"])
async def test_headers_without_end_are_refused(headers: bytes) -> None:
    with pytest.raises(BadInput):
        await read(b"--xyz\r\n" + headers + b"\r\n\r\n--xyz--")


async def test_a_large_file_is_never_in_memory_whole() -> None:
    size, chunk = 200 * 1024 * 1024, bytes(65536)

    async def body() -> AsyncIterator[bytes]:
        yield b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(size // len(chunk)):
            yield chunk
        yield b"\r\n--xyz--\r\n"

    seen = 0
    tracemalloc.start()
    try:
        async for found in parts(body(), KIND):
            async for piece in found.chunks():
                seen += len(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seen == size
    assert peak < 4 * 1024 * 1024


async def test_the_body_is_asked_for_only_as_it_is_needed() -> None:
    asked = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal asked
        for start in range(0, len(BODY), 10):
            asked += 1
            yield BODY[start : start + 10]
        await asyncio.Event().wait()

    async for _ in parts(body(), KIND):
        assert asked < len(BODY) // 20
        break
