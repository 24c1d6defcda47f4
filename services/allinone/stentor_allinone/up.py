"""Everything in one process: API, queue, worker, database, files."""

import asyncio
from collections.abc import Callable

from stentor_allinone.compose import AllSettings, compose
from stentor_common.host import create_app
from stentor_common.migrate import upgrade
from stentor_common.runtime import Runtime, open_runtime
from stentor_common.serve import background, serve, stopped_by_signals
from stentor_common.sweep import recover
from stentor_common.worker import run_worker


async def up(settings: AllSettings, ready: Callable[[str, Runtime], None]) -> None:
    """Serve until a signal, or `runtime.stopping`, says stop. `ready` is told the URL."""
    everything = compose(settings)
    services = everything.services
    async with open_runtime(settings.common) as runtime, stopped_by_signals(runtime):
        await upgrade(runtime.db.engine)
        if settings.common.embedded:
            await recover(runtime)
        app = create_app(runtime, services, everything.authenticate(runtime))
        async with background(runtime, services), asyncio.TaskGroup() as group:
            group.create_task(run_worker(runtime, services))
            group.create_task(serve(runtime, app, ready=lambda url: ready(url, runtime)))
