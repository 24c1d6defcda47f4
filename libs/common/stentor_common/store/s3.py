"""Objects in a bucket of any S3 server, through the `minio` client, which is synchronous: in threads."""

import asyncio
import io
import tempfile
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import urllib3
from minio import Minio
from minio.error import S3Error
from urllib3.exceptions import HTTPError

from stentor_common.store import ObjectMissing, StoreUnavailable

PIECE = 256 * 1024
PART = 8 * 1024 * 1024
"""Bytes of one part of an upload whose length is not known; this much is in memory at a time."""

CONNECT_SECONDS, READ_SECONDS = 5, 60


class S3Store:
    def __init__(self, client: Minio, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    @classmethod
    async def open(cls, url: str) -> "S3Store":
        """`s3+http(s)://ACCESS:SECRET@host:port/bucket`, with `?region=…` where that is not the usual
        one. Makes the bucket if it is not there."""
        parts = urlsplit(url)
        client = Minio(
            parts.netloc.rpartition("@")[2],
            access_key=unquote(parts.username or ""),
            secret_key=unquote(parts.password or ""),
            secure=parts.scheme == "s3+https",
            region=dict(parse_qsl(parts.query)).get("region", "us-east-1"),
            http_client=urllib3.PoolManager(
                maxsize=16,
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
                retries=urllib3.Retry(total=3, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
            ),
        )
        store = cls(client, parts.path.strip("/"))
        try:
            await asyncio.to_thread(store._make_bucket)
        except (S3Error, HTTPError, ValueError) as error:
            raise StoreUnavailable(f"the object store cannot be used: {error}") from error
        return store

    async def save(self, key: str, chunks: AsyncIterable[bytes]) -> int:
        source = _Readable(aiter(chunks), asyncio.get_running_loop())
        await asyncio.to_thread(
            self._client.put_object,
            bucket_name=self._bucket,
            object_name=key,
            data=cast(BinaryIO, source),
            length=-1,
            part_size=PART,
        )
        return source.size

    async def read(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        if stop is not None and stop <= start:
            return
        # To the client no length is 0.
        answer = await self._get(key, start, 0 if stop is None else stop - start)
        try:
            while piece := await asyncio.to_thread(answer.read, PIECE):
                yield piece
        finally:
            answer.close()
            answer.release_conn()

    @asynccontextmanager
    async def fetch(self, key: str) -> AsyncIterator[Path]:
        with tempfile.NamedTemporaryFile(prefix="stentor-") as file:
            async for piece in self.read(key):
                await asyncio.to_thread(file.write, piece)
            file.flush()
            yield Path(file.name)

    async def delete(self, key: str) -> None:
        await asyncio.to_thread(self._client.remove_object, bucket_name=self._bucket, object_name=key)

    async def ping(self) -> None:
        try:
            found = await asyncio.to_thread(self._client.bucket_exists, bucket_name=self._bucket)
        except (S3Error, HTTPError) as error:
            raise StoreUnavailable("the object store does not answer") from error
        if not found:
            raise StoreUnavailable("the bucket is gone")

    async def _get(self, key: str, start: int, length: int) -> urllib3.BaseHTTPResponse:
        try:
            return await asyncio.to_thread(
                self._client.get_object,
                bucket_name=self._bucket,
                object_name=key,
                offset=start,
                length=length,
            )
        except S3Error as error:
            if error.code == "NoSuchKey":
                raise ObjectMissing(key) from None
            raise

    def _make_bucket(self) -> None:
        if not self._client.bucket_exists(bucket_name=self._bucket):
            self._client.make_bucket(bucket_name=self._bucket)


class _Readable(io.RawIOBase):
    """What the client wants (a blocking reader, used in its thread) made of what we have (chunks that
    come on the event loop)."""

    def __init__(self, chunks: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self._chunks, self._loop = chunks, loop
        self._left = memoryview(b"")
        self.size = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Exactly `size` bytes unless the end comes first: a shorter answer means the end to the client."""
        got = bytearray()
        while (size < 0 or len(got) < size) and (self._left or self._next()):
            taken = self._left[: size - len(got) if size >= 0 else None]
            got += taken
            self._left = self._left[len(taken) :]
        self.size += len(got)
        return bytes(got)

    def _next(self) -> bool:
        async def pull() -> bytes | None:
            return await anext(self._chunks, None)

        chunk = asyncio.run_coroutine_threadsafe(pull(), self._loop).result()
        self._left = memoryview(chunk or b"")
        return chunk is not None
