"""All queries on users and API tokens."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from stentor_auth.errors import AccountGone, EmailTaken, UsernameTaken
from stentor_auth.tables import ApiToken, User

USE_NOTED_EVERY = timedelta(minutes=1)


def use_is_due(token: ApiToken, now: datetime) -> bool:
    return token.last_used_at is None or token.last_used_at <= now - USE_NOTED_EVERY


class UserRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, user: User) -> None:
        """Raises UsernameTaken, EmailTaken; also when somebody else was quicker by a moment."""
        try:
            async with self._session.begin_nested():
                self._session.add(user)
        except IntegrityError:
            await self._refuse_taken(user.id, user.username_key, user.email)
            raise

    async def get(self, user_id: uuid.UUID, *, hold: bool = False) -> User:
        """Raises AccountGone: ids come from credentials, so there was such a user.

        With `hold` nobody else changes or removes it before the end of the transaction.
        """
        user = await self._session.get(User, user_id, with_for_update=hold)
        if user is None:
            raise AccountGone
        return user

    async def named(self, username_key: str) -> User | None:
        return await self._session.scalar(select(User).where(User.username_key == username_key))

    async def with_email(self, email: str) -> User | None:
        return await self._session.scalar(select(User).where(User.email == email))

    async def change(self, user: User, values: dict[str, Any]) -> None:
        """Write columns of a user. Raises UsernameTaken, EmailTaken."""
        wanted = {"username_key": user.username_key, "email": user.email, **values}
        try:
            async with self._session.begin_nested():
                await self._session.execute(
                    update(User)
                    .where(User.id == user.id)
                    .values(values)
                    .execution_options(synchronize_session=False)
                )
        except IntegrityError:
            await self._refuse_taken(user.id, wanted["username_key"], wanted["email"])
            raise
        await self._session.refresh(user)

    async def renew_hash(self, user: User, better_hash: str) -> None:
        """Unless the password was changed in the meantime."""
        await self._session.execute(
            update(User)
            .where(User.id == user.id, User.password_hash == user.password_hash)
            .values(password_hash=better_hash)
            .execution_options(synchronize_session=False)
        )

    async def remove(self, user_id: uuid.UUID) -> None:
        """Remove a user; the database removes the API tokens too."""
        await self._session.execute(delete(User).where(User.id == user_id))

    async def _refuse_taken(self, user_id: uuid.UUID, username_key: str, email: str) -> None:
        taken = or_(User.username_key == username_key, User.email == email)
        rows = await self._session.scalars(select(User.username_key).where(User.id != user_id, taken))
        holders = rows.all()
        if username_key in holders:
            raise UsernameTaken
        if holders:
            raise EmailTaken


class ApiTokenRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, token: ApiToken) -> None:
        self._session.add(token)
        await self._session.flush()

    async def with_hash(self, token_hash: str) -> ApiToken | None:
        return await self._session.scalar(select(ApiToken).where(ApiToken.token_hash == token_hash))

    async def get(self, token_id: uuid.UUID) -> ApiToken | None:
        return await self._session.get(ApiToken, token_id)

    async def listed(self, user_id: uuid.UUID) -> Sequence[ApiToken]:
        """The user's tokens that were not revoked, newest first."""
        query = select(ApiToken).where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
        return (await self._session.scalars(query.order_by(ApiToken.created_at.desc(), ApiToken.id))).all()

    async def revoke(self, user_id: uuid.UUID, token_id: uuid.UUID, now: datetime) -> bool:
        """Whether the user had such a token that was not revoked yet."""
        done = await self._session.execute(
            update(ApiToken)
            .where(ApiToken.id == token_id, ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
            .values(revoked_at=now)
            .returning(ApiToken.id)
        )
        return done.scalar() is not None

    async def note_use(self, token_id: uuid.UUID, now: datetime) -> None:
        """Does nothing when another process has just noted it."""
        await self._session.execute(
            update(ApiToken)
            .where(
                ApiToken.id == token_id,
                or_(ApiToken.last_used_at.is_(None), ApiToken.last_used_at <= now - USE_NOTED_EVERY),
            )
            .values(last_used_at=now)
            .execution_options(synchronize_session=False)
        )

    async def forget(self, ended_before: datetime) -> None:
        """Delete the rows of tokens that were revoked, or expired, before a time."""
        ended = or_(ApiToken.revoked_at < ended_before, ApiToken.expires_at < ended_before)
        await self._session.execute(delete(ApiToken).where(ended))
