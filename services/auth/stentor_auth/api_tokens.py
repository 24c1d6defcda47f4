"""What can be done with API tokens: make, list, revoke, ask about the one in use, clear away."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import structlog

from stentor_auth.errors import (
    ApiTokenExpired,
    ApiTokenNotFound,
    ApiTokenRevoked,
    ScopeTooWide,
    UnknownApiToken,
)
from stentor_auth.parts import AuthParts
from stentor_auth.repository import ApiTokenRepository, UserRepository
from stentor_auth.tables import ApiToken
from stentor_auth.tokens import new_api_token
from stentor_common.auth import Caller, Scope
from stentor_common.runtime import Runtime

KEPT = timedelta(days=30)
"""How long an ended token is remembered, so that its user is told what happened to it."""

log = structlog.get_logger()


class ApiTokens:
    def __init__(self, runtime: Runtime, parts: AuthParts) -> None:
        self._runtime = runtime
        self._parts = parts

    async def make(
        self, caller: Caller, *, name: str, scopes: Collection[Scope] | None, lifetime: timedelta | None
    ) -> tuple[ApiToken, str]:
        """A token and its text, which nobody can read again. Raises ScopeTooWide, AccountGone.

        Without `scopes` it has all that the caller has; without `lifetime` it does not expire.
        """
        user_id, now, new = caller.need_user(), self._runtime.clock.now(), new_api_token()
        wanted = caller.scopes if scopes is None else frozenset(scopes)
        if excess := wanted - caller.scopes:
            raise ScopeTooWide(excess)
        token = ApiToken(
            id=uuid.uuid4(),
            user_id=user_id,
            name=name,
            token_hash=new.hash,
            prefix=new.prefix,
            scopes=sorted(wanted),
            created_at=now,
            expires_at=now + lifetime if lifetime else None,
        )
        async with self._runtime.begin() as work:
            await UserRepository(work.session).get(user_id, hold=True)
            await ApiTokenRepository(work.session).add(token)
        log.info("API token made", user_id=str(user_id), token_id=str(token.id))
        return token, new.text

    async def listed(self, user_id: uuid.UUID) -> Sequence[ApiToken]:
        async with self._runtime.db.reading() as session:
            return await ApiTokenRepository(session).listed(user_id)

    async def revoke(self, user_id: uuid.UUID, token_id: str) -> None:
        """Raises ApiTokenNotFound."""
        async with self._runtime.begin() as work:
            found = _uuid(token_id)
            tokens, now = ApiTokenRepository(work.session), self._runtime.clock.now()
            if found is None or not await tokens.revoke(user_id, found, now):
                raise ApiTokenNotFound(f"there is no API token {token_id[:64]!r}, or it is not yours")
        self._parts.recent.forget(user_id)
        log.info("API token revoked", user_id=str(user_id), token_id=token_id)

    async def in_use(self, caller: Caller) -> ApiToken:
        """The token a request came with, as it is now. Raises Unauthenticated, ApiTokenNotFound."""
        caller.need_user()
        if caller.token_id is None:
            raise ApiTokenNotFound("this request came with an access token, not with an API token")
        async with self._runtime.db.reading() as session:
            token = await ApiTokenRepository(session).get(caller.token_id)
        return accepted(token, self._runtime.clock.now())


def accepted(token: ApiToken | None, now: datetime) -> ApiToken:
    """The token if it is good. Raises UnknownApiToken, ApiTokenRevoked, ApiTokenExpired."""
    if token is None:
        raise UnknownApiToken
    if token.revoked_at:
        raise ApiTokenRevoked
    if token.expires_at and token.expires_at <= now:
        raise ApiTokenExpired(token.expires_at)
    return token


async def forget_ended(runtime: Runtime) -> None:
    """Delete tokens that ended long ago."""
    async with runtime.begin() as work:
        await ApiTokenRepository(work.session).forget(runtime.clock.now() - KEPT)


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
