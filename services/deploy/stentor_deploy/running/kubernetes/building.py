"""Environments made by Jobs of the cluster, where models' pods find them: in the object store.

A Job has two containers that run one after the other: `build` installs and compiles, and knows no secrets,
since requirements that are built from source run their code there; `save` puts the result into the store.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Collection
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Protocol

from stentor_common.errors import AppError, Unavailable
from stentor_common.store import Store
from stentor_deploy.delivery import BUILD_FAILED, BUILD_SETTINGS, LAST_WORDS, environment_key, stored
from stentor_deploy.environments import Environment, Lock, Tell, Wanted
from stentor_deploy.errors import BuildFailed
from stentor_deploy.running.kubernetes import pods
from stentor_deploy.running.kubernetes.cluster import (
    CONFIG_MAP,
    JOB,
    POD,
    SECRET,
    Conflicting,
    Object,
)
from stentor_deploy.running.kubernetes.driver import KubernetesDriver
from stentor_deploy.running.kubernetes.manifests import (
    ENVIRONMENT,
    FILES,
    GIVEN,
    SCRATCH,
    SOME_DISK,
    delivery_secret,
    from_secret,
)
from stentor_deploy.settings import DeploySettings

POLL_SECONDS = 0.5
AROUND_SECONDS = 600
"""What a Job may take besides making the environment: for a node, its image, and storing the result."""
KEPT_SECONDS = 3600
"""A Job that nobody cleared away is removed by the cluster after this."""

KEY = "key"
USED = "stentor/used"


class Resolving(Protocol):
    async def resolve(self, wanted: Wanted, tell: Tell) -> Lock: ...


class ClusterEnvironments:
    """Stands for `Environments` where models run as pods. Requirements are resolved here, by `local`: that
    runs no code of theirs."""

    def __init__(
        self,
        driver: KubernetesDriver,
        store: Store,
        store_url: str,
        settings: DeploySettings,
        local: Resolving,
    ) -> None:
        self._cluster, self._manifests, self._store = driver.cluster, driver.manifests, store
        self._store_url = self._manifests.settings.build_store_url.get_secret_value() or store_url
        self._settings, self._local = settings, local

    async def resolve(self, wanted: Wanted, tell: Tell) -> Lock:
        return await self._local.resolve(wanted, tell)

    async def ensure(self, lock: Lock, tell: Tell) -> Environment:
        """The environment of a lock, made now if it is not there; where it is in a pod. Raises BuildFailed,
        and Unavailable when the cluster cannot make it."""
        while not await stored(self._store, environment_key(lock.key)):
            await self._build(lock, tell)
        await self._cluster.apply(self._record(lock.key))
        return _environment(lock.key)

    async def compile(self, environment: Environment, modules: Collection[str]) -> int:
        """Nothing is left to do: what a Job made is compiled."""
        return 0

    async def known(self) -> list[Environment]:
        """Those that were made and not removed."""
        return [_environment(one["data"][KEY]) for one in await self._records()]

    async def remove_unused(self, keys_in_use: Collection[str], older_than: timedelta) -> list[str]:
        """Remove environments that nobody names and that were last asked for before that time. Returns the
        keys of those removed."""
        before = datetime.now(UTC) - older_than
        removed = []
        for record in await self._records():
            key = record["data"][KEY]
            used = datetime.fromisoformat(record["metadata"]["annotations"][USED])
            if key not in keys_in_use and used <= before:
                await self._store.delete(environment_key(key))
                await self._cluster.delete(CONFIG_MAP, record["metadata"]["name"])
                removed.append(key)
        return removed

    async def _records(self) -> list[Object]:
        found, _ = await self._cluster.find(CONFIG_MAP, self._manifests.labels("build"))
        return found

    def _record(self, key: str) -> Object:
        """The store cannot list what it has."""
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": f"environment-{key}",
                "labels": self._manifests.labels("build"),
                "annotations": {USED: datetime.now(UTC).isoformat()},
            },
            "data": {KEY: key},
        }

    async def _build(self, lock: Lock, tell: Tell) -> None:
        name, labels = f"build-{lock.key[:40]}", self._labels(lock)
        secret = delivery_secret(self._manifests.settings, "build")
        for manifest in (
            self._manifests.build_policy(),
            self._manifests.secret(secret, self._manifests.labels("build"), {"url": self._store_url}),
            self._manifests.secret(name, labels, self._given(lock)),
        ):
            await self._cluster.apply(manifest)
        try:
            # Another worker may be making the same: then both wait for its Job.
            with contextlib.suppress(Conflicting):
                await _to_its_end(self._cluster.create(self._job(name, lock)))
            await self._finished(name, labels, tell)
        finally:
            await self._cluster.delete(JOB, name)
            await self._cluster.delete(SECRET, name)

    async def _finished(self, name: str, labels: dict[str, str], tell: Tell) -> None:
        """Returns when the Job did well, or is gone because somebody else saw its end."""
        telling: asyncio.Task[None] | None = None
        told = ""
        try:
            while job := await self._cluster.read(JOB, name):
                found, _ = await self._cluster.find(POD, labels)
                if found and telling is None and _begun(found[0]):
                    telling = asyncio.create_task(self._log(found[0]["metadata"]["name"], tell))
                if (reason := _waits_for(found)) and reason != told:
                    told = reason
                    tell(reason)
                ended = _ended(job)
                if ended and telling:
                    await telling
                if ended == "Failed":
                    raise _failure(found, job, told)
                if ended:
                    return
                await asyncio.sleep(POLL_SECONDS)
        finally:
            if telling:
                telling.cancel()

    async def _log(self, pod: str, tell: Tell) -> None:
        async for line in self._cluster.log(pod, "build"):
            tell(line)

    def _labels(self, lock: Lock) -> dict[str, str]:
        return self._manifests.labels("build", **{ENVIRONMENT: lock.key[:40]})

    def _given(self, lock: Lock) -> dict[str, str]:
        told = self._settings.model_dump_json(include=BUILD_SETTINGS)
        return {"lock.json": lock.model_dump_json(), "settings.json": told}

    def _job(self, name: str, lock: Lock) -> Object:
        labels, container = self._labels(lock), self._manifests.container
        disk = {"ephemeral-storage": str(2 * self._manifests.settings.files_bytes)}
        resources = {
            "requests": {"cpu": "500m", "memory": "512Mi"} | SOME_DISK,
            "limits": {"cpu": "4", "memory": "4Gi"} | disk,
        }
        delivery = ["python", "-m", "stentor_deploy.delivery"]
        places = [{"name": "HOME", "value": SCRATCH}, {"name": "TMPDIR", "value": SCRATCH}]
        build = container(
            "build",
            [*delivery, "build", GIVEN, FILES],
            {"files": FILES, "given": f"{GIVEN}:ro", "scratch": SCRATCH},
            env=places,
            resources=resources,
        )
        save = container(
            "save",
            [*delivery, "save", lock.key, FILES],
            {"files": f"{FILES}:ro"},
            env=[from_secret("STENTOR_STORE_URL", delivery_secret(self._manifests.settings, "build"), "url")],
            resources=resources,
        )
        size = {"sizeLimit": str(self._manifests.settings.files_bytes)}
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "backoffLimit": 0,
                "activeDeadlineSeconds": ceil(self._settings.build_seconds) + AROUND_SECONDS,
                "ttlSecondsAfterFinished": KEPT_SECONDS,
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        **self._manifests.pod(),
                        "restartPolicy": "Never",
                        "nodeSelector": self._manifests.settings.node_selector,
                        "tolerations": self._manifests.settings.tolerations,
                        "initContainers": [build],
                        "containers": [save],
                        "volumes": [
                            {"name": "files", "emptyDir": size},
                            {"name": "scratch", "emptyDir": size},
                            {"name": "given", "secret": {"secretName": name, "defaultMode": 0o440}},
                        ],
                    },
                },
            },
        }


async def _to_its_end(asking: Awaitable[object]) -> None:
    """Also if this is cancelled meanwhile: what may have been made must be known, to be removed."""
    asked = asyncio.ensure_future(asking)
    try:
        await asyncio.shield(asked)
    except asyncio.CancelledError:
        await asyncio.gather(asked, return_exceptions=True)
        raise


def _environment(key: str) -> Environment:
    folder = Path(FILES) / "environment"
    return Environment(key, folder, folder / "bin" / "python")


def _ended(job: Object) -> str:
    """`Complete` or `Failed`; nothing while it is neither."""
    conditions = job.get("status", {}).get("conditions") or []
    ended = [one["type"] for one in conditions if one["status"] == "True"]
    return next((each for each in ended if each in ("Complete", "Failed")), "")


def _waits_for(found: list[Object]) -> str:
    """What a pod needs that is not there, while it has not ended."""
    reasons = [pods.trouble(pod) for pod in found if pod["status"].get("phase") != "Failed"]
    return "; ".join(str(reason) for reason in reasons if reason)


def _begun(pod: Object) -> bool:
    states = [status.get("state", {}) for status in pod["status"].get("initContainerStatuses") or []]
    return any("running" in state or "terminated" in state for state in states)


def _failure(found: list[Object], job: Object, waited_for: str) -> AppError:
    """Why a Job failed; `waited_for` is what its pods told last, which may have been removed by now."""
    conditions = job["status"]["conditions"]
    if any(one.get("reason") == "DeadlineExceeded" for one in conditions):
        seconds = job["spec"]["activeDeadlineSeconds"]
        waited_for = waited_for or "making it, or storing it, takes longer"
        return Unavailable(f"the environment was not made within {seconds} seconds: {waited_for}")
    for pod in found:
        for status in pod["status"].get("initContainerStatuses") or []:
            ended = status.get("state", {}).get("terminated") or {}
            words = str(ended.get("message") or "").rpartition(LAST_WORDS)[2].strip()
            if ended.get("exitCode") == BUILD_FAILED:
                return BuildFailed(words)
            if ended.get("exitCode"):
                return Unavailable(f"the environment could not be made: {words or ended.get('reason')}")
        if reason := pods.trouble(pod):
            return reason
    return Unavailable(f"the environment could not be made: {conditions[0].get('message', 'its Job failed')}")
