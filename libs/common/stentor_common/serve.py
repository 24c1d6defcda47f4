"""What a process runs beside its work: a server, signals, upkeep, reports to the catalog."""

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from errno import EADDRINUSE

import structlog
import uvicorn
from fastapi import FastAPI

from stentor_common.catalog import REPORT_SECONDS, OfferRepository
from stentor_common.db import DatabaseUnavailable
from stentor_common.desk import attended
from stentor_common.runtime import Runtime
from stentor_common.service import Service
from stentor_common.sockets import SocketMemory, bounded_by
from stentor_common.sweep import job_sweeps, release, run_sweeps
from stentor_common.webhooks.delivery import Deliverer, delivering
from stentor_common.wishes import MODELS_CHANGED

ENDING = (signal.SIGTERM, signal.SIGINT)

IDLE_SECONDS = 75
"""After which an idle connection is closed: later than proxies do it (ingress-nginx: 60). Else one now
and then sends a request on a connection that is just being closed, and tells its caller of an error."""

log = structlog.get_logger()


@contextlib.asynccontextmanager
async def stopped_by_signals(runtime: Runtime) -> AsyncIterator[None]:
    """Within the block the first SIGTERM or SIGINT asks the process to end, a second one ends it at once."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        runtime.stopping.set()
        runtime.signals.wake()
        for number in ENDING:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in ENDING:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in ENDING:
            loop.remove_signal_handler(number)


@contextlib.asynccontextmanager
async def background(runtime: Runtime, services: Sequence[Service]) -> AsyncIterator[None]:
    """Upkeep, webhooks, the desks and reports to the catalog, while the block lasts."""
    process_id = runtime.process_id
    deliverers = [Deliverer(runtime, service) for service in services if service.handlers]
    sweeps = [
        *job_sweeps(runtime),
        *(deliverer.sweep() for deliverer in deliverers),
        *(sweep for service in services for sweep in service.sweeps),
    ]
    tasks = [
        asyncio.create_task(run_sweeps(runtime, sweeps, process_id), name="sweeps"),
        asyncio.create_task(_report_offers(runtime, services), name="offers"),
    ]
    try:
        async with (
            accompanied(runtime, services),
            attended(runtime, services),
            delivering(runtime, deliverers),
        ):
            yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # A database that is away must not keep a process from ending.
        with contextlib.suppress(DatabaseUnavailable):
            await release(runtime, process_id)
            async with runtime.begin() as work:
                await OfferRepository(work.session).withdraw(process_id)


@contextlib.asynccontextmanager
async def accompanied(runtime: Runtime, services: Sequence[Service]) -> AsyncIterator[None]:
    """What services run beside requests and jobs, while the block lasts."""
    async with contextlib.AsyncExitStack() as stack:
        for service in services:
            if service.beside:
                await stack.enter_async_context(service.beside(runtime))
        yield


async def serve(runtime: Runtime, app: FastAPI, *, ready: Callable[[str], None] | None = None) -> None:
    """Answer requests until `runtime.stopping` is set, then let open ones finish for a while.

    `ready` is told the URL once connections are accepted.
    """
    settings = runtime.settings
    listener = _listen(settings.host, settings.port)
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            forwarded_allow_ips=settings.forwarded_allow_ips,
            timeout_graceful_shutdown=max(1, int(settings.shutdown_seconds)),
            timeout_keep_alive=IDLE_SECONDS,
            ws=bounded_by(SocketMemory(settings.socket_memory_bytes)),
            ws_max_size=settings.max_socket_message_bytes,
            # Sound does not get smaller by it.
            ws_per_message_deflate=False,
        )
    )
    serving = asyncio.create_task(server.serve([listener]))
    _stay()
    if ready:
        ready(_url(listener))
    stopping = asyncio.create_task(runtime.stopping.wait())
    await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    runtime.stopping.set()
    server.should_exit = True
    stopping.cancel()
    await serving


def _stay() -> None:
    """What is there when serving begins is not looked through for garbage again: with a quarter of a million
    objects of routes and models that took 0.2 s each time, in which nobody was answered."""
    gc.collect()
    gc.freeze()


class _Server(uvicorn.Server):
    """Leaves signals to us: the worker beside it must hear them too."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _listen(host: str, port: int) -> socket.socket:
    """Bound here, not by the server, so that a port in use is an OSError like any other."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        hint = "; is another Stentor running? Choose another with PORT=…" if error.errno == EADDRINUSE else ""
        raise OSError(f"cannot listen on {host} port {port}: {error.strerror}{hint}") from error
    # Connections that come before the server's first turn wait here.
    listener.listen(2048)
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _report_offers(runtime: Runtime, services: Sequence[Service]) -> None:
    with runtime.signals.subscribe(MODELS_CHANGED) as changed:
        while True:
            try:
                offers = [offer for service in services for offer in await asyncio.to_thread(service.offers)]
                async with runtime.begin() as work:
                    repository = OfferRepository(work.session)
                    await repository.report(runtime.process_id, offers, runtime.clock.now())
            except Exception:
                # A report that is missing costs a line in a list; it must not end the process.
                log.exception("offers could not be reported")
            await changed.wait(REPORT_SECONDS)
