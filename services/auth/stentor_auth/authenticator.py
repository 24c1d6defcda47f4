"""Credentials checked where users are kept: access tokens with our own keys, API tokens in the database."""

import uuid
from datetime import datetime

from stentor_auth.api_tokens import accepted
from stentor_auth.errors import ApiTokenExpired, UnknownApiToken
from stentor_auth.parts import AuthParts
from stentor_auth.recent import Proof
from stentor_auth.repository import ApiTokenRepository, UserRepository, use_is_due
from stentor_auth.tokens import api_token_hash, looks_like_api_token, user_in
from stentor_common.auth import Identity, Scope
from stentor_common.jwt import looks_like_jwt
from stentor_common.runtime import Runtime


class LocalAuthenticator:
    """At most one query by a unique key, and none when the same was asked a moment ago."""

    def __init__(self, runtime: Runtime, parts: AuthParts) -> None:
        self._runtime = runtime
        self._keys = parts.keys
        self._recent = parts.recent

    async def identify(self, credential: str) -> Identity:
        """Whom a credential belongs to. Raises Unauthenticated."""
        now = self._runtime.clock.now()
        if looks_like_jwt(credential):
            user_id = user_in(credential, self._keys.public, now)
            return (self._recent.find(str(user_id), now) or await self._by_user(user_id, now)).identity
        return await self._by_api_token(credential, now)

    async def close(self) -> None: ...

    async def _by_user(self, user_id: uuid.UUID, now: datetime) -> Proof:
        async with self._runtime.db.reading() as session:
            await UserRepository(session).get(user_id)
        proof = Proof(Identity(user_id, None, frozenset(Scope)), None, now)
        self._recent.note(str(user_id), proof)
        return proof

    async def _by_api_token(self, credential: str, now: datetime) -> Identity:
        if not looks_like_api_token(credential):
            raise UnknownApiToken
        key = api_token_hash(credential)
        proof = self._recent.find(key, now) or await self._by_hash(key, now)
        if proof.expires_at and proof.expires_at <= now:
            raise ApiTokenExpired(proof.expires_at)
        return proof.identity

    async def _by_hash(self, key: str, now: datetime) -> Proof:
        async with self._runtime.db.reading() as session:
            token = accepted(await ApiTokenRepository(session).with_hash(key), now)
        identity = Identity(token.user_id, token.id, frozenset(map(Scope, token.scopes)))
        proof = Proof(identity, token.expires_at, now)
        self._recent.note(key, proof)
        if use_is_due(token, now):
            async with self._runtime.begin() as work:
                await ApiTokenRepository(work.session).note_use(token.id, now)
        return proof
