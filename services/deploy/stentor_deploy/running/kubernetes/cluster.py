"""The API server of a cluster, in the few words needed here, on the transport of the official client.

Objects are dictionaries as in manifests. Everything happens in one namespace.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import ConfigException

from stentor_common.errors import Unavailable
from stentor_deploy.running.kubernetes.settings import KubernetesSettings

Object = dict[str, Any]

MANAGER = "stentor"
"""Who fields belong to that are applied here."""

REQUEST_SECONDS = 30
WATCH_SECONDS = 240
"""After which a watch is asked for anew: a connection that died unnoticed is noticed then."""

LONGEST_LOG_LINE = 64 * 1024
"""Bytes; a model may print without ever ending its line."""

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


@dataclass(frozen=True, slots=True)
class Kind:
    api: str
    name: str
    plural: str

    @property
    def root(self) -> str:
        return f"/api/{self.api}" if self.api == "v1" else f"/apis/{self.api}"


DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
JOB = Kind("batch/v1", "Job", "jobs")
POD = Kind("v1", "Pod", "pods")
SECRET = Kind("v1", "Secret", "secrets")
SERVICE = Kind("v1", "Service", "services")
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
NETWORK_POLICY = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")

KINDS = {kind.name: kind for kind in (DEPLOYMENT, JOB, POD, SECRET, SERVICE, CONFIG_MAP, NETWORK_POLICY)}


class Conflicting(Unavailable):
    """The object is there already, or has changed since it was read."""


class TooOld(Exception):
    """A watch cannot go on from where it was; list again."""


class Cluster:
    """Raises Unavailable, with the server's words, for whatever it does not answer or does not allow."""

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self._client = client
        self.namespace = namespace

    @classmethod
    async def open(cls, settings: KubernetesSettings) -> "Cluster":
        """With the credentials that the settings name, else the pod's own, else those of this user."""
        configuration = Configuration()
        try:
            if settings.kubeconfig is None and SERVICE_ACCOUNT.exists():
                config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            else:
                await config.load_kube_config(  # type: ignore[no-untyped-call]
                    config_file=str(settings.kubeconfig) if settings.kubeconfig else None,
                    context=settings.context or None,
                    client_configuration=configuration,
                    persist_config=False,
                )
        except (ConfigException, OSError) as error:
            raise Unavailable(f"no credentials for a Kubernetes cluster: {error}") from error
        return cls(ApiClient(configuration), settings.namespace)

    async def close(self) -> None:
        await self._client.close()  # type: ignore[no-untyped-call]

    async def apply(self, manifest: Object) -> Object:
        """Make it as described, whatever is there; fields that are not described stay as they are."""
        kind = KINDS[manifest["kind"]]
        query = {"fieldManager": MANAGER, "force": "true"}
        path = self._path(kind, manifest["metadata"]["name"])
        return await self._ask("PATCH", path, query, manifest, "application/apply-patch+yaml")

    async def create(self, manifest: Object) -> Object:
        """Raises Conflicting where one of that name is there."""
        path = self._path(KINDS[manifest["kind"]])
        return await self._ask("POST", path, {"fieldManager": MANAGER}, manifest)

    async def read(self, kind: Kind, name: str) -> Object | None:
        return await self._ask_or_none("GET", self._path(kind, name))

    async def merge(self, kind: Kind, name: str, change: Object) -> Object | None:
        """Change some fields (JSON merge patch). None where there is no such object; raises Conflicting where
        `change` says of which version it is and there is a newer one."""
        path, media = self._path(kind, name), "application/merge-patch+json"
        return await self._ask_or_none("PATCH", path, {"fieldManager": f"{MANAGER}-scale"}, change, media)

    async def delete(self, kind: Kind, name: str, *, at_once: bool = False) -> None:
        """With what belongs to it. It is no error if there is none."""
        query = {"propagationPolicy": "Background"} | ({"gracePeriodSeconds": "0"} if at_once else {})
        await self._ask_or_none("DELETE", self._path(kind, name), query)

    async def find(self, kind: Kind, labels: Mapping[str, str]) -> tuple[list[Object], str]:
        """Those with these labels, and from where a watch goes on."""
        found = await self._ask("GET", self._path(kind), {"labelSelector": selector(labels)})
        return found["items"], found["metadata"]["resourceVersion"]

    async def watch(
        self, kind: Kind, labels: Mapping[str, str], version: str
    ) -> AsyncGenerator[tuple[str, Object], None]:
        """What happens to them since `version`: `ADDED`, `MODIFIED`, `DELETED` and the object, and now and
        then `BOOKMARK` with little but a version. Ends after a while. Raises TooOld."""
        query = {
            "labelSelector": selector(labels),
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        async with self._opened("GET", self._path(kind), query, WATCH_SECONDS + 30) as answer:
            lines = _lines(answer)
            async with aclosing(lines):
                async for line in lines:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        if event["object"].get("code") == 410:
                            raise TooOld
                        raise Unavailable(f"the cluster ended a watch: {event['object'].get('message')}")
                    yield event["type"], event["object"]

    async def log(self, pod: str, container: str, *, since_start: bool = True) -> AsyncGenerator[str, None]:
        """Lines of a container's output, as they come, until it ends: all of them, or those from now on."""
        query = {"container": container, "follow": "true"} | ({} if since_start else {"sinceSeconds": "1"})
        path = f"{self._path(POD, pod)}/log"
        async with self._opened("GET", path, query, None) as answer:
            lines = _lines(answer, longest=LONGEST_LOG_LINE)
            async with aclosing(lines):
                async for line in lines:
                    yield line.decode(errors="replace")

    def _path(self, kind: Kind, name: str = "") -> str:
        return f"{kind.root}/namespaces/{self.namespace}/{kind.plural}" + (f"/{name}" if name else "")

    async def _ask_or_none(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        media: str = "application/json",
    ) -> Object | None:
        try:
            return await self._ask(method, path, query, body, media)
        except _Missing:
            return None

    async def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        media: str = "application/json",
    ) -> Object:
        async with self._opened(method, path, query, REQUEST_SECONDS, body, media) as answer:
            found: Object = await answer.json()
            return found

    @asynccontextmanager
    async def _opened(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        seconds: float | None,
        body: Object | None = None,
        media: str = "application/json",
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        try:
            request = await self._client.param_serialize(
                method,
                path,
                query_params=list((query or {}).items()),
                header_params={"Accept": "application/json, */*", "Content-Type": media},
                body=body,
                auth_settings=["BearerToken"],
            )
            timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=10)
            answer = (await self._client.call_api(*request, _request_timeout=timeout)).response
            try:
                if answer.status >= 300:
                    raise await _refusal(answer, method, path)
                yield answer
            finally:
                answer.close()
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            raise Unavailable(f"the cluster does not answer: {error!r}") from error


class _Missing(Unavailable):
    """Only a whole namespace that is missing is told to others."""


def selector(labels: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" if value else name for name, value in sorted(labels.items()))


async def _refusal(answer: aiohttp.ClientResponse, method: str, path: str) -> Exception:
    text = await answer.text()
    try:
        message = json.loads(text)["message"]
    except (ValueError, KeyError, TypeError):
        message = text[:500] or answer.reason
    match answer.status:
        case 404:
            return _Missing(f"the cluster has no such thing: {message}")
        case 409:
            return Conflicting(message)
        case 410:
            return TooOld()
        case 401 | 403:
            return Unavailable(f"the cluster does not allow {method} {path}: {message}")
        case status:
            return Unavailable(f"the cluster answered {status} to {method} {path}: {message}")


async def _lines(answer: aiohttp.ClientResponse, longest: int = 1 << 30) -> AsyncGenerator[bytes, None]:
    """Longer ones are cut in pieces."""
    rest = b""
    async for piece in answer.content.iter_any():
        *whole, rest = (rest + piece).split(b"\n")
        while len(rest) > longest:
            whole.append(rest[:longest])
            rest = rest[longest:]
        for line in whole:
            yield line
    if rest:
        yield rest
