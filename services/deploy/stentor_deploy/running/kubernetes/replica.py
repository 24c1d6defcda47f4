"""A connection to the model in a pod, and what it prints."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from stentor_common.errors import Unavailable
from stentor_deploy.errors import LoadFailed, ModelLost
from stentor_deploy.runner import frames
from stentor_deploy.runner.lines import END_OF_MARK, MARK
from stentor_deploy.running import Isolation, LogLine, RunSpec
from stentor_deploy.running.connection import Connection, open_tcp
from stentor_deploy.running.kubernetes.cluster import Cluster
from stentor_deploy.running.kubernetes.manifests import PORT
from stentor_deploy.running.replica import ConnectedReplica, load_failure, read_loaded

ISOLATION = ("container", "user", "seccomp", "capabilities", "read-only files", "network policy")
"""What every pod asks for, see `manifests`; that policies hold is up to the cluster's network."""

LOG_PAUSE = 1.0
"""Seconds until a log is asked for again that could not be had."""

EndPod = Callable[[str], Awaitable[None]]
"""Ends a pod at once, by its name."""


class PodReplica(ConnectedReplica):
    async def ended(self) -> None:
        """Returns when nothing more comes from it."""
        await asyncio.shield(self._connection.ended)

    def close(self) -> None:
        self._connection.close()


async def join(pod: str, address: str, spec: RunSpec, token: str, end_pod: EndPod) -> PodReplica:
    """Connect to a model and wait until it is loaded. Raises OSError while it does not listen, LoadFailed,
    and ModelLost when it ended meanwhile."""
    told: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()

    def take(kind: int, body: bytes) -> None:
        if kind in (frames.LOADED, frames.NOT_LOADED) and not told.done():
            told.set_result((kind, body))

    async def end(_reason: str) -> None:
        await end_pod(pod)

    connection = await open_tcp(address, PORT, token, most_bytes=spec.limits.answer_bytes, told=take)
    try:
        kind, body = await _first(connection, told, spec.load_seconds)
        if kind == frames.NOT_LOADED:
            raise load_failure(body)
        return PodReplica(pod, read_loaded(body, Isolation(ISOLATION, {})), connection, end)
    except ValueError as error:
        connection.close()
        raise LoadFailed("the model's runner does not keep to the protocol", details=str(error)) from error
    except BaseException:
        connection.close()
        raise


async def _first(
    connection: Connection, told: asyncio.Future[tuple[int, bytes]], seconds: float
) -> tuple[int, bytes]:
    waiting: set[asyncio.Future[Any]] = {told, connection.ended}
    await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    if told.done():
        return told.result()
    if connection.ended.done():
        raise ModelLost(f"the model ended while it loaded: {connection.ended.result()}")
    raise LoadFailed(f"the model took longer than {seconds:g} s to load, the limit here")


async def follow(cluster: Cluster, pod: str, tell: LogLine, *, since_start: bool) -> None:
    """Tell what the model in a pod prints, until its container ends. The cluster does not say which stream a
    line was on."""
    while True:
        try:
            async for line in cluster.log(pod, "model", since_start=since_start):
                since_start = False
                _tell(line, tell)
            return
        except Unavailable:
            await asyncio.sleep(LOG_PAUSE)


def _tell(line: str, tell: LogLine) -> None:
    raw = line.encode()
    if raw.startswith(MARK) and END_OF_MARK in raw:
        request_id, _, raw = raw[len(MARK) :].partition(END_OF_MARK)
        tell("stdout", raw.decode(errors="replace"), request_id.decode(errors="replace"))
    else:
        tell("stdout", line, "")
