"""Signing in with a password."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from stentor_auth.parts import AuthParts
from stentor_auth.repository import UserRepository
from stentor_common.clock import ManualClock
from stentor_common.runtime import Runtime
from stentor_common.settings import Settings

Headers = dict[str, str]
Connect = Callable[[AuthParts], httpx2.AsyncClient]


@pytest.fixture(autouse=True)
async def registered(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    await client.post("/v1/users", json=ada)


async def test_signing_in_with_name_or_address_as_json_or_form(
    client: httpx2.AsyncClient, ada: dict[str, str]
) -> None:
    for name in (
        {"username": "Ada"},
        {"username": "ADA"},
        {"username": "ada@example.com"},
        {"email": "Ada@Example.com"},
    ):
        sent = {**name, "password": ada["password"]}
        as_json = await client.post("/v1/token", json=sent)
        as_form = await client.post("/v1/token", data=sent)
        assert (name, as_json.status_code, as_form.status_code) == (name, 200, 200)


async def test_signing_in_gives_an_access_token(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    answer = await client.post("/v1/token", json={"username": "Ada", "password": ada["password"]})

    assert answer.headers["cache-control"] == "no-store"
    found = answer.json()
    token = found.pop("access_token")
    assert found == {"token_type": "bearer", "expires_in": 900}
    me = await client.get("/v1/users/me", headers={"Authorization": f"Bearer {token}"})
    assert me.json()["username"] == "Ada"


async def test_fields_of_an_oauth_form_do_no_harm(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    form = {"grant_type": "password", "scope": "", "username": "Ada", "password": ada["password"]}

    assert (await client.post("/v1/token", data=form)).status_code == 200


async def test_nobody_learns_whether_the_name_or_the_password_was_wrong(
    client: httpx2.AsyncClient, ada: dict[str, str]
) -> None:
    wrong_password = await client.post("/v1/token", json={"username": "Ada", "password": "a guess"})
    no_such_name = await client.post("/v1/token", json={"username": "Bob", "password": ada["password"]})
    not_a_name = await client.post("/v1/token", json={"username": "A\u0000", "password": ada["password"]})

    assert wrong_password.status_code == no_such_name.status_code == not_a_name.status_code == 401
    assert wrong_password.json() == no_such_name.json() == not_a_name.json()


async def test_a_sign_in_that_lacks_something_is_a_bad_request(client: httpx2.AsyncClient) -> None:
    bad: list[tuple[dict[str, Any], str | None]] = [
        ({"username": "Ada"}, "password"),
        ({"password": "a long password"}, None),
        ({"username": "Ada", "email": "ada@example.com", "password": "a long password"}, None),
        ({"username": ["Ada"], "password": "a long password"}, "username"),
    ]
    for body, param in bad:
        answer = await client.post("/v1/token", json=body)
        assert (body, answer.status_code, answer.json()["error"]["param"]) == (body, 400, param)


async def test_a_body_that_is_no_json_is_a_bad_request(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/token", content=b"{", headers={"Content-Type": "application/json"})

    assert answer.status_code == 400


async def test_an_access_token_ends_with_its_time_and_a_new_one_can_be_had_in_spite_of_it(
    client: httpx2.AsyncClient, signed_in_again: Headers, ada: dict[str, str], clock: ManualClock
) -> None:
    clock.advance(seconds=929)
    assert (await client.get("/v1/users/me", headers=signed_in_again)).status_code == 200
    clock.advance(seconds=2)
    ended = await client.get("/v1/users/me", headers=signed_in_again)
    assert (ended.status_code, ended.json()["error"]["code"]) == (401, "token_expired")

    # A client that sends its old token with every request.
    body = {"username": "Ada", "password": ada["password"]}
    renewed = await client.post("/v1/token", json=body, headers=signed_in_again)
    assert renewed.status_code == 200


@pytest.fixture
async def signed_in_again(client: httpx2.AsyncClient, ada: dict[str, str]) -> Headers:
    answer = await client.post("/v1/token", json={"username": "Ada", "password": ada["password"]})
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def test_a_hash_with_old_parameters_is_renewed_at_sign_in(
    connect: Connect,
    make_parts: Callable[..., AuthParts],
    runtime: Runtime,
    ada: dict[str, str],
) -> None:
    async def stored() -> str:
        async with runtime.db.reading() as session:
            user = await UserRepository(session).named("ada")
        assert user
        return user.password_hash

    assert "m=8,t=1,p=1" in await stored()
    credentials = {"username": "Ada", "password": ada["password"]}
    async with connect(make_parts(password_passes=2)) as stricter:
        await stricter.post("/v1/token", json={**credentials, "password": "a guess"})
        assert "t=1" in await stored()
        assert (await stricter.post("/v1/token", json=credentials)).status_code == 200
        assert "m=8,t=2,p=1" in await stored()
        assert (await stricter.post("/v1/token", json=credentials)).status_code == 200


async def test_a_stricter_installation_asks_for_longer_passwords(
    connect: Connect, make_parts: Callable[..., AuthParts]
) -> None:
    async with connect(make_parts(password_min_length=12)) as stricter:
        new = {"username": "bob", "email": "bob@example.com", "password": "11 letters."}
        short = await stricter.post("/v1/users", json=new)
        assert (short.status_code, short.json()["error"]["code"]) == (400, "password_too_short")
        assert (await stricter.post("/v1/users", json={**new, "password": "12 letters.."})).status_code == 201


class TestWithALimit:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"sign_ins_per_minute": 4})

    async def test_an_address_may_not_guess_for_ever(
        self, client: httpx2.AsyncClient, ada: dict[str, str]
    ) -> None:
        right = {"username": "Ada", "password": ada["password"]}
        token = (await client.post("/v1/token", json=right)).json()["access_token"]
        for _ in range(2):
            await client.post("/v1/token", json={**right, "password": "a guess"})

        # One was for registering. An account does not buy more guesses.
        refused = await client.post("/v1/token", json=right, headers={"x-access-token": token})
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        assert (await client.post("/v1/users", json=ada)).status_code == 429

    async def test_the_password_cannot_be_guessed_by_changing_it(
        self, client: httpx2.AsyncClient, signed_in_again: Headers
    ) -> None:
        change = {"password": "a new password", "current_password": "a guess"}
        answers = [await client.patch("/v1/users/me", json=change, headers=signed_in_again) for _ in range(5)]

        assert [answer.status_code for answer in answers] == [400, 400, 400, 400, 429]
