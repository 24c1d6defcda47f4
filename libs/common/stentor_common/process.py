"""How a process of one service starts and ends: `python -m stentor_<name> api|worker`."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import structlog
import uvloop
from pydantic import ValidationError
from pydantic_settings import SettingsError

from stentor_common import log as logs
from stentor_common.adapters import MissingExtra, UnknownAdapter
from stentor_common.auth import Authenticator
from stentor_common.errors import AppError, BadInput
from stentor_common.folder_lock import FolderInUse
from stentor_common.host import create_app, create_probe_app
from stentor_common.migrate import require_current
from stentor_common.remote_auth import RemoteAuthenticator
from stentor_common.runtime import Runtime, open_runtime
from stentor_common.serve import background, serve, stopped_by_signals
from stentor_common.service import Service
from stentor_common.settings import Settings
from stentor_common.worker import run_worker

SWITCH_SECONDS = 0.001
"""How long a thread may keep the others from running Python. The interpreter's own 5 ms would add up:
a job changes between event loop, database and decoder dozens of times."""

EXPECTED = (
    AppError,
    MissingExtra,
    UnknownAdapter,
    FolderInUse,
    OSError,
    ValidationError,
    SettingsError,
)
"""What may be wrong at a start without being a defect: said in one line, without a traceback."""

Build = Callable[[], Service]
Authenticate = Callable[[Runtime], Authenticator]

log = structlog.get_logger()


def main(build: Build, authenticate: Authenticate | None = None) -> None:
    """The command line of one service. Its API asks the auth service who calls, unless it is told how
    to know by itself."""
    parser = argparse.ArgumentParser(description="One process of a Stentor service.")
    parser.add_argument("role", choices=["api", "worker"])
    role = parser.parse_args().role
    with clear_failures():
        settings = Settings()
    if role == "api":
        run(settings, lambda: run_api(settings, build, authenticate or _ask_auth_service))
    else:
        run(settings, lambda: run_jobs(settings, build))


def run(settings: Settings, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a process to its end. What keeps it from starting is one clear line and exit status 1."""
    logs.configure(settings)
    sys.setswitchinterval(SWITCH_SECONDS)
    with clear_failures(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work())


@contextmanager
def clear_failures() -> Iterator[None]:
    """What is expected to go wrong at a start ends the process with clear lines instead of a traceback."""
    try:
        yield
    except* EXPECTED as group:
        for error in group.exceptions:
            for line in _told(error):
                sys.stderr.write(f"stentor: {line}\n")
        sys.exit(1)


def _told(error: BaseException) -> list[str]:
    if not isinstance(error, ValidationError):
        return [str(error)]
    wrong = error.errors(include_url=False, include_input=False)
    return [f"{error.title}: {'.'.join(map(str, each['loc']))}: {each['msg']}" for each in wrong]


async def run_api(settings: Settings, build: Build, authenticate: Authenticate) -> None:
    async with _opened(settings, build) as (runtime, service):
        authenticator = authenticate(runtime)
        try:
            await serve(runtime, create_app(runtime, [service], authenticator), ready=_ready)
        finally:
            await authenticator.close()


async def run_jobs(settings: Settings, build: Build) -> None:
    """A worker. Its web server answers probes and metrics only."""
    async with _opened(settings, build) as (runtime, service), asyncio.TaskGroup() as group:
        group.create_task(serve(runtime, create_probe_app(runtime), ready=_ready))
        group.create_task(run_worker(runtime, [service]))


@asynccontextmanager
async def _opened(settings: Settings, build: Build) -> AsyncIterator[tuple[Runtime, Service]]:
    """What both kinds of processes stand on. Raises what may be wrong with it, before anything is done."""
    _refuse_embedded(settings)
    service = build()
    async with open_runtime(settings) as runtime:
        await require_current(runtime.db)
        async with stopped_by_signals(runtime), background(runtime, [service]):
            yield runtime, service


def _ask_auth_service(runtime: Runtime) -> Authenticator:
    if not runtime.settings.auth_url:
        raise BadInput("STENTOR_AUTH_URL must name the auth service, for example http://auth:8000")
    return RemoteAuthenticator(runtime.settings.auth_url, runtime.clock)


def _refuse_embedded(settings: Settings) -> None:
    shared = {
        "STENTOR_DATABASE_URL": settings.database_url,
        "STENTOR_QUEUE_URL": "" if settings.embedded else settings.queue_url,
        "STENTOR_STORE_URL": settings.store_url,
    }
    missing = [name for name, value in shared.items() if not value]
    if missing:
        raise BadInput(
            f"a process of its own needs what others reach too: set {', '.join(missing)}, "
            "or run everything in one process with `stentor up`"
        )


def _ready(url: str) -> None:
    log.info("listening", url=url)
