"""Credentials checked from another process: JWTs here with the published keys, API tokens by asking."""

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import httpx2

from stentor_common import jwt
from stentor_common.auth import Identity, Scope
from stentor_common.clock import Clock
from stentor_common.errors import Unauthenticated, Unavailable

REMEMBER = timedelta(seconds=15)
"""How long an answer about an API token is believed: a revoked token may work this long."""

KEYS_AT_MOST_EVERY = timedelta(seconds=10)
"""An unknown key id makes us ask for the keys again, but tokens made up by strangers must not make us
ask all the time."""

CACHED_TOKENS = 10_000


class RemoteAuthenticator:
    """Asks the auth service at `base_url`."""

    def __init__(
        self, base_url: str, clock: Clock, transport: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        self._http = httpx2.AsyncClient(base_url=base_url, timeout=5, transport=transport, trust_env=False)
        self._clock = clock
        self._keys: Mapping[str, Mapping[str, Any]] = {}
        self._keys_asked = datetime.min.replace(tzinfo=clock.now().tzinfo)
        self._tokens: dict[str, tuple[datetime, Identity]] = {}

    async def identify(self, credential: str) -> Identity:
        if jwt.looks_like_jwt(credential):
            return await self._by_jwt(credential)
        return await self._by_token(credential)

    async def close(self) -> None:
        await self._http.aclose()

    async def _by_jwt(self, token: str) -> Identity:
        try:
            claims = jwt.verify(token, self._keys, self._clock.now())
        except jwt.ExpiredToken:
            raise
        except Unauthenticated:
            if not await self._refresh_keys():
                raise
            claims = jwt.verify(token, self._keys, self._clock.now())
        return Identity(uuid.UUID(claims["sub"]), None, frozenset(Scope))

    async def _refresh_keys(self) -> bool:
        now = self._clock.now()
        if now - self._keys_asked < KEYS_AT_MOST_EVERY:
            return False
        answer = await self._ask("/.well-known/jwks.json")
        self._keys_asked = now
        self._keys = {key["kid"]: key for key in _content(answer)["keys"]}
        return True

    async def _by_token(self, token: str) -> Identity:
        name, now = sha256(token.encode()).hexdigest(), self._clock.now()
        known = self._tokens.get(name)
        if known and now - known[0] < REMEMBER:
            return known[1]
        answer = await self._ask("/v1/tokens/self", headers={"Authorization": f"Bearer {token}"})
        if answer.status_code != httpx2.codes.OK:
            self._tokens.pop(name, None)
            raise Unauthenticated(_content(answer)["error"]["message"])
        found = _content(answer)
        identity = Identity(
            uuid.UUID(found["user_id"]), uuid.UUID(found["id"]), frozenset(map(Scope, found["scopes"]))
        )
        if len(self._tokens) >= CACHED_TOKENS:
            self._tokens.clear()
        self._tokens[name] = (now, identity)
        return identity

    async def _ask(self, path: str, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        try:
            answer = await self._http.get(path, headers=dict(headers or {}))
        except httpx2.HTTPError as error:
            raise Unavailable("the auth service does not answer; try again in a moment") from error
        if answer.status_code >= httpx2.codes.INTERNAL_SERVER_ERROR:
            raise Unavailable("the auth service is in trouble; try again in a moment")
        return answer


def _content(answer: httpx2.Response) -> dict[str, Any]:
    """What an auth service says. Raises Unavailable when the address is something else's."""
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict) or not found.keys() & {"keys", "error", "user_id"}:
        raise Unavailable("STENTOR_AUTH_URL does not lead to an auth service")
    return found
