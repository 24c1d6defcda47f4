"""Models as processes of this machine, each behind a sandbox of its own."""

import asyncio
import itertools
import json
import secrets
import shutil
from functools import partial
from pathlib import Path

from stentor_common.errors import AppError, Unavailable
from stentor_deploy.errors import LoadFailed, ModelLost
from stentor_deploy.runner import frames
from stentor_deploy.running import Fleet, Loaded, LogLine, RunSpec, leftovers
from stentor_deploy.running.child import Child, Told, first_of, launch
from stentor_deploy.running.connection import ConnectionLost
from stentor_deploy.running.fleet import Live, ProcessFleet
from stentor_deploy.running.output import Output
from stentor_deploy.running.replica import ConnectedReplica, load_failure, read_loaded
from stentor_deploy.running.sandbox import OWN_USERS, Place, plan, runner_command
from stentor_deploy.running.standby import Standbys, possible
from stentor_deploy.running.watch import watch
from stentor_deploy.settings import DeploySettings


class ProcessDriver:
    """Driver, see the port. What replicas write while they run lies in `run` of `folder`."""

    name = "process"

    def __init__(self, settings: DeploySettings, folder: Path) -> None:
        self._settings, self._folder = settings, folder / "run"
        self._standbys = Standbys(settings)
        # Servers that share a machine should not share users: the system counts processes by user.
        self._numbers = itertools.count(secrets.randbelow(len(OWN_USERS)))
        self._fleets: list[ProcessFleet] = []
        self._taken: list[str] = []
        """Numbers of accelerators, as often as replicas use them."""
        self._loaded: dict[str, Loaded] = {}
        """What each revision's last replica said that was started from nothing."""
        self._cleaning: set[asyncio.Task[None]] = set()
        self._cleared = False

    async def fleet(self, spec: RunSpec, tell: LogLine) -> Fleet:
        if not self._cleared:
            self._cleared = True
            await asyncio.to_thread(leftovers.clear, self._folder)
        made = ProcessFleet(
            spec,
            start=partial(self._start, spec, tell),
            asleep=partial(self._stand_by, spec),
            closed=partial(self._forget, spec),
            standby=lambda: self._standbys.find(spec) is not None,
        )
        self._fleets.append(made)
        return made

    async def close(self) -> None:
        await asyncio.gather(*(each.close() for each in [*self._fleets]))
        await self._standbys.close()
        await asyncio.gather(*self._cleaning)

    async def _start(self, spec: RunSpec, tell: LogLine) -> Live:
        """Raises LoadFailed, Unavailable."""
        replica: ConnectedReplica | None = None
        output = Output(tell, lambda: replica.alone if replica else "")
        told = Told()
        child, place, copied = await self._begin(spec, output, told)
        self._taken += place.accelerators.split(",")
        child.ended.add_done_callback(lambda _: self._clean(place))
        watching = asyncio.ensure_future(watch(child, spec.limits, place.scratch))
        child.ended.add_done_callback(lambda _: watching.cancel())
        try:
            loaded = await self._load(child, told, spec, copied=copied)
        except BaseException:
            await child.end("it is not wanted any more")
            raise
        replica = ConnectedReplica(
            f"{spec.revision}-{child.process.pid}", loaded, child.connection, child.end
        )
        replica.lost = child.reason
        return Live(replica, child)

    async def _begin(self, spec: RunSpec, output: Output, told: Told) -> tuple[Child, Place, bool]:
        """A process, and whether it is the copy of another."""
        standby = self._standbys.find(spec)
        if standby:
            try:
                return *await standby.copy(output, told), True
            except (AppError, ConnectionLost, TimeoutError, ValueError, OSError):
                self._standbys.drop(spec.revision)
                told.again()
        place = self._place(spec)
        try:
            made = plan(spec, self._settings, place, runner_command(spec))
            return await launch(made, output, told, most_bytes=spec.limits.answer_bytes), place, False
        except BaseException:
            self._clean(place)
            raise

    async def _load(self, child: Child, told: Told, spec: RunSpec, *, copied: bool) -> Loaded:
        start = {
            "package": str(spec.folder),
            "config": dict(spec.config),
            "secrets": dict(spec.secrets),
            "concurrency": spec.concurrency,
            "answer_bytes": spec.limits.answer_bytes,
            "known": copied and spec.revision in self._loaded,
        }
        try:
            child.connection.send(frames.START, body=json.dumps(start).encode())
            kind, body = await first_of(told.loading, child, spec.load_seconds)
            if kind == frames.NOT_LOADED:
                raise load_failure(body)
            known = self._loaded.get(spec.revision) if start["known"] else None
            loaded = read_loaded(body, told.confined.result(), known)
        except TimeoutError:
            await child.end(f"it did not load within {spec.load_seconds:g} s")
        except (ConnectionLost, ModelLost, ValueError):
            await child.end("it said something else than a loaded model does")
        else:
            self._loaded[spec.revision] = loaded
            return loaded
        raise LoadFailed(f"the model did not load: {child.why}", details="\n".join(child.output.last))

    def _stand_by(self, spec: RunSpec) -> None:
        """Its last replica is leaving: the next one shall be there at once."""
        loaded = self._loaded.get(spec.revision)
        if loaded and self._settings.standbys and possible(spec) and not self._standbys.has(spec):
            self._standbys.prepare(spec, self._place(spec), loaded.modules)

    def _forget(self, spec: RunSpec, fleet: ProcessFleet) -> None:
        self._fleets.remove(fleet)
        if all(each.spec.revision != spec.revision for each in self._fleets):
            self._standbys.drop(spec.revision)
            self._loaded.pop(spec.revision, None)

    def _place(self, spec: RunSpec) -> Place:
        """Raises Unavailable when there are too few accelerators."""
        number = next(self._numbers)
        place = Place(
            self._folder / leftovers.scratch_name(spec.revision, number),
            OWN_USERS[number % len(OWN_USERS)],
            self._accelerators(spec),
        )
        place.make()
        return place

    def _accelerators(self, spec: RunSpec) -> str:
        """The least used ones."""
        if not spec.gpus:
            return ""
        there = sorted(path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*"))
        if len(there) < spec.gpus:
            raise Unavailable(f"the model needs {spec.gpus} GPU(s); this machine has {len(there)}")
        return ",".join(sorted(there, key=self._taken.count)[: spec.gpus])

    def _clean(self, place: Place) -> None:
        for each in place.accelerators.split(","):
            if each in self._taken:
                self._taken.remove(each)
        removed = asyncio.ensure_future(asyncio.to_thread(shutil.rmtree, place.scratch, ignore_errors=True))
        self._cleaning.add(removed)
        removed.add_done_callback(self._cleaning.discard)
