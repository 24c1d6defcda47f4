"""The auth service on a database of its own, with a clock that tests move and hashing that is quick."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from stentor_auth.keys import Keys, load_keys
from stentor_auth.parts import AuthParts
from stentor_auth.service import build_authenticator, build_service, parts_with
from stentor_auth.settings import AuthSettings
from stentor_common import jwt
from stentor_common.clock import ManualClock
from stentor_common.host import create_app
from stentor_common.runtime import Runtime, open_runtime
from stentor_common.settings import Settings

MakeApp = Callable[[AuthParts], FastAPI]
Connect = Callable[[AuthParts], httpx2.AsyncClient]
MakeParts = Callable[..., AuthParts]
Headers = dict[str, str]


@pytest.fixture(scope="session")
def pem() -> str:
    """The key that signs."""
    return jwt.generate_pem()


@pytest.fixture(scope="session")
def other_pem() -> str:
    """A key of somebody else, or of another time."""
    return jwt.generate_pem()


@pytest.fixture
def settings(tmp_path: Path, empty_database: Path) -> Settings:
    shutil.copy(empty_database, tmp_path)
    return Settings(data_dir=tmp_path, sign_ins_per_minute=0)


@pytest.fixture
async def runtime(settings: Settings, clock: ManualClock) -> AsyncIterator[Runtime]:
    async with open_runtime(settings, clock) as opened:
        yield opened


@pytest.fixture(scope="session")
def keys_of() -> Callable[[str, str], Keys]:
    """Reading a key takes longer than most tests."""

    @cache
    def read(signing: str, previous: str) -> Keys:
        return load_keys(AuthSettings(signing_key=signing, previous_keys=previous), Settings())

    return read


@pytest.fixture
def make_parts(keys_of: Callable[[str, str], Keys], pem: str) -> MakeParts:
    """Another replica of the service, or one with other settings: it shares nothing but the database."""

    def make(*, signing_key: str = pem, previous_keys: str = "", **changed: Any) -> AuthParts:
        cheap = {"password_memory_kib": 8, "password_passes": 1, "password_lanes": 1}
        return parts_with(AuthSettings(**{**cheap, **changed}), keys_of(signing_key, previous_keys))

    return make


@pytest.fixture
def parts(make_parts: MakeParts) -> AuthParts:
    return make_parts()


@pytest.fixture
def make_app(runtime: Runtime) -> MakeApp:
    def make(parts: AuthParts) -> FastAPI:
        return create_app(runtime, [build_service(parts)], build_authenticator(runtime, parts))

    return make


@pytest.fixture
def connect(make_app: MakeApp) -> Connect:
    """A client of a replica with these parts."""

    def connected(parts: AuthParts) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=make_app(parts))
        return httpx2.AsyncClient(transport=transport, base_url="http://stentor")

    return connected


@pytest.fixture
async def client(connect: Connect, parts: AuthParts) -> AsyncIterator[httpx2.AsyncClient]:
    async with connect(parts) as opened:
        yield opened


@pytest.fixture
def ada() -> dict[str, str]:
    return {"username": "Ada", "email": "ada@example.com", "password": "a long password"}


@pytest.fixture
async def signed_in(client: httpx2.AsyncClient, ada: dict[str, str]) -> Headers:
    """Ada's headers after she has registered and signed in."""
    assert (await client.post("/v1/users", json=ada)).status_code == 201
    answer = await client.post("/v1/token", json={"username": "Ada", "password": ada["password"]})
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.fixture
def make_token(client: httpx2.AsyncClient, signed_in: Headers) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Make an API token of Ada's; returns the answer with `headers` to use it."""

    async def make(**wanted: Any) -> dict[str, Any]:
        answer = await client.post("/v1/tokens", json={"name": "test", **wanted}, headers=signed_in)
        assert answer.status_code == 201
        found: dict[str, Any] = answer.json()
        return {**found, "headers": {"Authorization": f"Token {found['token']}"}}

    return make
