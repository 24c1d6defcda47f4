"""The replicas of one revision, as pods that the cluster keeps."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from stentor_common.errors import AppError, Unavailable
from stentor_deploy.errors import LoadFailed
from stentor_deploy.running import LogLine, Replica, RunSpec
from stentor_deploy.running.kubernetes import pods, wishes
from stentor_deploy.running.kubernetes.cluster import (
    DEPLOYMENT,
    POD,
    Cluster,
    Conflicting,
    Object,
    TooOld,
)
from stentor_deploy.running.kubernetes.manifests import Manifests, name_of
from stentor_deploy.running.kubernetes.replica import PodReplica, follow, join

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0
"""Seconds between attempts to reach a cluster that does not answer."""
JOIN_PAUSE = 0.1
"""Seconds between attempts to reach a model that does not listen yet: its caller waits."""
FIRST_AFTER_FAILURE, LONGEST_AFTER_FAILURE = 5.0, 300.0
"""Seconds until a model that did not load is tried again in another pod."""


@dataclass(slots=True)
class _Seen:
    """A pod as it was seen last, and what is done about it."""

    pod: Object
    from_start: bool
    """Whether its container has printed nothing yet that was told to others."""
    waits: bool = False
    """Whether it was told that it waits for a node."""
    serving: asyncio.Task[None] | None = None
    following: asyncio.Task[None] | None = None
    replica: PodReplica | None = None


class KubernetesFleet:
    """`who` is this fleet's name among those of other gateways; `lay_out` makes what the revision needs in
    the cluster, and returns the token that its pods ask for."""

    def __init__(
        self,
        cluster: Cluster,
        manifests: Manifests,
        spec: RunSpec,
        *,
        who: str,
        lay_out: Callable[[], Awaitable[str]],
        tell: LogLine,
    ) -> None:
        self.spec = spec
        self._cluster, self._manifests, self._who, self._tell = cluster, manifests, who, tell
        self._lay_out = lay_out
        self._settings = manifests.settings
        self._token = ""
        self._laid_out = asyncio.Event()
        self._wanted = 0
        self._trouble: AppError | None = None
        self._unanswered: AppError | None = None
        self._pods: dict[str, _Seen] = {}
        self._restarts = self._failures = 0
        self._tells = False
        self._changed = asyncio.Event()
        self._asked = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def ready(self) -> Sequence[Replica]:
        return [seen.replica for seen in self._pods.values() if seen.replica and pods.address(seen.pod)]

    @property
    def wanted(self) -> int:
        return self._wanted

    @property
    def trouble(self) -> AppError | None:
        return self._trouble

    @property
    def restarts(self) -> int:
        return self._restarts

    async def scale(self, replicas: int) -> None:
        if replicas and not self._wanted:
            self._trouble = None
        self._wanted = replicas
        if replicas and not self._tasks:
            self._tasks = [
                asyncio.create_task(self._for_ever(self._wish)),
                asyncio.create_task(self._for_ever(self._watch)),
                asyncio.create_task(self._for_ever(self._explain)),
            ]
        self._asked.set()

    async def changed(self) -> None:
        await self._changed.wait()

    async def close(self) -> None:
        """Withdraw what this gateway wished; pods end unless another one wants them."""
        self._wanted = 0
        begun = bool(self._tasks)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for name in list(self._pods):
            await self._forget(name)
        self._tasks = []
        self._say()
        if begun:
            # Where the cluster does not answer the wish lapses by itself.
            with contextlib.suppress(Unavailable):
                await self._settle()

    async def _for_ever(self, what: Callable[[], Awaitable[None]]) -> None:
        """Again and again; after an error of the cluster with growing pauses."""
        pause = FIRST_PAUSE
        while True:
            try:
                await what()
                pause = FIRST_PAUSE
            except AppError as error:
                self._in_trouble(error)
                self._unanswered = self._trouble
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    # What is wanted, written down.

    async def _wish(self) -> None:
        self._asked.clear()
        await self._settle()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.wish_seconds / 4):
                await self._asked.wait()

    async def _settle(self) -> None:
        name, lapse = name_of(self.spec.revision), timedelta(seconds=self._settings.wish_seconds)
        while True:
            if self._wanted and not self._laid_out.is_set():
                self._token = await self._lay_out()
                self._laid_out.set()
            found = await self._cluster.read(DEPLOYMENT, name)
            if found is None:
                if not self._wanted:
                    return
                self._laid_out.clear()
                continue
            now = datetime.now(UTC)
            change = wishes.change(found, now, lapse, **{self._who: self._wanted})
            try:
                if change is not None:
                    found = await self._cluster.merge(DEPLOYMENT, name, change)
            except Conflicting:
                continue
            if found is not None:
                self._answered()
                self._tell_or_not(wishes.first(found, now, lapse) == self._who)
                return

    def _answered(self) -> None:
        if self._trouble and self._trouble is self._unanswered:
            self._trouble = self._unanswered = None
            self._say()

    # What is there.

    async def _watch(self) -> None:
        labels = self._manifests.of_revision(self.spec.revision)
        found, version = await self._cluster.find(POD, labels)
        self._answered()
        for pod in found:
            self._see(pod, since_start=False)
        for name in self._pods.keys() - {pod["metadata"]["name"] for pod in found}:
            await self._forget(name)
        while True:
            try:
                events = self._cluster.watch(POD, labels, version)
                async with aclosing(events):
                    async for kind, pod in events:
                        version = pod["metadata"]["resourceVersion"]
                        if kind == "DELETED":
                            await self._forget(pod["metadata"]["name"])
                        elif kind != "BOOKMARK":
                            self._see(pod, since_start=True)
            except TooOld:
                return
            await asyncio.sleep(FIRST_PAUSE)

    def _see(self, pod: Object, *, since_start: bool) -> None:
        name = pod["metadata"]["name"]
        seen = self._pods.setdefault(name, _Seen(pod, since_start))
        before, seen.pod = seen.pod, pod
        self._restarts += max(0, pods.restarts(pod) - pods.restarts(before))
        if found := pods.trouble(pod, self._settings.node_seconds):
            self._in_trouble(found)
        self._tell_waiting(seen)
        again = pods.incarnation(before) != pods.incarnation(pod)
        if again:
            seen.from_start = True
        if pods.address(pod) and (again or not seen.serving):
            _cancel(seen.serving, seen.following)
            seen.serving, seen.following = asyncio.create_task(self._serve(seen)), None
            self._follow(seen)
        self._say()

    def _tell_waiting(self, seen: _Seen) -> None:
        """For a node, which may take minutes."""
        if self._tells and not seen.waits and (why := pods.unplaced(seen.pod)):
            seen.waits = True
            self._tell("system", f"waiting for a node: {why}", "")

    def _follow(self, seen: _Seen) -> None:
        if self._tells and seen.following is None and pods.address(seen.pod):
            name = seen.pod["metadata"]["name"]
            following = follow(self._cluster, name, self._tell, since_start=seen.from_start)
            seen.following, seen.from_start = asyncio.create_task(following), False

    def _tell_or_not(self, tells: bool) -> None:
        """One of all gateways tells what models print."""
        self._tells = tells
        for seen in self._pods.values():
            if tells:
                self._tell_waiting(seen)
                self._follow(seen)
            else:
                _cancel(seen.following)
                seen.following, seen.from_start = None, False

    async def _forget(self, name: str) -> None:
        if seen := self._pods.pop(name, None):
            await asyncio.gather(*_cancel(seen.serving, seen.following), return_exceptions=True)
            self._say()

    async def _serve(self, seen: _Seen) -> None:
        """Keep a connection to a pod whose container runs; calls go on in it while the pod is ending."""
        name, address = seen.pod["metadata"]["name"], str(pods.address(seen.pod))
        # Pods of other gateways are there before this one knows their token.
        await self._laid_out.wait()
        while True:
            try:
                seen.replica = await join(name, address, self.spec, self._token, self._end_at_once)
                self._failures, self._trouble = 0, None
                self._say()
                await seen.replica.ended()
            except OSError:
                pass  # It does not listen yet, or not any more: its pod's state says which.
            except LoadFailed as error:
                self._in_trouble(error)
                await self._pause_after_failure()
                await self._end_at_once(name)
            except AppError as error:
                self._in_trouble(error)
            finally:
                left, seen.replica = seen.replica, None
                if left:
                    left.close()
                    self._say()
            await asyncio.sleep(JOIN_PAUSE)

    async def _pause_after_failure(self) -> None:
        """The runner of a model that did not load waits, to be asked why, until its pod is given an end."""
        self._failures += 1
        await asyncio.sleep(min(FIRST_AFTER_FAILURE * 2 ** (self._failures - 1), LONGEST_AFTER_FAILURE))

    async def _end_at_once(self, pod: str) -> None:
        """Of a call that nothing else ends, or a model that does not load."""
        try:
            await self._cluster.delete(POD, pod, at_once=True)
            self._restarts += 1
        except AppError as error:
            # Whatever comes next in this pod fails as well, and tries this again.
            self._in_trouble(error)

    async def _explain(self) -> None:
        """What pods that are there said may have been forgotten; of those that are not made there is no
        state that could say why."""
        await asyncio.sleep(self._settings.poll_seconds)
        if len(self.ready) < self._wanted:
            for seen in self._pods.values():
                if reason := pods.trouble(seen.pod, self._settings.node_seconds):
                    self._in_trouble(reason)
        if len(self._pods) < self._wanted:
            found = await self._cluster.read(DEPLOYMENT, name_of(self.spec.revision))
            if found and (reason := pods.not_made(found)):
                self._in_trouble(reason)

    def _in_trouble(self, error: AppError) -> None:
        if str(error) != str(self._trouble):
            self._trouble = error
            self._say()

    def _say(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def _cancel(*tasks: asyncio.Task[None] | None) -> list[asyncio.Task[None]]:
    begun = [task for task in tasks if task]
    for task in begun:
        task.cancel()
    return begun
