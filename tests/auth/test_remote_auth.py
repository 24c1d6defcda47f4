"""Credentials checked by another service, which asks this one."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from stentor_auth.parts import AuthParts
from stentor_common import jwt
from stentor_common.auth import Scope
from stentor_common.clock import ManualClock
from stentor_common.errors import Unauthenticated, Unavailable
from stentor_common.remote_auth import RemoteAuthenticator

Headers = dict[str, str]
MakeToken = Callable[..., Awaitable[dict[str, Any]]]


class Wire(httpx2.AsyncBaseTransport):
    """The way to an app, which counts what is asked and can be cut."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self.cut = False
        self.asked: list[str] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request.url.path)
        if self.cut:
            raise httpx2.ConnectError("nobody there", request=request)
        return await httpx2.ASGITransport(app=self.app).handle_async_request(request)


@pytest.fixture
def wire(make_app: Callable[[AuthParts], FastAPI], parts: AuthParts) -> Wire:
    return Wire(make_app(parts))


@pytest.fixture
async def remote(wire: Wire, clock: ManualClock) -> AsyncIterator[RemoteAuthenticator]:
    authenticator = RemoteAuthenticator("http://auth", clock, wire)
    yield authenticator
    await authenticator.close()


async def test_access_tokens_are_verified_here_once_the_keys_are_known(
    remote: RemoteAuthenticator, wire: Wire, client: httpx2.AsyncClient, signed_in: Headers
) -> None:
    token = signed_in["Authorization"].split()[1]
    user = (await client.get("/v1/users/me", headers=signed_in)).json()

    for _ in range(3):
        identity = await remote.identify(token)

    assert (str(identity.user_id), identity.token_id, identity.scopes) == (
        user["id"],
        None,
        frozenset(Scope),
    )
    assert wire.asked == ["/.well-known/jwks.json"]


async def test_an_access_token_that_ended_is_refused_without_asking(
    remote: RemoteAuthenticator, wire: Wire, signed_in: Headers, clock: ManualClock
) -> None:
    token = signed_in["Authorization"].split()[1]
    await remote.identify(token)
    clock.advance(hours=1)

    with pytest.raises(jwt.ExpiredToken):
        await remote.identify(token)
    assert len(wire.asked) == 1


async def test_forged_tokens_do_not_make_us_ask_all_the_time(
    remote: RemoteAuthenticator, wire: Wire, other_pem: str, clock: ManualClock
) -> None:
    forged = jwt.sign(jwt.signing_key(other_pem), {"sub": "x"})

    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await remote.identify(forged)
    assert len(wire.asked) == 1


class TestAfterAnExchangeOfTheKey:
    @pytest.fixture
    def rotated(
        self,
        make_app: Callable[[AuthParts], FastAPI],
        make_parts: Callable[..., AuthParts],
        pem: str,
        other_pem: str,
    ) -> FastAPI:
        return make_app(make_parts(signing_key=other_pem, previous_keys=pem))

    async def test_the_new_key_is_found_out(
        self,
        remote: RemoteAuthenticator,
        wire: Wire,
        rotated: FastAPI,
        signed_in: Headers,
        ada: dict[str, str],
        clock: ManualClock,
    ) -> None:
        old = signed_in["Authorization"].split()[1]
        await remote.identify(old)
        wire.app = rotated
        clock.advance(seconds=10)
        async with httpx2.AsyncClient(transport=wire, base_url="http://auth") as client:
            answer = await client.post("/v1/token", json={"username": "Ada", "password": ada["password"]})

        new = await remote.identify(answer.json()["access_token"])

        assert new == await remote.identify(old)


async def test_an_api_token_is_asked_about_once_in_fifteen_seconds(
    remote: RemoteAuthenticator, wire: Wire, make_token: MakeToken, clock: ManualClock
) -> None:
    token = await make_token(scopes=["jobs:read"])

    for _ in range(3):
        identity = await remote.identify(token["token"])
    assert (str(identity.token_id), identity.scopes) == (token["id"], frozenset({Scope.jobs_read}))
    assert wire.asked == ["/v1/tokens/self"]

    clock.advance(seconds=15)
    await remote.identify(token["token"])
    assert len(wire.asked) == 2


async def test_a_revoked_api_token_is_refused_with_the_reason(
    remote: RemoteAuthenticator,
    client: httpx2.AsyncClient,
    signed_in: Headers,
    make_token: MakeToken,
    clock: ManualClock,
) -> None:
    token = await make_token()
    await remote.identify(token["token"])
    await client.delete(f"/v1/tokens/{token['id']}", headers=signed_in)
    clock.advance(seconds=15)

    with pytest.raises(Unauthenticated, match="revoked"):
        await remote.identify(token["token"])


async def test_without_the_auth_service_nobody_is_turned_away_for_a_bad_credential(
    remote: RemoteAuthenticator, wire: Wire, signed_in: Headers, make_token: MakeToken, clock: ManualClock
) -> None:
    access, token = signed_in["Authorization"].split()[1], (await make_token())["token"]
    wire.cut = True

    for credential in (access, token):
        with pytest.raises(Unavailable):
            await remote.identify(credential)

    wire.cut = False
    for credential in (access, token):
        await remote.identify(credential)
    wire.cut = True
    # What is known goes on working.
    for credential in (access, token):
        await remote.identify(credential)
