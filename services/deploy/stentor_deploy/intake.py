"""How a package, and what is said of it, come out of an HTTP request: as a form with files, or as JSON."""

import json
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, TypeVar

from fastapi import Request

from stentor_common import uploads
from stentor_common.auth import Caller
from stentor_common.errors import BadInput, TooLarge
from stentor_common.forms import checked, content_kind, read_fields
from stentor_common.jobs.trace import RequestTrace, trace_of
from stentor_common.multipart import Part, parts
from stentor_common.runtime import Runtime
from stentor_common.uploads import Upload
from stentor_common.webhooks import Callback
from stentor_deploy.deployments import NewDeployment
from stentor_deploy.names import of_file
from stentor_deploy.revisions import NewRevision
from stentor_deploy.schemas import DeploymentFields, RevisionFields, Scale
from stentor_deploy.settings import DeploySettings
from stentor_deploy.sources import Source, SourceKind
from stentor_deploy.tuning import Tuning

ARCHIVE, WEIGHTS, BESIDE = "archive", "file", "files"
MOST_FILES = 20
JSON_FIELDS = ("examples", "expected", "secrets")
"""Fields that are JSON text in a form."""

F = TypeVar("F", bound=RevisionFields)


@dataclass(slots=True)
class Came:
    """What a request held."""

    fields: dict[str, Any] = field(default_factory=dict)
    main: Upload | None = None
    kind: SourceKind = SourceKind.git
    extra: dict[str, Upload] = field(default_factory=dict)

    @property
    def uploads(self) -> list[Upload]:
        return [*([self.main] if self.main else []), *self.extra.values()]


@dataclass(frozen=True, slots=True)
class Intake:
    """Reads requests that bring packages."""

    runtime: Runtime
    settings: DeploySettings

    async def deployment(self, request: Request, caller: Caller) -> tuple[NewDeployment, RequestTrace]:
        """Raises what `revision` does."""
        fields, first, trace = await self._read(request, caller, DeploymentFields)
        told = first.source.filename or first.source.git_url or ""
        new = NewDeployment(
            name=fields.name or of_file(told),
            first=first,
            description=fields.description,
            public=fields.public,
            tuning=tuning_of(fields),
        )
        return new, trace

    async def revision(self, request: Request, caller: Caller) -> tuple[NewRevision, RequestTrace]:
        """Raises RequestValidationError, BadInput, TooLarge, Throttled, Unauthenticated."""
        _, new, trace = await self._read(request, caller, RevisionFields)
        return new, trace

    async def discard(self, new: NewRevision) -> None:
        """Files that came with a request which made nothing are of no use."""
        ids = [uuid.UUID(each) for each in new.source.uploads]
        await uploads.discard(self.runtime, *[Upload(id=each) for each in ids])

    async def _read(
        self, request: Request, caller: Caller, model: type[F]
    ) -> tuple[F, NewRevision, RequestTrace]:
        caller.need_user()
        # Before megabytes are taken from somebody who may not make a job.
        await self.runtime.throttle.check_new_job(caller)
        came = await self._came(request, caller)
        try:
            fields = checked(model, came.fields)
            new = NewRevision(
                source_of(fields, came, self.settings),
                fields.secrets,
                Callback(fields.webhook_url) if fields.webhook_url else None,
            )
            files = {upload.filename: upload.sha256 for upload in came.uploads}
            return fields, new, trace_of(request, {**came.fields, "files": files})
        except BaseException:
            await uploads.discard(self.runtime, *came.uploads)
            raise

    async def _came(self, request: Request, caller: Caller) -> Came:
        if content_kind(request) != "multipart/form-data":
            return Came(dict(await read_fields(request)))
        _refuse_large(request, self.settings)
        came = Came()
        try:
            async for part in parts(request.stream(), request.headers["content-type"]):
                await self._take(part, came, caller)
        except BaseException:
            await uploads.discard(self.runtime, *came.uploads)
            raise
        return came

    async def _take(self, part: Part, came: Came, caller: Caller) -> None:
        if part.filename is None and part.name not in (ARCHIVE, WEIGHTS):
            came.fields[part.name] = _field(part.name, await part.text())
        elif part.name in (ARCHIVE, WEIGHTS):
            if came.main:
                raise BadInput("send one package: `archive`, or `file`", param=part.name)
            came.main = await self._receive(part, caller)
            came.kind = SourceKind(part.name)
        elif part.name == BESIDE:
            name = _path(part.filename or "")
            if name in came.extra or len(came.extra) == MOST_FILES:
                raise BadInput(
                    f"send at most {MOST_FILES} further files, each with its own name", param=BESIDE
                )
            came.extra[name] = await self._receive(part, caller)
        else:
            raise BadInput(
                f"there is no file field {part.name[:64]!r}: send a package as `archive`, weights as `file`, "
                "and what belongs beside them as `files`",
                param=part.name[:64],
            )

    async def _receive(self, part: Part, caller: Caller) -> Upload:
        chunks = bounded(part.chunks(), self.settings.max_package_bytes)
        return await uploads.receive(self.runtime, caller, part.filename, chunks)


def source_of(fields: RevisionFields, came: Came, settings: DeploySettings) -> Source:
    """Raises BadInput."""
    if (came.main is None) == (fields.git_url is None):
        raise BadInput("send one of: `archive` (a package), `file` (weights), `git_url`", param=ARCHIVE)
    if len(fields.expected or ()) > len(fields.examples or ()):
        raise BadInput("there are more expected answers than examples", param="expected")
    if fields.network and not settings.allow_network:
        raise BadInput(
            "models have no network here; its operator can allow it with STENTOR_DEPLOY_ALLOW_NETWORK",
            param="network",
        )
    lines = fields.requirements
    return Source(
        kind=came.kind,
        upload_id=str(came.main.id) if came.main else None,
        filename=came.main.filename if came.main else None,
        size_bytes=came.main.size_bytes if came.main else None,
        sha256=came.main.sha256 if came.main else None,
        extra={name: str(upload.id) for name, upload in came.extra.items()},
        requirements="\n".join(lines) if isinstance(lines, list) else lines,
        **fields.model_dump(
            include={
                *("git_url", "ref", "framework", "task", "python", "examples", "expected"),
                *("network", "allow_mismatch", "allow_cpu", "promote"),
            }
        ),
    )


def tuning_of(fields: Scale) -> Tuning:
    names = ("min_replicas", "max_replicas", "idle_seconds", "predict_seconds")
    return Tuning(**{name: getattr(fields, name) for name in names})


def _field(name: str, text: str) -> Any:
    # Requirements may be lines too, and none of these begins like a list.
    if name not in JSON_FIELDS and not (name == "requirements" and text.lstrip().startswith("[")):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadInput(f"the field {name!r} must be JSON", param=name) from None


def _path(filename: str) -> str:
    """A path within the package. Raises BadInput."""
    path = PurePosixPath(filename.replace("\\", "/"))
    if not path.name or path.is_absolute() or ".." in path.parts:
        raise BadInput(f"{filename[:64]!r} is no path within a package", param=BESIDE)
    return str(path)


async def bounded(chunks: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    taken = 0
    async for chunk in chunks:
        taken += len(chunk)
        if taken > most:
            raise _too_large(most)
        yield chunk


def _refuse_large(request: Request, settings: DeploySettings) -> None:
    """Say so at once when the header already does, instead of after taking all of it."""
    announced = request.headers.get("content-length", "")
    most = settings.max_package_bytes
    if announced.isdigit() and int(announced) > (MOST_FILES + 1) * most:
        raise _too_large(most)


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"the package is larger than {most} bytes, the limit of this installation", param=ARCHIVE)


def form_body() -> dict[str, Any]:
    """The request body of a deployment for the OpenAPI document: forms are read by hand, files streamed."""
    return _body(DeploymentFields)


def revision_body() -> dict[str, Any]:
    return _body(RevisionFields)


def _body(model: type[RevisionFields]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    binary = {"type": "string", "format": "binary"}
    files: Mapping[str, Any] = {
        ARCHIVE: {**binary, "description": "A package: tar, tar.gz or zip"},
        WEIGHTS: {**binary, "description": "A file of weights, with `framework`"},
        BESIDE: {"type": "array", "items": binary, "description": "Further files of the package"},
    }
    properties = schema["properties"]
    content = {
        "multipart/form-data": {"schema": {"type": "object", "properties": {**files, **properties}}},
        "application/json": {"schema": {"type": "object", "properties": properties}},
    }
    return {"requestBody": {"required": True, "content": content}}
