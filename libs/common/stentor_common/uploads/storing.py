"""Files sent to us: streamed into the store, counted on the way, deleted when their time is over."""

import hashlib
import uuid
from collections.abc import AsyncIterable, AsyncIterator
from datetime import timedelta

from stentor_common.auth import Caller
from stentor_common.errors import BadInput, TooLarge
from stentor_common.runtime import Runtime
from stentor_common.uploads.repository import UploadRepository
from stentor_common.uploads.table import Upload

FILENAME_CHARACTERS = 255
PIECE_BYTES = 1024 * 1024


class UploadTooLarge(TooLarge):
    code = "upload_too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"the file is larger than {limit_bytes} bytes, the limit of this installation")


class UploadEmpty(BadInput):
    code = "upload_empty"

    def __init__(self) -> None:
        super().__init__("the file is empty", param="file")


async def receive(
    runtime: Runtime, caller: Caller, filename: str | None, chunks: AsyncIterable[bytes]
) -> Upload:
    """Store a file as its bytes come. Raises UploadTooLarge, UploadEmpty, and what `chunks` raises;
    then nothing is left of it."""
    now = runtime.clock.now()
    upload = Upload(
        id=uuid.uuid4(),
        owner_id=caller.user_id,
        filename=(filename or "file")[-FILENAME_CHARACTERS:],
        created_at=now,
        expires_at=now + timedelta(hours=runtime.settings.upload_retention_hours),
    )
    async with runtime.begin() as work:
        UploadRepository(work.session).add(upload)
    measured = _Measured(chunks, runtime.settings.max_upload_bytes)
    try:
        await runtime.store.save(upload.store_key, measured)
        if not measured.size:
            raise UploadEmpty
    except BaseException:
        await delete(runtime, [upload])
        raise
    upload.size_bytes, upload.sha256 = measured.size, measured.sha256
    async with runtime.begin() as work:
        await UploadRepository(work.session).complete(upload.id, measured.size, measured.sha256)
    return upload


async def in_pieces(content: bytes) -> AsyncIterator[bytes]:
    """What is in memory already as `receive` takes it: a large one must not keep the loop busy at once."""
    for at in range(0, len(content), PIECE_BYTES):
        yield content[at : at + PIECE_BYTES]


async def delete(runtime: Runtime, uploads: list[Upload]) -> None:
    """The objects first: while a row is there, what it names is not forgotten."""
    for upload in uploads:
        await runtime.store.delete(upload.store_key)
    async with runtime.begin() as work:
        await UploadRepository(work.session).delete([upload.id for upload in uploads])


async def discard(runtime: Runtime, *uploads: Upload | None) -> None:
    """Files that came with a request which made no job are of no use."""
    if given := [upload for upload in uploads if upload is not None]:
        await delete(runtime, given)


async def sweep(runtime: Runtime) -> None:
    """Delete uploads whose retention is over, also those that never came to their end."""
    async with runtime.db.reading() as session:
        old = list(await UploadRepository(session).expired(runtime.clock.now()))
    if old:
        await delete(runtime, old)


class _Measured:
    """Passes chunks on while it counts and hashes them; raises when there are too many bytes."""

    def __init__(self, chunks: AsyncIterable[bytes], limit: int) -> None:
        self._chunks, self._limit = chunks, limit
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            self.size += len(chunk)
            if self.size > self._limit:
                raise UploadTooLarge(self._limit)
            self._hash.update(chunk)
            yield chunk
