"""What an API server stores: objects with versions, and everything that happened to them."""

import asyncio
import copy
import re
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from stentor_dev.cluster import fields, schemas

Manifest = dict[str, Any]
Key = tuple[str, str, str]
"""Plural, namespace, name."""

API = {
    "deployments": ("apps/v1", "Deployment"),
    "jobs": ("batch/v1", "Job"),
    "pods": ("v1", "Pod"),
    "secrets": ("v1", "Secret"),
    "services": ("v1", "Service"),
    "configmaps": ("v1", "ConfigMap"),
    "networkpolicies": ("networking.k8s.io/v1", "NetworkPolicy"),
}

NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


class Refused(Exception):
    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message


@dataclass(frozen=True, slots=True)
class Event:
    version: int
    plural: str
    before: Manifest | None
    after: Manifest | None


@dataclass(slots=True)
class Objects:
    namespaces: set[str]
    changed: Callable[[Event], None] = lambda _event: None
    _stored: dict[Key, Manifest] = field(default_factory=dict)
    _owners: dict[Key, dict[str, set[fields.Path]]] = field(default_factory=lambda: defaultdict(dict))
    _events: list[Event] = field(default_factory=list)
    _version: int = 100
    _moved: asyncio.Event = field(default_factory=asyncio.Event)
    _oldest: int = 100

    def read(self, plural: str, namespace: str, name: str) -> Manifest:
        found = self._stored.get((plural, namespace, name))
        if found is None:
            raise Refused(404, "NotFound", f'{plural} "{name}" not found')
        return copy.deepcopy(found)

    def select(self, plural: str, namespace: str, selector: str = "") -> tuple[list[Manifest], int]:
        found = [
            copy.deepcopy(one)
            for key, one in self._stored.items()
            if key[:2] == (plural, namespace) and selected(one, selector)
        ]
        return found, self._version

    def create(self, plural: str, namespace: str, manifest: Manifest, manager: str = "") -> Manifest:
        version, kind = API[plural]
        manifest = {"apiVersion": version, "kind": kind, **manifest}
        self._check(plural, namespace, manifest)
        key = (plural, namespace, manifest["metadata"]["name"])
        if key in self._stored:
            raise Refused(409, "AlreadyExists", f'{plural} "{key[2]}" already exists')
        made = copy.deepcopy(manifest)
        made["metadata"] |= {
            "namespace": namespace,
            "uid": str(uuid.uuid4()),
            "creationTimestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "generation": 1,
        }
        if plural == "deployments":
            made["spec"].setdefault("replicas", 1)
        if plural in ("deployments", "jobs", "pods"):
            made.setdefault("status", {})
        self._owners[key] = {manager: set(fields.leaves(manifest))}
        return self._keep(key, made)

    def apply(
        self, plural: str, namespace: str, manifest: Manifest, manager: str, *, force: bool
    ) -> Manifest:
        key = (plural, namespace, manifest["metadata"]["name"])
        said = fields.leaves(manifest)
        if key not in self._stored:
            return self.create(plural, namespace, manifest, manager)
        live = copy.deepcopy(self._stored[key])
        owners = self._owners[key]
        there = fields.leaves(live)
        for other, owned in owners.items():
            disputed = {path for path in owned & set(said) if there.get(path) != said[path]}
            if other != manager and disputed and not force:
                raise Refused(409, "Conflict", f"conflicts with {other!r}: {sorted(map(str, disputed))}")
            if other != manager:
                owned -= disputed
        for path in owners.get(manager, set()) - set(said):
            if not any(path in owned for other, owned in owners.items() if other != manager):
                fields.take(live, path)
        for path, value in said.items():
            fields.put(live, path, value)
        owners[manager] = set(said)
        return self._replace(key, live)

    def merge(self, plural: str, namespace: str, name: str, change: Manifest, manager: str) -> Manifest:
        """A JSON merge patch (RFC 7386)."""
        live = self.read(plural, namespace, name)
        version = change.get("metadata", {}).get("resourceVersion")
        if version not in (None, live["metadata"]["resourceVersion"]):
            raise Refused(
                409, "Conflict", "the object has been modified; apply your changes to the latest version"
            )
        before = fields.leaves(live)
        live = _merged(live, change)
        key = (plural, namespace, name)
        changed = {path for path, value in fields.leaves(live).items() if before.get(path) != value}
        for owned in self._owners[key].values():
            owned -= changed
        self._owners[key].setdefault(manager, set()).update(changed)
        return self._replace(key, live)

    def status(self, plural: str, namespace: str, name: str, **status: Any) -> None:
        """What controllers say of an object; nothing happens where it says so already, or is gone."""
        key = (plural, namespace, name)
        found = self._stored.get(key)
        if found is not None and any(found["status"].get(what) != value for what, value in status.items()):
            self._keep(key, {**found, "status": {**found["status"], **status}})

    def mark_deleted(self, plural: str, namespace: str, name: str, grace: float) -> None:
        """It goes on until whoever runs it has ended it."""
        key = (plural, namespace, name)
        found = self.read(plural, namespace, name)
        found["metadata"] |= {
            "deletionTimestamp": datetime.now(UTC).isoformat(),
            "deletionGracePeriodSeconds": grace,
        }
        self._keep(key, found)

    def remove(self, plural: str, namespace: str, name: str) -> Manifest:
        gone = self.read(plural, namespace, name)
        del self._stored[plural, namespace, name]
        self._owners.pop((plural, namespace, name), None)
        self._note(Event(self._next(), plural, gone, None))
        return gone

    def owned_by(self, uid: str) -> list[tuple[str, Manifest]]:
        return [
            (key[0], copy.deepcopy(one))
            for key, one in self._stored.items()
            if any(owner["uid"] == uid for owner in one["metadata"].get("ownerReferences", []))
        ]

    def forget_history(self) -> None:
        """Watches that want to go on from here are told that it is too old."""
        self._events.clear()
        self._version += 1
        self._oldest = self._version

    async def watch(
        self, plural: str, namespace: str, selector: str, since: int
    ) -> AsyncIterator[tuple[str, Manifest]]:
        """Events after `since`; raises Refused (410) where these are forgotten."""
        while True:
            if since < self._oldest:
                raise Refused(410, "Expired", f"too old resource version: {since} ({self._oldest})")
            moved = self._moved
            for event in [event for event in self._events if event.version > since]:
                since = event.version
                if event.plural == plural and (told := _told(event, namespace, selector)):
                    yield told
            if moved is self._moved:
                await moved.wait()

    def _check(self, plural: str, namespace: str, manifest: Manifest) -> None:
        if namespace not in self.namespaces:
            raise Refused(404, "NotFound", f'namespaces "{namespace}" not found')
        wrong = []
        if (manifest.get("apiVersion"), manifest.get("kind")) != API[plural]:
            raise Refused(400, "BadRequest", f"this is the place for {API[plural]}")
        metadata = manifest.get("metadata", {})
        if not NAME.fullmatch(metadata.get("name", "")):
            wrong.append(f"metadata.name: Invalid value: {metadata.get('name')!r}")
        for holder in (metadata, manifest.get("spec", {}).get("template", {}).get("metadata", {})):
            wrong += [
                f"label {name}: {v!r}"
                for name, v in (holder.get("labels") or {}).items()
                if not LABEL.fullmatch(v)
            ]
        wrong += schemas.complaints(manifest)
        if wrong:
            raise Refused(
                422, "Invalid", f"{manifest['kind']} {metadata.get('name')!r} is invalid: {'; '.join(wrong)}"
            )

    def _replace(self, key: Key, live: Manifest) -> Manifest:
        before = self._stored[key]
        self._check(key[0], key[1], live)
        if key[0] == "deployments" and live["spec"]["selector"] != before["spec"]["selector"]:
            raise Refused(422, "Invalid", "spec.selector: field is immutable")
        if live.get("spec") != before.get("spec"):
            live["metadata"]["generation"] = before["metadata"]["generation"] + 1
        elif live["metadata"] == before["metadata"] and live.get("data") == before.get("data"):
            # Nothing changed: no new version, and no event.
            return copy.deepcopy(before)
        return self._keep(key, live)

    def _keep(self, key: Key, after: Manifest) -> Manifest:
        before = self._stored.get(key)
        version = self._next()
        after = copy.deepcopy(after)
        after["metadata"]["resourceVersion"] = str(version)
        self._stored[key] = after
        self._note(Event(version, key[0], before, after))
        return copy.deepcopy(after)

    def _next(self) -> int:
        self._version += 1
        return self._version

    def _note(self, event: Event) -> None:
        self._events.append(event)
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
        self.changed(event)


def selected(one: Manifest, selector: str) -> bool:
    labels = one["metadata"].get("labels") or {}
    for term in filter(None, selector.split(",")):
        name, equals, value = term.partition("=")
        if name not in labels or (equals and labels[name] != value):
            return False
    return True


def _told(event: Event, namespace: str, selector: str) -> tuple[str, Manifest] | None:
    """As whoever watches sees it: what is not selected any more is gone."""
    before, after = (
        one if one and one["metadata"]["namespace"] == namespace and selected(one, selector) else None
        for one in (event.before, event.after)
    )
    if after is not None:
        return ("MODIFIED" if before else "ADDED"), after
    if before is None:
        return None
    gone = copy.deepcopy(before)
    gone["metadata"]["resourceVersion"] = str(event.version)
    return "DELETED", gone


def _merged(live: Any, change: Any) -> Any:
    if not isinstance(change, dict):
        return change
    result = dict(live) if isinstance(live, dict) else {}
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), value)
    return result
