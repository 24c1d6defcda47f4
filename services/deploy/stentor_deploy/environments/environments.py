"""Environments of this machine: made once for each lock, shared by all packages that resolve to it."""

import asyncio
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from packaging.requirements import Requirement

from stentor_common.errors import Unavailable
from stentor_deploy.environments import Environment, Lock, Tell, Wanted
from stentor_deploy.environments.bytecode import SHARED_FROM, Bytecode
from stentor_deploy.environments.explaining import explained
from stentor_deploy.environments.indexes import Indexes, own_builds
from stentor_deploy.environments.installers import Installer, InstallFailed
from stentor_deploy.environments.locks import held_now, locked
from stentor_deploy.environments.plan import Plan, planned, relaxed
from stentor_deploy.environments.pythons import Interpreter, choices
from stentor_deploy.environments.requirements import applies, read_requirements
from stentor_deploy.environments.rules import EnvironmentRules
from stentor_deploy.environments.space import while_there_is_space
from stentor_deploy.environments.system_packages import check_system_packages
from stentor_deploy.environments.tools import Tools, found_tools, found_uv
from stentor_deploy.environments.wheels import Downloads, Wheels
from stentor_deploy.errors import BuildFailed
from stentor_deploy.packages import Note

LOCK_FILE = "stentor-lock.json"
"""In each environment: what it was made from. Written last, so that one with it is whole."""
MAKING = ".making"


class Environments:
    """Environments in a folder, with what was downloaded for them. Several processes may share the folder.

    `downloads`, a Fetcher, brings wheels that are given by their address; without one these are refused.
    """

    def __init__(
        self,
        folder: Path,
        rules: EnvironmentRules,
        downloads: Downloads | None = None,
        *,
        with_uv: bool = True,
    ) -> None:
        self._folder = folder.absolute()
        self._made = self._folder / "made"
        self._locks = self._folder / "locks"
        self._rules = rules
        self._wheels = Wheels(self._folder / "wheels", downloads if rules.allow_url_requirements else None)
        self._bytecode = Bytecode(self._folder / "bytecode")
        self._with_uv = with_uv
        self._tools: asyncio.Task[Tools] | None = None

    async def resolve(self, wanted: Wanted, tell: Tell) -> Lock:
        """Exact versions for what a package asks. Raises Unsupported for requirements that are none and for
        system packages that are missing, BuildFailed for what cannot be met, Unavailable when the index does
        not answer."""
        await check_system_packages(wanted.system_packages)
        async with self._within_time("resolving its requirements"):
            tools = await self._known_tools()
            asked = read_requirements(
                wanted.requirements, known_indexes=tools.indexes.known, allow_urls=self._wheels.allowed
            )
            requirements = [await self._wheels.brought(one) for one in asked.requirements]
            failures: list[BuildFailed] = []
            for interpreter, notes in choices(wanted, tools.interpreters):
                plan = await _planned(wanted, requirements, tools.indexes, interpreter)
                plan = replace(plan, notes=(*notes, *asked.notes, *plan.notes))
                try:
                    lines, plan = await self._resolved(tools.installer, plan, interpreter, tell)
                except BuildFailed as error:
                    failures.append(error)
                    continue
                for note in plan.notes:
                    tell(note.message)
                return lock_of(interpreter, [self._wheels.public(line) for line in lines], plan.notes)
        raise failures[0]

    async def ensure(self, lock: Lock, tell: Tell) -> Environment:
        """The environment of a lock, made now if it is not there. Raises BuildFailed, and Unavailable when
        the index does not answer or this machine has no such Python."""
        found = self._whole(lock.key)
        if found is None:
            self._prepare()
            async with locked(self._locks / lock.key):
                # Whoever had the lock has made it, unless they failed.
                found = self._whole(lock.key)
                if found is None:
                    async with self._within_time("making its environment"):
                        found = await self._make(lock, tell)
        await asyncio.to_thread(os.utime, found.folder)
        return found

    async def compile(self, environment: Environment, modules: Collection[str]) -> int:
        """Write the bytecode of modules, by their dotted names; models cannot, and would start slowly.
        Returns how many files were compiled. No code of the environment runs. Raises Unavailable."""
        lock = self._lock(environment.key)
        if lock is None:
            raise Unavailable("the environment is gone; it is made again when it is needed")
        tools = await self._known_tools()
        return await self._bytecode.compile(environment.folder, modules, tools.interpreter(lock))

    def known(self) -> list[Environment]:
        """Those that are whole."""
        found = [self._whole(path.name) for path in self._made.glob("*") if not path.name.startswith(MAKING)]
        return [environment for environment in found if environment]

    async def remove_unused(self, keys_in_use: Collection[str], older_than: timedelta) -> list[str]:
        """Remove environments that nobody names and that were last asked for before that time, what is left
        of attempts, and downloads. Returns the keys of those removed."""
        self._prepare()
        removed = await asyncio.to_thread(self._remove, frozenset(keys_in_use), older_than.total_seconds())
        if removed:
            tools = await self._known_tools()
            try:
                await tools.installer.forget()
            except InstallFailed as error:
                raise Unavailable("the cache of packages could not be cleared") from error
        return removed

    async def _resolved(
        self, installer: Installer, plan: Plan, interpreter: Interpreter, tell: Tell
    ) -> tuple[list[str], Plan]:
        while plan.requirements:
            try:
                return await installer.resolve(plan, interpreter, tell), plan
            except InstallFailed as error:
                words = str(error)
            failure = explained(words, plan, interpreter, sources=self._rules.allow_source_builds)
            # What cannot be reached is not there in other versions either.
            another = None if isinstance(failure, Unavailable) else relaxed(plan, words)
            if another is None:
                raise failure
            plan = another
        return [], plan

    async def _make(self, lock: Lock, tell: Tell) -> Environment:
        tools = await self._known_tools()
        interpreter = tools.interpreter(lock)
        making = self._made / f"{MAKING}-{lock.key}-{secrets.token_hex(4)}"
        try:
            await asyncio.to_thread(self._clear_attempts, lock.key)
            lines = [await self._wheels.local(line) for line in lock.lines]
            installing = tools.installer.install(lines, interpreter, making, tell)
            await while_there_is_space(installing, self._folder, self._rules.keep_free_bytes)
            _check_interpreter(making, interpreter)
            (making / LOCK_FILE).unlink(missing_ok=True)
            (making / LOCK_FILE).write_text(lock.model_dump_json())
            await asyncio.to_thread(self._share, lock, making, interpreter)
            await asyncio.to_thread(self._put, making, self._made / lock.key)
        except InstallFailed as error:
            sources = self._rules.allow_source_builds
            raise explained(str(error), Plan(lock.lines), interpreter, sources=sources) from None
        finally:
            await asyncio.to_thread(shutil.rmtree, making, ignore_errors=True)
        return self._environment(lock.key)

    def _put(self, making: Path, place: Path) -> None:
        """Under its name. What is there already is broken: its interpreter was updated or removed."""
        shutil.rmtree(place, ignore_errors=True)
        making.rename(place)

    def _share(self, lock: Lock, making: Path, interpreter: Interpreter) -> None:
        """Have bytecode from environments that are like this one, those first that were used last."""
        others = sorted(self.known(), key=lambda one: one.folder.stat().st_mtime, reverse=True)
        alike = (one.folder for one in others if self._is_like(one, lock))
        self._bytecode.share(making, islice(alike, SHARED_FROM), interpreter)

    def _is_like(self, other: Environment, lock: Lock) -> bool:
        found = self._lock(other.key)
        return found is not None and found.python == lock.python and not {*found.lines}.isdisjoint(lock.lines)

    def _clear_attempts(self, key: str) -> None:
        """Of processes that were killed; whoever holds the lock of the key is alone."""
        for path in self._made.glob(f"{MAKING}-{key}-*"):
            shutil.rmtree(path, ignore_errors=True)

    def _remove(self, in_use: frozenset[str], older_seconds: float) -> list[str]:
        before = datetime.now(UTC).timestamp() - older_seconds
        removed = []
        for path in sorted(self._made.iterdir()):
            attempt = path.name.startswith(MAKING)
            key = path.name.split("-")[1] if attempt else path.name
            if not attempt and (key in in_use or path.stat().st_mtime > before):
                continue
            with held_now(self._locks / key) as held:
                if held:
                    shutil.rmtree(path, ignore_errors=True)
                    if not attempt:
                        self._bytecode.forget(key)
                        removed.append(key)
        if removed:
            self._wheels.clear()
        return removed

    def _whole(self, key: str) -> Environment | None:
        found = self._environment(key)
        # A link to an interpreter that is gone does not exist.
        whole = (found.folder / LOCK_FILE).is_file() and found.python.exists()
        return found if whole else None

    def _lock(self, key: str) -> Lock | None:
        path = self._made / key / LOCK_FILE
        return Lock.model_validate_json(path.read_bytes()) if path.is_file() else None

    def _environment(self, key: str) -> Environment:
        folder = self._made / key
        return Environment(key, folder, folder / "bin" / "python")

    def _prepare(self) -> None:
        for folder in (self._made, self._locks):
            folder.mkdir(parents=True, exist_ok=True)
        for folder in (self._folder, self._made):
            # Models may run as other users.
            folder.chmod(0o755)

    @asynccontextmanager
    async def _within_time(self, doing: str) -> AsyncIterator[None]:
        seconds = self._rules.build_seconds
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise BuildFailed(f"{doing} took longer than {seconds:g} seconds, the limit here") from None

    async def _known_tools(self) -> Tools:
        """Asked for once. Nobody's cancelling ends it for the others."""
        if self._tools is None or (self._tools.done() and self._tools.exception()):
            self._prepare()
            uv = found_uv() if self._with_uv else None
            self._tools = asyncio.create_task(found_tools(self._rules, self._folder, uv=uv))
        return await asyncio.shield(self._tools)


def lock_of(interpreter: Interpreter, lines: Iterable[str], notes: Iterable[Note]) -> Lock:
    """Named by its contents: whatever resolves to the same shares an environment."""
    ordered = tuple(sorted(lines))
    said = json.dumps([interpreter.python, interpreter.platform, ordered])
    return Lock(
        python=interpreter.python,
        platform=interpreter.platform,
        lines=ordered,
        key=hashlib.sha256(said.encode()).hexdigest(),
        notes=tuple(notes),
    )


async def _planned(
    wanted: Wanted, asked: Iterable[Requirement], indexes: Indexes, interpreter: Interpreter
) -> Plan:
    builds = await asyncio.to_thread(own_builds, indexes, interpreter)
    applying = [requirement for requirement in asked if applies(requirement, interpreter.python)]
    return planned(wanted, applying, own_builds=builds, today=datetime.now(UTC).date())


def _check_interpreter(making: Path, interpreter: Interpreter) -> None:
    """A wheel may bring files of any name, and we rely on this one."""
    if (making / "bin" / "python").resolve() != interpreter.path:
        raise BuildFailed("one of the requirements replaces the Python interpreter of its environment")
