"""Registering, reading, changing and removing an account."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2

from stentor_auth.parts import AuthParts
from stentor_common.clock import ManualClock

Headers = dict[str, str]
MakeToken = Callable[..., Awaitable[dict[str, Any]]]


async def test_registering_answers_with_the_account(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    answer = await client.post("/v1/users", json={**ada, "email": "Ada@Example.com"})

    assert answer.status_code == 201
    found = answer.json()
    assert uuid.UUID(found.pop("id"))
    assert found.pop("created_at") == found.pop("modified_at")
    assert found == {"username": "Ada", "email": "ada@example.com"}


async def test_a_name_and_an_address_belong_to_one_user(
    client: httpx2.AsyncClient, ada: dict[str, str]
) -> None:
    await client.post("/v1/users", json=ada)

    async def refusal(**changed: str) -> tuple[int, str, str]:
        answer = await client.post("/v1/users", json={**ada, **changed})
        error = answer.json()["error"]
        return answer.status_code, error["code"], error["param"]

    for same in ("Ada", "aDA", "\uff21da"):
        assert await refusal(username=same, email="other@example.com") == (409, "username_taken", "username")
    for same in ("ada@example.com", "ADA@example.com"):
        assert await refusal(username="other", email=same) == (409, "email_taken", "email")
    assert await refusal() == (409, "username_taken", "username")


async def test_of_those_who_register_the_same_name_at_once_one_gets_it(
    client: httpx2.AsyncClient, ada: dict[str, str]
) -> None:
    wishes = [{**ada, "email": f"ada{n}@example.com"} for n in range(5)]

    answers = await asyncio.gather(*(client.post("/v1/users", json=wish) for wish in wishes))

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]


async def test_a_bad_registration_is_refused_with_the_field_that_is_wrong(
    client: httpx2.AsyncClient, ada: dict[str, str]
) -> None:
    bad: dict[str, list[Any]] = {
        "username": ["ab", " ab ", "a" * 128, "ada@example.com", "ada\u0000", "ada\u200b", None],
        "email": ["ada", "ada@", "ada@example.com\n", ["ada@example.com"]],
        "password": ["short", "a" * 256, None],
        "admin": [True],
    }
    for param, values in bad.items():
        for value in values:
            answer = await client.post("/v1/users", json={**ada, param: value})
            assert (value, answer.status_code) == (value, 400)
            assert answer.json()["error"]["param"] == param


async def test_names_of_all_lengths_and_alphabets_are_welcome(client: httpx2.AsyncClient) -> None:
    for n, username in enumerate(["abc", "a" * 127, "Zoë Ödegård", "ß" * 127]):
        user = {"username": username, "email": f"{n}@example.com", "password": "a long password"}
        answer = await client.post("/v1/users", json=user)
        assert (answer.status_code, answer.json().get("username")) == (201, username)


async def test_an_account_can_be_read(client: httpx2.AsyncClient, signed_in: Headers) -> None:
    answer = await client.get("/v1/users/me", headers=signed_in)

    assert (answer.status_code, answer.json()["username"]) == (200, "Ada")


async def test_a_credential_may_be_spelled_in_many_ways(
    client: httpx2.AsyncClient, signed_in: Headers, make_token: MakeToken
) -> None:
    for credential in (signed_in["Authorization"].split()[1], (await make_token())["token"]):
        for spelling in (
            {"Authorization": f"Bearer {credential}"},
            {"authorization": f"bearer {credential}"},
            {"Authorization": f"Token {credential}"},
            {"Authorization": f"TOKEN  {credential}"},
            {"Authorization": f"Api-Key {credential}"},
            {"Authorization": credential},
            {"x-access-token": credential},
        ):
            answer = await client.get("/v1/users/me", headers=spelling)
            assert (spelling, answer.status_code) == (spelling, 200)


async def test_an_account_needs_a_credential(client: httpx2.AsyncClient) -> None:
    for method, path in (
        ("GET", "/v1/users/me"),
        ("PATCH", "/v1/users/me"),
        ("DELETE", "/v1/users/me"),
        ("GET", "/v1/tokens"),
        ("POST", "/v1/tokens"),
        ("GET", "/v1/tokens/self"),
        ("DELETE", "/v1/tokens/1"),
    ):
        answer = await client.request(method, path, json={"name": "x"} if method == "POST" else {})
        assert (method, path, answer.status_code) == (method, path, 401)
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_name_and_address_can_be_changed(
    client: httpx2.AsyncClient, signed_in: Headers, ada: dict[str, str], clock: ManualClock
) -> None:
    clock.advance(minutes=1)
    answer = await client.patch(
        "/v1/users/me", json={"username": "Countess", "email": "Countess@example.com"}, headers=signed_in
    )

    assert answer.status_code == 200
    found = answer.json()
    assert (found["username"], found["email"]) == ("Countess", "countess@example.com")
    assert found["modified_at"] > found["created_at"]
    again = await client.post("/v1/token", json={"username": "countess", "password": ada["password"]})
    assert again.status_code == 200


async def test_changing_nothing_but_the_case_of_the_own_name_is_allowed(
    client: httpx2.AsyncClient, signed_in: Headers
) -> None:
    answer = await client.patch("/v1/users/me", json={"username": "ADA"}, headers=signed_in)

    assert (answer.status_code, answer.json()["username"]) == (200, "ADA")


async def test_what_another_user_has_cannot_be_taken(
    client: httpx2.AsyncClient, signed_in: Headers, ada: dict[str, str]
) -> None:
    await client.post("/v1/users", json={**ada, "username": "bob", "email": "bob@example.com"})
    for change, code in (
        ({"username": "BOB"}, "username_taken"),
        ({"email": "BOB@example.com"}, "email_taken"),
        ({"username": "Bob", "email": "bob@example.com"}, "username_taken"),
    ):
        answer = await client.patch("/v1/users/me", json=change, headers=signed_in)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, code)

    assert (await client.get("/v1/users/me", headers=signed_in)).json()["username"] == "Ada"


async def test_a_new_password_needs_the_one_until_now(
    client: httpx2.AsyncClient, signed_in: Headers, ada: dict[str, str]
) -> None:
    async def change(**sent: str) -> httpx2.Response:
        return await client.patch("/v1/users/me", json=sent, headers=signed_in)

    async def sign_in(password: str) -> int:
        answer = await client.post("/v1/token", json={"username": "Ada", "password": password})
        return answer.status_code

    assert (await change(password="a new password")).status_code == 400
    wrong = await change(password="a new password", current_password="a guess")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "wrong_password")
    assert await sign_in("a new password") == 401

    right = await change(password="a new password", current_password=ada["password"])
    assert right.status_code == 200
    assert (await sign_in("a new password"), await sign_in(ada["password"])) == (200, 401)


async def test_a_removed_account_is_gone_with_its_tokens(
    client: httpx2.AsyncClient, signed_in: Headers, make_token: MakeToken, ada: dict[str, str]
) -> None:
    token = await make_token()
    assert (await client.get("/v1/users/me", headers=token["headers"])).status_code == 200

    assert (await client.delete("/v1/users/me", headers=signed_in)).status_code == 204

    gone = await client.get("/v1/users/me", headers=signed_in)
    assert (gone.status_code, gone.json()["error"]["code"]) == (401, "account_gone")
    assert (await client.get("/v1/users/me", headers=token["headers"])).status_code == 401
    credentials = {"username": "Ada", "password": ada["password"]}
    assert (await client.post("/v1/token", json=credentials)).status_code == 401
    assert (await client.post("/v1/users", json=ada)).status_code == 201


async def test_a_token_without_the_scope_cannot_touch_the_account(
    client: httpx2.AsyncClient, make_token: MakeToken
) -> None:
    token = await make_token(scopes=["jobs:read", "jobs:write"])

    for method, path in (("GET", "/v1/users/me"), ("DELETE", "/v1/users/me"), ("GET", "/v1/tokens")):
        answer = await client.request(method, path, headers=token["headers"])
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")


async def test_an_installation_may_take_no_new_users(
    connect: Callable[[AuthParts], httpx2.AsyncClient],
    make_parts: Callable[..., AuthParts],
    ada: dict[str, str],
) -> None:
    closed = connect(make_parts(registration=False))

    answer = await closed.post("/v1/users", json=ada)

    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "registration_closed"
