"""Passwords and tokens are nowhere to be found but with their owners."""

import logging
from pathlib import Path
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

Headers = dict[str, str]
PASSWORD, GUESS, NEXT = "correct horse battery", "wrong horse battery", "next horse battery"


async def a_busy_day(client: httpx2.AsyncClient) -> list[str]:
    """Use everything, well and badly; returns the secrets that were in play."""
    me = {"username": "ada", "email": "ada@example.com", "password": PASSWORD}
    await client.post("/v1/users", json={**me, "email": GUESS})
    for _ in range(2):
        await client.post("/v1/users", json=me)
    await client.post("/v1/token", json={"username": "ada", "password": GUESS})
    await client.post("/v1/token", json={"username": ["ada"], "password": GUESS})
    signed_in = await client.post("/v1/token", data={"username": "ada", "password": PASSWORD})
    access = signed_in.json()["access_token"]
    headers = {"Authorization": f"Bearer {access}"}
    token = (await client.post("/v1/tokens", json={"name": "x"}, headers=headers)).json()
    await client.get("/v1/tokens/self", headers={"x-access-token": token["token"]})
    await client.get("/v1/users/me", headers={"x-access-token": access + "x"})
    change = {"password": NEXT, "current_password": GUESS}
    await client.patch("/v1/users/me", json=change, headers=headers)
    await client.patch("/v1/users/me", json={**change, "current_password": PASSWORD}, headers=headers)
    await client.delete(f"/v1/tokens/{token['id']}", headers=headers)
    await client.get("/v1/tokens/self", headers={"x-access-token": token["token"]})
    return [PASSWORD, GUESS, NEXT, access, token["token"]]


async def test_logs_hold_no_secret(client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with capture_logs() as events:
        secrets = await a_busy_day(client)

    said = repr(events) + caplog.text
    assert len(events) > 10
    assert [secret for secret in secrets if secret in said] == []


async def test_the_database_holds_no_secret(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    secrets = await a_busy_day(client)

    stored = b"".join(path.read_bytes() for path in tmp_path.glob("stentor.db*"))
    assert b"ada@example.com" in stored
    assert [secret for secret in secrets if secret.encode() in stored] == []


async def test_a_refusal_does_not_repeat_the_password(client: httpx2.AsyncClient) -> None:
    bad: list[tuple[str, dict[str, Any]]] = [
        ("/v1/users", {"username": "ada", "email": "ada@example.com", "password": "short!!"}),
        ("/v1/users", {"username": "ada", "email": "nowhere", "password": "short!!"}),
        ("/v1/token", {"username": "ada", "password": "short!!"}),
        ("/v1/token", {"password": "short!!"}),
    ]
    for path, body in bad:
        answer = await client.post(path, json=body)
        assert answer.status_code in (400, 401)
        assert "short!!" not in answer.text
