"""The build of a revision: its package read, its environment made, loaded and tried, then given its calls."""

import asyncio
import contextlib
import shutil
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stentor_common.errors import Conflict
from stentor_common.fetch import Fetcher
from stentor_common.jobs.run import JobRun, Progress
from stentor_common.runtime import Runtime
from stentor_common.store import ObjectMissing
from stentor_common.uploads import Upload, store_key
from stentor_common.uploads import delete as delete_uploads
from stentor_deploy.delivery import package_key, stored
from stentor_deploy.deployments import ALL, route_to
from stentor_deploy.environments import Environment, Lock, Wanted
from stentor_deploy.errors import BadPackage
from stentor_deploy.logs import LogBook, LogKind
from stentor_deploy.package_files import PackageFiles
from stentor_deploy.packages import Package
from stentor_deploy.packages.external import fetch_external
from stentor_deploy.packages.git import fetch_git
from stentor_deploy.packages.hub import Shelves, bring_weights
from stentor_deploy.packages.opening import open_package
from stentor_deploy.packages.rules import Given, Rules
from stentor_deploy.place import Place
from stentor_deploy.repository import DeploymentRepository, RevisionRepository
from stentor_deploy.routes_cache import DEPLOYMENTS_CHANGED, RoutesCache
from stentor_deploy.run_specs import RunSpecs
from stentor_deploy.running import Fleet
from stentor_deploy.secrets import SecretRepository
from stentor_deploy.serving.gateway import Gateway
from stentor_deploy.serving.tried import Redirected, TriedFleet
from stentor_deploy.settings import DeploySettings
from stentor_deploy.sources import Source, SourceKind
from stentor_deploy.states import RevisionState
from stentor_deploy.tables import Deployment, Revision
from stentor_deploy.trials import Trial
from stentor_deploy.trying import Tryout

SECRETS_MISSING = "secrets_missing"


@dataclass(frozen=True, slots=True)
class Workshop:
    """What builds are done with."""

    settings: DeploySettings
    files: PackageFiles
    place: Place
    specs: RunSpecs
    logs: LogBook
    routes: RoutesCache
    gateway: Gateway


class Build:
    """One run of the build of a revision. Run again, it goes on with what is there."""

    def __init__(self, workshop: Workshop, runtime: Runtime, run: JobRun, revision: Revision) -> None:
        self._shop = workshop
        self._runtime = runtime
        self._run = run
        self._revision = revision
        self._source = Source.model_validate(revision.source)
        self.tell = workshop.logs.builder(revision.id)

    async def done(self) -> RevisionState:
        """Where it ends: ready, or waiting for secrets. Raises BadPackage, BuildFailed, LoadFailed, and what
        keeps models from running here at all."""
        await self._move(RevisionState.building)
        package = await self._package()
        environment = await self._environment(package)
        secrets = await self._secrets()
        if missing := [name for name in package.secrets if name not in secrets]:
            message = f"set the secrets {', '.join(missing)} at PUT /v1/deployments/{{name}}/secrets"
            await self._say_last(message)
            await self._move(RevisionState.needs_secrets, code=SECRETS_MISSING, message=message)
            return RevisionState.needs_secrets
        await self._move(RevisionState.loading)
        tried = await self._fleet(environment, secrets)
        async with self._shop.gateway.trying(self._revision.deployment_id, self._revision.id, tried):
            trial = await self._trial(tried.fleet, package, environment)
            await self._finish(package, trial)
        return RevisionState.ready

    async def _package(self) -> Package:
        """The package, opened and kept. Raises BadPackage."""
        runtime, revision = self._runtime, self._revision
        if revision.package and await stored(runtime.store, package_key(str(revision.id))):
            self.tell("the package was read before")
            return Package.model_validate(revision.package)
        self._report("opening")
        opened = self._shop.files.new()
        try:
            package = await self._opened(opened)
            size = await self._shop.files.keep(runtime.store, revision.id, opened)
        finally:
            await asyncio.to_thread(shutil.rmtree, opened, ignore_errors=True)
        for note in package.notes:
            self.tell(f"note: {note.message}")
        written = package.model_dump(mode="json")
        revision.package = written
        async with runtime.db.transaction() as session:
            await RevisionRepository(session).note_package(revision.id, package=written, package_bytes=size)
            if package.secret_values:
                await self._keep_secrets(SecretRepository(session, runtime.sealer), package)
        return package

    async def _keep_secrets(self, secrets: SecretRepository, package: Package) -> None:
        """Values that stood in the configuration; those set by its owner win."""
        deployment_id = self._revision.deployment_id
        there = {each.name for each in await secrets.listed(deployment_id)}
        new: dict[str, str | None] = {
            name: value for name, value in package.secret_values.items() if name not in there
        }
        await secrets.put(deployment_id, new, self._runtime.clock.now())

    async def _opened(self, into: Path) -> Package:
        rules = Rules.of(self._shop.settings)
        async with AsyncExitStack() as stack:
            source = self._source
            extra = {
                name: await stack.enter_async_context(self._upload(upload_id))
                for name, upload_id in source.extra.items()
            }
            given = Given(
                file_name=source.filename,
                framework=source.framework,
                task=source.task,
                requirements=source.requirements,
                python=source.python,
                extra=extra,
                allow_cpu=source.allow_cpu,
            )
            if source.kind is SourceKind.git:
                came = await stack.enter_async_context(self._repository(rules))
            else:
                assert source.upload_id
                came = await stack.enter_async_context(self._upload(source.upload_id))
            package = await asyncio.to_thread(open_package, came, into, rules, given)
        if package.external_data:
            await self._fetch(package, into, rules)
        if package.hub_model:
            self._report("fetching")
            self.tell(f"bringing the weights of {package.hub_model}")
            package = await bring_weights(package, into, self._shelves())
        if source.examples is None:
            return package
        new = {"examples": tuple(source.examples), "expected": tuple(source.expected or ())}
        return package.model_copy(update=new)

    def _shelves(self) -> Shelves:
        settings = self._shop.settings
        folder = settings.model_dir or self._runtime.settings.data_dir
        return Shelves(folder, settings.model_hub, settings.max_unpacked_bytes)

    async def _fetch(self, package: Package, into: Path, rules: Rules) -> None:
        """Files that the package names by their address."""
        self._report("fetching")
        fetcher = Fetcher(allowed=self._shop.settings.fetch_allowed)
        try:
            await fetch_external(package, into, fetcher, rules)
        finally:
            await fetcher.close()

    @asynccontextmanager
    async def _upload(self, upload_id: str) -> AsyncIterator[Path]:
        async with AsyncExitStack() as stack:
            try:
                path = await stack.enter_async_context(self._runtime.store.fetch(store_key(upload_id)))
            except ObjectMissing:
                hours = self._runtime.settings.upload_retention_hours
                raise BadPackage(
                    f"what was uploaded is deleted already: that happens {hours:g} hours after it came; "
                    "upload it again as a new revision"
                ) from None
            yield path

    @asynccontextmanager
    async def _repository(self, rules: Rules) -> AsyncIterator[Path]:
        folder = self._shop.files.new()
        assert self._source.git_url
        self.tell(f"fetching {self._source.git_url}")
        try:
            fetched = await fetch_git(self._source.git_url, self._source.ref, folder, rules)
            self.tell(f"at commit {fetched.commit}")
            yield folder
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _environment(self, package: Package) -> Environment:
        """Raises BuildFailed."""
        self._report("resolving")
        place = self._shop.place
        if self._revision.lock:
            lock = Lock.model_validate(self._revision.lock)
        else:
            lock = await place.resolve(wanted_by(package, self._source), self.tell)
            written = lock.model_dump(mode="json")
            self._revision.lock, self._revision.environment = written, lock.key
            async with self._runtime.db.transaction() as session:
                await RevisionRepository(session).note_package(
                    self._revision.id, lock=written, environment=lock.key
                )
        self._report("installing")
        return await place.ensure(lock, self.tell)

    async def _secrets(self) -> dict[str, str]:
        async with self._runtime.db.reading() as session:
            secrets = SecretRepository(session, self._runtime.sealer)
            return await secrets.opened(self._revision.deployment_id)

    async def _fleet(self, environment: Environment, secrets: dict[str, str]) -> TriedFleet:
        """Of this revision, no replicas yet."""
        self._report("loading")
        shop, revision = self._shop, self._revision
        folder = await shop.files.here(self._runtime.store, revision.id)
        lines = Redirected(shop.logs.runner(revision.id, LogKind.build))
        spec = shop.specs.of(revision, folder, environment, secrets)
        return TriedFleet(await shop.place.fleet(spec, lines), lines)

    async def _trial(self, fleet: Fleet, package: Package, environment: Environment) -> Trial:
        """Raises LoadFailed."""
        settings, shop = self._shop.settings, self._shop
        tryout = Tryout(
            most_joined=settings.batch,
            seconds=min(package.predict_seconds or settings.predict_seconds, settings.max_predict_seconds),
        )
        self.tell("loading the model")
        trial, loaded = await tryout.run(fleet, package, allow_mismatch=self._source.allow_mismatch)
        self.tell(f"loaded in {trial.load_seconds:.2f} s; answered {len(trial.examples)} examples")
        for note in trial.notes:
            self.tell(f"note: {note.message}")
        # The next start reads what this one had to compile.
        await shop.place.compile(environment, loaded.modules)
        return trial

    async def _finish(self, package: Package, trial: Trial) -> None:
        """Everything at once: it is ready, has its calls, and what came is not needed any more."""
        await self._say_last("it is ready")
        runtime, revision = self._runtime, self._revision
        now = runtime.clock.now()
        async with runtime.begin() as work:
            deployment = await work.session.get(Deployment, revision.deployment_id, with_for_update=True)
            if deployment is None:
                raise Conflict("the deployment was deleted while its revision was built")
            await RevisionRepository(work.session).move(
                revision.id,
                RevisionState.ready,
                now,
                by=self._run.id,
                trial=trial.model_dump(mode="json"),
                ready_at=now,
                details=None,
            )
            if self._takes_over(deployment):
                route_to(deployment, {str(revision.number): ALL})
            deployment.description = deployment.description or package.description
            deployment.changed, deployment.updated_at = uuid.uuid4(), now
            work.announce(DEPLOYMENTS_CHANGED)
        if self._source.uploads:
            await delete_uploads(runtime, [Upload(id=uuid.UUID(each)) for each in self._source.uploads])
        await self._shop.routes.refresh()

    def _takes_over(self, deployment: Deployment) -> bool:
        """Builds of several revisions may end in another order than they began: an older one takes no calls
        from a newer one."""
        older = all(int(number) < self._revision.number for number in deployment.traffic)
        return not deployment.traffic or (self._source.promote and older)

    async def _say_last(self, line: str) -> None:
        """Written before the state is: whoever sees the end of a build finds all that was said."""
        self.tell(line)
        await self._shop.logs.write(self._runtime)

    async def _move(self, to: RevisionState, **values: Any) -> None:
        self._run.check()
        async with self._runtime.begin() as work:
            now = self._runtime.clock.now()
            await RevisionRepository(work.session).move(self._revision.id, to, now, by=self._run.id, **values)
            await DeploymentRepository(work.session).touch(self._revision.deployment_id, now)
            work.announce(self._run.id)
        self._revision.state = to

    def _report(self, stage: str) -> None:
        self._run.report(Progress(stage))


def wanted_by(package: Package, source: Source) -> Wanted:
    """What a package asks of its environment."""
    return Wanted(
        requirements=package.requirements,
        python=package.python,
        strict_python=package.strict_python,
        system_packages=package.system_packages,
        made_on=package.made_on,
        pickled_with=tuple(sorted(package.pickled_with.items())),
        imports=frozenset(package.imports),
        allow_mismatch=source.allow_mismatch,
    )


async def note_failure(
    runtime: Runtime,
    revision_id: uuid.UUID,
    job_id: uuid.UUID | None,
    *,
    code: str,
    message: str,
    details: str = "",
) -> None:
    """A revision whose build came to nothing: it could not be made, or, once it was made, not be loaded. One
    that is in another state by now, or built by another job, is left as it is."""
    with contextlib.suppress(Conflict):
        async with runtime.begin() as work:
            revisions = RevisionRepository(work.session)
            revision = await revisions.get(revision_id)
            loading = revision.state == RevisionState.loading
            to = RevisionState.load_failed if loading else RevisionState.build_failed
            now = runtime.clock.now()
            told = {"code": code, "message": message, "details": details or None}
            await revisions.move(revision_id, to, now, by=job_id, **told)
            await DeploymentRepository(work.session).touch(revision.deployment_id, now)
            work.announce(DEPLOYMENTS_CHANGED)
