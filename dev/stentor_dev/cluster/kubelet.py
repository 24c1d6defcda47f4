"""Runs the pods of the one node."""

import asyncio
import contextlib
import itertools
import secrets
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from stentor_dev.cluster.objects import Event, Manifest, Objects, Refused
from stentor_dev.cluster.pods import LOOK_SECONDS, Node, PodProcesses
from stentor_dev.paper.networks import Place


class Kubelet:
    def __init__(self, objects: Objects, node: Node, folder: Path) -> None:
        self._objects, self._node, self._folder = objects, node, folder
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._pods: dict[str, PodProcesses] = {}
        # Clusters of tests that run side by side must not meet.
        net = f"127.{secrets.randbelow(200) + 50}.{secrets.randbelow(256)}"
        self._addresses = (f"{net}.{n % 254 + 1}" for n in itertools.count())

    def changed(self, event: Event) -> None:
        pod = event.after
        if event.plural != "pods" or pod is None:
            return
        name = pod["metadata"]["name"]
        if name not in self._tasks:
            self._pods[name] = self._pod(pod)
            self._tasks[name] = asyncio.create_task(self._live(self._pods[name]))
        elif pod["metadata"].get("deletionTimestamp"):
            self._pods[name].end(pod["metadata"]["deletionGracePeriodSeconds"])

    def log(self, name: str, container: str, *, from_now: bool) -> AsyncIterator[bytes]:
        """What a container prints, until it ends. Raises Refused."""
        pod = self._pods.get(name)
        if pod is None:
            raise Refused(404, "NotFound", f'pods "{name}" not found')
        path = pod.folder / f"{container}.log"
        if not path.exists():
            raise Refused(400, "BadRequest", f'container "{container}" in pod "{name}" is waiting to start')
        return _follow(path, path.stat().st_size if from_now else 0, lambda: container in pod.running)

    async def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _pod(self, pod: Manifest) -> PodProcesses:
        folder = self._folder / pod["metadata"]["name"]
        network = self._node.network
        place = network.join(pod) if network else Place(next(self._addresses), 0)
        return PodProcesses(self._objects, self._node, pod, folder, place)

    async def _live(self, pod: PodProcesses) -> None:
        try:
            await pod.run()
            await pod.ended.wait()
        finally:
            await pod.kill()
            if self._node.network:
                self._node.network.leave(pod.place)
            shutil.rmtree(pod.folder, ignore_errors=True)
        with contextlib.suppress(Refused):
            self._objects.remove("pods", pod.namespace, pod.name)


async def _follow(path: Path, start: int, goes_on: Callable[[], bool]) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while True:
            more = goes_on()
            if piece := await asyncio.to_thread(file.read):
                yield piece
            elif more:
                await asyncio.sleep(LOOK_SECONDS)
            else:
                return
