"""All queries on uploads."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from stentor_common.auth import Caller
from stentor_common.errors import NotFound
from stentor_common.uploads.table import Upload

BATCH = 200


class UploadRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, upload: Upload) -> None:
        self._session.add(upload)

    async def complete(self, upload_id: uuid.UUID, size_bytes: int, sha256: str) -> None:
        await self._session.execute(
            update(Upload).where(Upload.id == upload_id).values(size_bytes=size_bytes, sha256=sha256)
        )

    async def get(self, upload_id: str, now: datetime) -> Upload:
        """An upload that is complete and not expired; whoever knows the id may use it."""
        try:
            found = await self._session.get(Upload, uuid.UUID(upload_id))
        except ValueError:
            found = None
        if found is None or found.size_bytes is None or found.expires_at <= now:
            raise NotFound(f"there is no upload {upload_id[:64]!r}; uploads are deleted after a while")
        return found

    async def owned(self, upload_id: str, caller: Caller, now: datetime) -> Upload:
        found = await self.get(upload_id, now)
        if not caller.may_see(found.owner_id):
            raise NotFound(f"there is no upload {upload_id[:64]!r}, or it is not yours")
        return found

    async def expired(self, now: datetime) -> Sequence[Upload]:
        query = select(Upload).where(Upload.expires_at <= now).limit(BATCH)
        return (await self._session.scalars(query)).all()

    async def delete(self, upload_ids: Sequence[uuid.UUID]) -> None:
        await self._session.execute(delete(Upload).where(Upload.id.in_(upload_ids)))
