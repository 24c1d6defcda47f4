"""All queries on the tables of speech to text."""

import uuid
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from stentor_stt.tables import Vocabulary


class VocabularyRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, vocabulary: Vocabulary) -> None:
        self._session.add(vocabulary)

    async def find(self, owner_id: uuid.UUID, name: str) -> Vocabulary | None:
        query = select(Vocabulary).where(Vocabulary.owner_id == owner_id, Vocabulary.name == name)
        found: Vocabulary | None = await self._session.scalar(query)
        return found

    async def listed(self, owner_id: uuid.UUID) -> Sequence[Vocabulary]:
        query = select(Vocabulary).where(Vocabulary.owner_id == owner_id).order_by(Vocabulary.name)
        return (await self._session.scalars(query)).all()

    async def delete(self, vocabulary: Vocabulary) -> None:
        await self._session.delete(vocabulary)
