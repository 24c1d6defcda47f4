"""Making, listing, using and revoking API tokens."""

import re
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx2

from stentor_auth.api_tokens import KEPT, forget_ended
from stentor_auth.parts import AuthParts
from stentor_common.clock import ManualClock
from stentor_common.runtime import Runtime

ALL = ["account", "jobs:read", "jobs:write"]

Headers = dict[str, str]
MakeToken = Callable[..., Awaitable[dict[str, Any]]]
Connect = Callable[[AuthParts], httpx2.AsyncClient]


async def test_a_new_token_is_shown_once(
    client: httpx2.AsyncClient, signed_in: Headers, clock: ManualClock
) -> None:
    answer = await client.post("/v1/tokens", json={"name": "laptop", "expires_in": 3600}, headers=signed_in)

    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json()
    assert re.fullmatch(r"st_[A-Za-z0-9_-]{43}", made["token"])
    assert (made["name"], made["scopes"]) == ("laptop", ALL)
    assert made["expires_at"] == (clock.now() + timedelta(hours=1)).isoformat().replace("+00:00", "Z")

    listed = (await client.get("/v1/tokens", headers=signed_in)).json()
    assert listed == {
        "object": "list",
        "data": [
            {
                "id": made["id"],
                "name": "laptop",
                "prefix": made["token"][:8],
                "scopes": ALL,
                "created_at": made["created_at"],
                "expires_at": made["expires_at"],
                "last_used_at": None,
            }
        ],
    }


async def test_a_bad_wish_is_refused(client: httpx2.AsyncClient, signed_in: Headers) -> None:
    bad: dict[str, list[dict[str, Any]]] = {
        "name": [{"name": None}, {"name": ""}, {"name": "a\u0000"}, {"name": "a" * 101}],
        "scopes": [{"scopes": []}],
        "scopes.0": [{"scopes": ["everything"]}],
        "expires_in": [{"expires_in": 0}, {"expires_in": -1}, {"expires_in": 10**10}],
        "token": [{"token": "st_mine"}],
    }
    for param, wishes in bad.items():
        for wish in wishes:
            answer = await client.post("/v1/tokens", json={"name": "x", **wish}, headers=signed_in)
            assert (wish, answer.status_code) == (wish, 400)
            assert answer.json()["error"]["param"] == param


async def test_a_token_cannot_make_one_that_may_do_more(
    client: httpx2.AsyncClient, make_token: MakeToken
) -> None:
    narrow = (await make_token(scopes=["account", "jobs:read"]))["headers"]

    wider = await client.post("/v1/tokens", json={"name": "x", "scopes": ALL}, headers=narrow)
    assert (wider.status_code, wider.json()["error"]["code"]) == (403, "scope_too_wide")
    assert "jobs:write" in wider.json()["error"]["message"]

    equal = await client.post("/v1/tokens", json={"name": "x"}, headers=narrow)
    assert equal.json()["scopes"] == ["account", "jobs:read"]


async def test_a_token_of_any_scope_can_ask_what_it_is(
    client: httpx2.AsyncClient, signed_in: Headers, make_token: MakeToken
) -> None:
    user = (await client.get("/v1/users/me", headers=signed_in)).json()
    for scope in ALL:
        token = await make_token(scopes=[scope])
        answer = await client.get("/v1/tokens/self", headers=token["headers"])
        assert answer.json() == {
            "id": token["id"],
            "user_id": user["id"],
            "name": "test",
            "scopes": [scope],
            "expires_at": None,
        }


async def test_an_access_token_is_no_api_token(client: httpx2.AsyncClient, signed_in: Headers) -> None:
    answer = await client.get("/v1/tokens/self", headers=signed_in)

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "token_not_found")


async def test_a_revoked_token_is_refused_at_once(
    client: httpx2.AsyncClient, signed_in: Headers, make_token: MakeToken
) -> None:
    token, other = await make_token(), await make_token()
    for headers in (token["headers"], other["headers"]):
        assert (await client.get("/v1/users/me", headers=headers)).status_code == 200

    assert (await client.delete(f"/v1/tokens/{token['id']}", headers=signed_in)).status_code == 204

    refused = await client.get("/v1/users/me", headers=token["headers"])
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "token_revoked")
    assert (await client.get("/v1/users/me", headers=other["headers"])).status_code == 200
    listed = (await client.get("/v1/tokens", headers=signed_in)).json()["data"]
    assert [each["id"] for each in listed] == [other["id"]]
    assert (await client.delete(f"/v1/tokens/{token['id']}", headers=signed_in)).status_code == 404


async def test_what_another_replica_revokes_works_fifteen_seconds_at_most(
    client: httpx2.AsyncClient,
    connect: Connect,
    make_parts: Callable[..., AuthParts],
    signed_in: Headers,
    make_token: MakeToken,
    clock: ManualClock,
) -> None:
    token = await make_token()
    await client.get("/v1/users/me", headers=token["headers"])
    async with connect(make_parts()) as replica:
        await replica.delete(f"/v1/tokens/{token['id']}", headers=signed_in)

    # Those who ask on behalf of other services are told the truth of this moment.
    assert (await client.get("/v1/tokens/self", headers=token["headers"])).status_code == 401
    clock.advance(seconds=15)
    assert (await client.get("/v1/users/me", headers=token["headers"])).status_code == 401


async def test_revoking_what_is_not_there_is_not_found(
    client: httpx2.AsyncClient, signed_in: Headers
) -> None:
    for token_id in (str(uuid.uuid4()), "1", "self"):
        answer = await client.delete(f"/v1/tokens/{token_id}", headers=signed_in)
        assert (token_id, answer.status_code) == (token_id, 404)


async def test_tokens_of_others_can_be_neither_seen_nor_revoked(
    client: httpx2.AsyncClient, make_token: MakeToken, ada: dict[str, str]
) -> None:
    token = await make_token()
    await client.post("/v1/users", json={**ada, "username": "bob", "email": "bob@example.com"})
    signed_in = await client.post("/v1/token", json={"username": "bob", "password": ada["password"]})
    bob = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}

    assert (await client.get("/v1/tokens", headers=bob)).json()["data"] == []
    assert (await client.delete(f"/v1/tokens/{token['id']}", headers=bob)).status_code == 404
    assert (await client.get("/v1/users/me", headers=token["headers"])).status_code == 200


async def test_a_token_ends_with_its_time(
    client: httpx2.AsyncClient, make_token: MakeToken, clock: ManualClock
) -> None:
    token = await make_token(expires_in=10)
    assert (await client.get("/v1/users/me", headers=token["headers"])).status_code == 200

    for seconds in (10, 60):
        clock.advance(seconds=seconds)
        ended = await client.get("/v1/users/me", headers=token["headers"])
        assert (ended.status_code, ended.json()["error"]["code"]) == (401, "token_expired")


async def test_the_last_use_is_known_to_the_minute(
    client: httpx2.AsyncClient, signed_in: Headers, make_token: MakeToken, clock: ManualClock
) -> None:
    token = await make_token(scopes=["jobs:read"])

    async def last_use() -> str:
        await client.get("/v1/tokens/self", headers=token["headers"])
        listed = await client.get("/v1/tokens", headers=signed_in)
        return str(listed.json()["data"][0]["last_used_at"])

    first = await last_use()
    clock.advance(seconds=59)
    assert await last_use() == first
    clock.advance(seconds=15)
    assert await last_use() > first


async def test_a_token_that_was_never_given_is_refused(client: httpx2.AsyncClient) -> None:
    for credential in ("st_" + "A" * 43, "st_", "something", "Basic YTpi", "st_\u00e9"):
        answer = await client.get("/v1/users/me", headers={b"Authorization": credential.encode()})
        assert (credential, answer.status_code) == (credential, 401)
        assert answer.json()["error"]["code"] == "invalid_credentials"


async def test_ended_tokens_are_forgotten_after_a_while(
    client: httpx2.AsyncClient,
    signed_in: Headers,
    make_token: MakeToken,
    clock: ManualClock,
    runtime: Runtime,
) -> None:
    lasting, short, revoked = [await make_token(**w) for w in ({}, {"expires_in": 60}, {})]
    await client.delete(f"/v1/tokens/{revoked['id']}", headers=signed_in)

    async def codes() -> list[str]:
        answers = [await client.get("/v1/users/me", headers=t["headers"]) for t in (lasting, short, revoked)]
        return [a.json().get("error", {}).get("code", "") for a in answers]

    clock.advance(minutes=2)
    await forget_ended(runtime)
    assert await codes() == ["", "token_expired", "token_revoked"]
    clock.advance(seconds=KEPT.total_seconds())
    await forget_ended(runtime)
    assert await codes() == ["", "invalid_credentials", "invalid_credentials"]
