"""The whole product in one process, on a folder of its own, with a clock that tests move; and, for tests
marked `live`, the real servers."""

import asyncio
import ipaddress
import json
import os
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastapi.routing
import httpx2
import pytest
from fastapi import FastAPI

from stentor_common.clock import ManualClock
from stentor_common.db import Database
from stentor_common.migrate import upgrade
from stentor_common.runtime import Runtime, open_runtime
from stentor_common.service import Service
from stentor_common.settings import Settings

if TYPE_CHECKING:
    from stentor_auth.keys import Keys
    from stentor_auth.parts import AuthParts
    from stentor_dev.servers import Servers
    from stentor_stt.audio import Decoder
    from stentor_stt.settings import SttSettings
    from stentor_summarize.settings import SummarizeSettings
    from stentor_tts.settings import TtsSettings

Headers = dict[str, str]
SignUp = Callable[[str], Awaitable[Headers]]

ADDRESS = "203.0.113.9"
"""Where requests of tests come from."""


@pytest.fixture(autouse=True, scope="session")
def _no_settings_of_this_machine() -> Iterator[None]:
    """Variables of the product in a developer's shell must not change what tests see."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("STENTOR_") and not name.startswith("STENTOR_TEST_"):
                patch.delenv(name)
        yield


@pytest.fixture(autouse=True, scope="session")
def _routes_prepared_once() -> Iterator[None]:
    """The framework prepares each route anew for every application that includes it, which takes longer than
    many a test that makes one. Ours are included alike in all of them."""
    prepared: dict[Any, tuple[Any, Any]] = {}
    prepare = fastapi.routing._EffectiveRouteContext.from_api_route

    def once(*, original_route: Any, include_context: Any) -> Any:
        if include_context.dependencies:
            # They may belong to one application, as what accounts are kept with does.
            return prepare(original_route=original_route, include_context=include_context)
        way = (
            include_context.prefix,
            frozenset(include_context.responses),
            include_context.include_in_schema,
        )
        key = (id(original_route), *way)
        if key not in prepared:
            made = prepare(original_route=original_route, include_context=include_context)
            # With the route, lest another one gets its id.
            prepared[key] = (original_route, made)
        return prepared[key][1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fastapi.routing._EffectiveRouteContext, "from_api_route", once)
        yield


@pytest.fixture(autouse=True)
def _loopback_only(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections that leave this machine; live tests may use servers that the environment names."""
    if request.node.get_closest_marker("live"):
        return
    connect = socket.socket.connect

    def checked(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            assert ipaddress.ip_address(address[0]).is_loopback, f"a test wants to reach {address}"
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", checked)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with all tables, to be copied: that takes less than migrating."""
    path = tmp_path_factory.mktemp("database") / "stentor.db"
    migrate_now(f"sqlite+aiosqlite:///{path}")
    return path


@pytest.fixture
def changed_settings() -> dict[str, Any]:
    """What a test sets otherwise: `@pytest.mark.parametrize("changed_settings", [{...}])`."""
    return {}


@pytest.fixture
def settings(tmp_path: Path, empty_database: Path, changed_settings: dict[str, Any]) -> Settings:
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copy(empty_database, folder)
    quick: dict[str, Any] = {"heartbeat_seconds": 0.02, "sweep_seconds": 0.02, "shutdown_seconds": 0.2}
    return Settings(data_dir=folder, **(quick | changed_settings))


@pytest.fixture
async def runtime(settings: Settings, clock: ManualClock) -> AsyncIterator[Runtime]:
    async with open_runtime(settings, clock) as opened:
        yield opened


@pytest.fixture
def script() -> dict[str, Any]:
    """What the engine says, see `Script`; tests replace it like `changed_settings`."""
    return {"texts": ["Hello world.", "How are you?"]}


@pytest.fixture
def changed_stt_settings() -> dict[str, Any]:
    return {}


@pytest.fixture
def scripted(tmp_path: Path, script: dict[str, Any], changed_stt_settings: dict[str, Any]) -> "SttSettings":
    """Speech to text by an engine that says what is written down for it."""
    from stentor_stt.settings import SttSettings

    path = tmp_path / "script.json"
    path.write_text(json.dumps(script))
    patient = {"poll_hold_seconds": 30}
    return SttSettings(engine="scripted", models=[str(path)], **patient | changed_stt_settings)


@pytest.fixture
def voice_script() -> dict[str, Any]:
    """How voices speak, see `stentor_tts.engines.scripted.Script`; tests replace it."""
    return {}


@pytest.fixture
def changed_tts_settings() -> dict[str, Any]:
    return {}


@pytest.fixture
def speaking(
    tmp_path: Path, voice_script: dict[str, Any], changed_tts_settings: dict[str, Any]
) -> "TtsSettings":
    """Text to speech by an engine with two voices, which says tones."""
    from stentor_tts.settings import TtsSettings
    from stentor_tts.voices import VoiceSetting

    path = tmp_path / "voices.json"
    path.write_text(json.dumps(voice_script))
    voices = [
        VoiceSetting(engine="scripted", model=str(path), voice=name, gender=gender, languages=["en", "es"])
        for name, gender in (("high", "female"), ("low", "male"))
    ]
    return TtsSettings(**({"voices": voices} | changed_tts_settings))


@pytest.fixture
def summary_script() -> dict[str, Any]:
    """What the engine of summaries writes, see its `Script`; tests replace it."""
    return {"texts": ["The harbour is closed. Nobody looks at the tides."]}


@pytest.fixture
def changed_summarize_settings() -> dict[str, Any]:
    return {}


@pytest.fixture
def scripted_summaries(
    tmp_path: Path, summary_script: dict[str, Any], changed_summarize_settings: dict[str, Any]
) -> "SummarizeSettings":
    """Summaries by an engine that writes what is written down for it."""
    from stentor_summarize.settings import SummarizeSettings

    path = tmp_path / "summary.json"
    path.write_text(json.dumps(summary_script))
    return SummarizeSettings(**({"models": [f"scripted:{path}"]} | changed_summarize_settings))


@pytest.fixture(scope="session")
def keys() -> "Keys":
    """Reading a key takes longer than most tests."""
    from stentor_auth.keys import load_keys
    from stentor_auth.settings import AuthSettings
    from stentor_common import jwt

    return load_keys(AuthSettings(signing_key=jwt.generate_pem()), Settings())


@pytest.fixture
def auth_parts(keys: "Keys") -> "AuthParts":
    from stentor_auth.service import parts_with
    from stentor_auth.settings import AuthSettings

    cheap = AuthSettings(password_memory_kib=8, password_passes=1, password_lanes=1)
    return parts_with(cheap, keys)


@pytest.fixture(scope="session")
def decoder() -> "Iterator[Decoder]":
    """The processes that decode; starting their server takes longer than most tests."""
    from stentor_stt.audio import Decoder

    shared = Decoder()
    yield shared
    asyncio.run(shared.close())


@pytest.fixture
def services(
    settings: Settings,
    scripted: "SttSettings",
    speaking: "TtsSettings",
    scripted_summaries: "SummarizeSettings",
    auth_parts: "AuthParts",
    decoder: "Decoder",
) -> list[Service]:
    """All there are."""
    from stentor_auth.service import build_service as build_auth
    from stentor_pipelines.service import build_service as build_pipelines
    from stentor_pipelines.settings import PipelineSettings
    from stentor_stt.service import build_service as build_stt
    from stentor_summarize.service import build_service as build_summarize
    from stentor_tts.service import build_service as build_tts

    return [
        build_auth(auth_parts),
        build_stt(settings, scripted, decoder),
        build_tts(settings, speaking),
        build_summarize(settings, scripted_summaries),
        build_pipelines(PipelineSettings()),
    ]


@pytest.fixture
def app(runtime: Runtime, services: list[Service], auth_parts: "AuthParts") -> FastAPI:
    from stentor_auth.service import build_authenticator
    from stentor_common.host import create_app

    return create_app(runtime, services, build_authenticator(runtime, auth_parts))


@pytest.fixture
async def api(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an installation whose workers are away: jobs stay queued."""
    transport = httpx2.ASGITransport(app=app, client=(ADDRESS, 1234), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://stentor", timeout=30) as client:
        yield client


@pytest.fixture
async def client(
    api: httpx2.AsyncClient, runtime: Runtime, services: list[Service]
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an installation that works."""
    async with working(runtime, services):
        yield api


@asynccontextmanager
async def working(runtime: Runtime, services: list[Service]) -> AsyncIterator[None]:
    from stentor_common.desk import attended
    from stentor_common.serve import accompanied
    from stentor_common.worker import run_worker

    async with accompanied(runtime, services):
        worker = asyncio.create_task(run_worker(runtime, services))
        try:
            async with attended(runtime, services):
                yield
        finally:
            runtime.stopping.set()
            await worker


@pytest.fixture
def sign_up(api: httpx2.AsyncClient) -> SignUp:
    """Make an account; returns the headers that its owner sends."""

    async def made(name: str) -> Headers:
        account = {"username": name, "email": f"{name}@example.com", "password": "a long password"}
        assert (await api.post("/v1/users", json=account)).status_code == 201
        answer = await api.post("/v1/token", json={"username": name, "password": account["password"]})
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    return made


@pytest.fixture(scope="session")
def servers() -> Iterator["Servers"]:
    """PostgreSQL, RabbitMQ and S3; started by the first live test that asks."""
    from stentor_dev.servers import Servers

    with Servers() as started:
        yield started


@pytest.fixture(scope="session")
def migrated_postgres(servers: "Servers") -> str:
    """A PostgreSQL database with all tables, to be copied."""
    url = servers.database_url()
    migrate_now(url)
    return url


def migrate_now(url: str) -> None:
    async def migrate() -> None:
        db = Database(url)
        await upgrade(db.engine)
        await db.close()

    # In a thread of its own: the caller's may already have an event loop.
    with ThreadPoolExecutor(max_workers=1) as aside:
        aside.submit(asyncio.run, migrate()).result()
