"""What the platform costs: jobs whose engine does nothing, embedded and distributed."""

import asyncio
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from load import submit_and_wait
from machine import resident_mib
from servers import all_in_one, nothing_doing, short_sound, signed_up, uploaded

from stentor_dev.distributed import Distributed, programs

WARM_UP, ONE_CLIENT, MANY_CLIENTS = 200, 300, 2_000
CLIENTS = 16
WORKERS = 2


def embedded() -> dict[str, Any]:
    with _folder() as folder, all_in_one(nothing_doing(folder)) as server:
        return asyncio.run(_measure(server.url, folder, {"all-in-one": server.pid}))


def distributed() -> dict[str, Any]:
    with _folder() as folder:
        settings = {**nothing_doing(folder), "STENTOR_LOG_LEVEL": "warning"}
        with Distributed(argvs=programs(WORKERS), settings=settings) as system:
            names = ("auth", "stt-api", *(f"stt-worker-{number + 1}" for number in range(WORKERS)))
            pids = {name: child.pid for name in names if (child := system.members[name].child)}
            return {"workers": WORKERS, **asyncio.run(_measure(system.url, folder, pids))}


async def _measure(url: str, folder: Path, pids: dict[str, int]) -> dict[str, Any]:
    memory = {"before_the_first_job": _resident(pids)}
    headers = signed_up(url)
    body = json.dumps({"upload_id": uploaded(url, headers, short_sound(folder / "short.wav"))}).encode()
    await submit_and_wait(url, headers, body, jobs=WARM_UP, clients=CLIENTS)
    memory[f"after_{WARM_UP}_jobs"] = _resident(pids)
    one = await submit_and_wait(url, headers, body, jobs=ONE_CLIENT, clients=1)
    many = await submit_and_wait(url, headers, body, jobs=MANY_CLIENTS, clients=CLIENTS)
    memory[f"after_{WARM_UP + ONE_CLIENT + MANY_CLIENTS}_jobs"] = _resident(pids)
    return {"one_client": one.summary(), f"{CLIENTS}_clients": many.summary(), "memory_mib": memory}


def _resident(pids: dict[str, int]) -> dict[str, float]:
    return {name: resident_mib(pid) for name, pid in pids.items()}


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="stentor-bench-") as folder:
        yield Path(folder)
