"""The HTTP of an API server: verbs, status codes and streams."""

import asyncio
import json
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from stentor_dev.cluster.controllers import Controllers
from stentor_dev.cluster.kubelet import Kubelet
from stentor_dev.cluster.objects import API, Event, Manifest, Objects, Refused
from stentor_dev.cluster.pods import Node

VERBS = {"POST": "create", "PATCH": "patch", "DELETE": "delete", "PUT": "update"}


class LocalCluster:
    """A cluster for one `async with` block. `url` and `token` are for its clients.

    `allowed`: verbs by resource that the token may do, `{"pods": {"get", "list", "watch"}}`; whatever else it
    asks for is forbidden.
    """

    def __init__(self, namespace: str, allowed: dict[str, set[str]], node: Node) -> None:
        self.namespace = namespace
        self.token = "a-service-account"
        self.allowed = allowed
        self.objects = Objects({namespace})
        self.node = node
        self.requests: list[tuple[str, str]] = []
        """Verb and resource of each that was asked."""
        self._folder = tempfile.TemporaryDirectory(prefix="stentor-cluster-")
        self.kubelet = Kubelet(self.objects, self.node, Path(self._folder.name))
        self._controllers = Controllers(self.objects, self.node)
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        self.objects.changed = self._changed
        app = web.Application()
        app.router.add_route("*", "/api/v1/namespaces/{ns}/{plural}", self._answer)
        app.router.add_route("*", "/api/v1/namespaces/{ns}/{plural}/{name}", self._answer)
        app.router.add_route("*", "/apis/{group}/{version}/namespaces/{ns}/{plural}", self._answer)
        app.router.add_route("*", "/apis/{group}/{version}/namespaces/{ns}/{plural}/{name}", self._answer)
        app.router.add_get("/api/v1/namespaces/{ns}/pods/{name}/log", self._log)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.objects.changed = lambda _event: None
        await self.kubelet.close()
        if self._runner:
            await self._runner.cleanup()
        self._folder.cleanup()

    def pods(self) -> list[Manifest]:
        return self.objects.select("pods", self.namespace)[0]

    def _changed(self, event: Event) -> None:
        self._controllers.changed(event)
        self.kubelet.changed(event)
        if event.plural == "networkpolicies" and self.node.network:
            policies, _ = self.objects.select("networkpolicies", self.namespace)
            self.node.network.restrict(f"api server {self.url}", policies)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            plural, verb = request.match_info["plural"], self._verb(request)
            self._allow(request, plural, verb)
            if verb == "watch":
                return await self._watch(request, plural)
            return web.json_response(
                await self._done(request, plural, verb), status=201 if verb == "create" else 200
            )
        except Refused as refused:
            return _status(refused)

    async def _done(self, request: web.Request, plural: str, verb: str) -> Manifest:
        namespace, name = request.match_info["ns"], request.match_info.get("name", "")
        manager = request.query.get("fieldManager", "")
        if verb == "list":
            found, version = self.objects.select(plural, namespace, request.query.get("labelSelector", ""))
            return {"kind": "List", "items": found, "metadata": {"resourceVersion": str(version)}}
        if verb == "get":
            return self.objects.read(plural, namespace, name)
        if verb == "create":
            return self.objects.create(plural, namespace, await request.json(), manager)
        if verb == "delete":
            return self._delete(plural, namespace, name, request.query.get("gracePeriodSeconds"))
        change = json.loads(await request.text())
        match request.content_type:
            case "application/apply-patch+yaml" if manager and change["metadata"]["name"] == name:
                force = request.query.get("force") == "true"
                return self.objects.apply(plural, namespace, change, manager, force=force)
            case "application/merge-patch+json":
                return self.objects.merge(plural, namespace, name, change, manager)
            case other:
                raise Refused(415, "UnsupportedMediaType", f"{other} is not emulated, or lacks its manager")

    def _delete(self, plural: str, namespace: str, name: str, grace: str | None) -> Manifest:
        gone = self.objects.read(plural, namespace, name)
        if plural == "pods":
            usual = gone["spec"].get("terminationGracePeriodSeconds", 30)
            self.objects.mark_deleted(plural, namespace, name, float(grace if grace is not None else usual))
            return gone
        self.objects.remove(plural, namespace, name)
        for owned, one in self.objects.owned_by(gone["metadata"]["uid"]):
            self._delete(owned, namespace, one["metadata"]["name"], grace)
        return gone

    async def _watch(self, request: web.Request, plural: str) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        events = self.objects.watch(
            plural,
            request.match_info["ns"],
            request.query.get("labelSelector", ""),
            int(request.query.get("resourceVersion") or 0),
        )
        try:
            async with asyncio.timeout(float(request.query.get("timeoutSeconds", "300"))):
                async for kind, one in events:
                    await answer.write(json.dumps({"type": kind, "object": one}).encode() + b"\n")
        except Refused as refused:
            told = {"type": "ERROR", "object": _body(refused)}
            await answer.write(json.dumps(told).encode() + b"\n")
        except (TimeoutError, ConnectionError):
            pass
        return answer

    async def _log(self, request: web.Request) -> web.StreamResponse:
        try:
            self._allow(request, "pods/log", "get")
            pod, container = request.match_info["name"], request.query["container"]
            pieces = self.kubelet.log(pod, container, from_now="sinceSeconds" in request.query)
        except Refused as refused:
            return _status(refused)
        answer = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await answer.prepare(request)
        async for piece in pieces:
            await answer.write(piece)
        return answer

    def _verb(self, request: web.Request) -> str:
        if request.method == "GET":
            if request.match_info.get("name"):
                return "get"
            return "watch" if request.query.get("watch") == "true" else "list"
        return VERBS[request.method]

    def _allow(self, request: web.Request, resource: str, verb: str) -> None:
        self.requests.append((verb, resource))
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            raise Refused(401, "Unauthorized", "Unauthorized")
        if resource.partition("/")[0] not in API:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        if request.match_info["ns"] != self.namespace or verb not in self.allowed.get(resource, ()):
            raise Refused(403, "Forbidden", f"cannot {verb} resource {resource!r}")


def _body(refused: Refused) -> Manifest:
    return {
        "kind": "Status",
        "status": "Failure",
        "code": refused.status,
        "reason": refused.reason,
        "message": refused.message,
    }


def _status(refused: Refused) -> web.Response:
    return web.json_response(_body(refused), status=refused.status)
