"""The use cases of predictions that are asked for later: accept one, run it, find its answer.

Calls that wait go to the `Gateway`; a job does the same at a time when there is room, and keeps the answer.
"""

import asyncio
import base64
import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from stentor_common import uploads
from stentor_common.auth import Caller
from stentor_common.errors import BadInput, Conflict
from stentor_common.jobs.repository import NewJob, idempotency_hash
from stentor_common.jobs.results import result_of
from stentor_common.jobs.submit import submit
from stentor_common.jobs.table import Job
from stentor_common.jobs.trace import RequestTrace
from stentor_common.runtime import Runtime
from stentor_common.store import ObjectMissing
from stentor_common.uploads import store_key
from stentor_common.webhooks import Callback
from stentor_deploy.errors import NotReady
from stentor_deploy.repository import DeploymentRepository, RevisionRepository
from stentor_deploy.running import Payload, PayloadKind
from stentor_deploy.states import RevisionState

KIND = QUEUE = "deploy.predict"

KEPT_HOURS = 24
"""Answers are kept so long, unless the caller says otherwise."""

INLINE_BYTES = 32 * 1024
"""A larger input is an object in the store, not part of the job's row."""


@dataclass(frozen=True, slots=True)
class NewPrediction:
    name: str
    """Of the deployment, or its id."""
    payload: Payload
    revision: str | None = None
    """Number or id; without it the one that gets the calls."""
    method: str = "predict"
    seconds: float | None = None
    """Longest time of the call, once it runs."""
    callback: Callback | None = None
    """Whom to tell of its end."""
    trace: RequestTrace = field(default_factory=RequestTrace)
    """With an Idempotency-Key in it the same request makes one job."""
    contract: str = ""
    """In whose words `GET /v1/responses/{id}` answers: a key of the ANSWERS of a contract."""
    kept_hours: float = KEPT_HOURS


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a job is to do, as it is kept with the job."""

    deployment: str
    """Its id."""
    name: str
    revision: str | None
    method: str
    seconds: float | None
    contract: str
    payload: Mapping[str, Any]
    webhook_url: str | None

    @classmethod
    def of(cls, job: Job) -> "Prediction":
        return cls(**job.request)


async def create(runtime: Runtime, caller: Caller, new: NewPrediction) -> tuple[Job, bool]:
    """Accept a prediction; returns its job, and False if an earlier request with the same key made it.

    Raises NotFound for what the caller may not call, NotReady, Throttled, IdempotencyMismatch, and what is
    wrong with the callback.
    """
    deployment_id = await _callable(runtime, caller, new)
    body, upload = await _kept_input(runtime, caller, new.payload)
    request = Prediction(
        deployment=str(deployment_id),
        name=new.name,
        revision=new.revision,
        method=new.method,
        seconds=new.seconds,
        contract=new.contract,
        payload={"kind": new.payload.kind, "media_type": new.payload.media_type, **body},
        webhook_url=new.callback.url if new.callback else None,
    )
    trace = new.trace
    job = NewJob(
        id=uuid.uuid4(),
        kind=KIND,
        queue=QUEUE,
        request=asdict(request),
        retention=timedelta(hours=new.kept_hours),
        callback=new.callback,
        request_id=trace.request_id,
        idempotency_key=idempotency_hash(caller, trace.idempotency_key) if trace.idempotency_key else None,
        fingerprint=trace.fingerprint or None,
    )
    try:
        async with runtime.begin() as work:
            made, is_new = await submit(runtime, work, caller, job)
    except BaseException:
        await uploads.discard(runtime, upload)
        raise
    if not is_new:
        await uploads.discard(runtime, upload)
    return made, is_new


async def input_of(runtime: Runtime, job_request: Mapping[str, Any]) -> Payload:
    """What is to be given to the model. Raises Conflict when it was deleted."""
    kept = job_request["payload"]
    if "upload_id" in kept:
        try:
            body = b"".join([chunk async for chunk in runtime.store.read(store_key(kept["upload_id"]))])
        except ObjectMissing:
            raise Conflict("the input of this prediction was deleted; send it again") from None
    else:
        body = kept["text"].encode() if "text" in kept else base64.b64decode(kept["base64"])
    return Payload(body, PayloadKind(kept["kind"]), kept["media_type"])


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to a prediction, as it is kept with its job."""

    payload: Payload
    deployment: str
    revision_id: uuid.UUID
    number: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        payload = self.payload
        return {
            "kind": payload.kind,
            "media_type": payload.media_type,
            "warnings": list(payload.warnings),
            "body": _written(payload),
            "deployment": self.deployment,
            "revision_id": str(self.revision_id),
            "revision": self.number,
            "seconds": self.seconds,
        }

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "Answered":
        kind = PayloadKind(kept["kind"])
        return cls(
            Payload(_read(kind, kept["body"]), kind, kept["media_type"], tuple(kept["warnings"])),
            kept["deployment"],
            uuid.UUID(kept["revision_id"]),
            kept["revision"],
            kept["seconds"],
        )


async def answer_of(runtime: Runtime, job: Job) -> Answered | None:
    """The answer of a job; None while there is none."""
    kept = await result_of(runtime.store, job)
    return await asyncio.to_thread(Answered.of, kept) if kept else None


def as_json(payload: Payload) -> Any:
    """A payload as JSON shows it: an answer of bytes is an object with base64."""
    if payload.kind is PayloadKind.json:
        return json.loads(payload.body)
    if payload.kind is PayloadKind.text:
        return payload.body.decode(errors="replace")
    return {"media_type": payload.media_type, "base64": base64.b64encode(payload.body).decode()}


async def whole(runtime: Runtime, job: Job) -> Any:
    """What the caller would have got who waits, as JSON."""
    answered = await answer_of(runtime, job)
    assert answered, "asked of completed jobs only"
    return as_json(answered.payload)


def _written(payload: Payload) -> str:
    if payload.kind is PayloadKind.bytes:
        return base64.b64encode(payload.body).decode()
    return payload.body.decode(errors="replace")


def _read(kind: PayloadKind, body: str) -> bytes:
    return base64.b64decode(body) if kind is PayloadKind.bytes else body.encode()


async def _callable(runtime: Runtime, caller: Caller, new: NewPrediction) -> uuid.UUID:
    """The deployment's id. Raises NotFound, NotReady."""
    async with runtime.db.reading() as session:
        deployment = await DeploymentRepository(session).callable(new.name, caller)
        revisions = RevisionRepository(session)
        if new.revision is None:
            if not deployment.traffic:
                raise NotReady(f"deployment {deployment.name!r} has no revision yet that gets calls")
        else:
            named = await revisions.named(deployment, new.revision)
            if named.state != RevisionState.ready:
                raise NotReady(f"revision {named.number} of {deployment.name!r} is {named.state}")
    return deployment.id


async def _kept_input(
    runtime: Runtime, caller: Caller, payload: Payload
) -> tuple[dict[str, Any], uploads.Upload | None]:
    """Where the input is kept: with the job, or as an upload, which goes by itself after a while."""
    body = payload.body
    if len(body) > INLINE_BYTES:
        upload = await uploads.receive(runtime, caller, "input", uploads.in_pieces(body))
        return {"upload_id": str(upload.id)}, upload
    if payload.kind is PayloadKind.bytes:
        return {"base64": base64.b64encode(body).decode()}, None
    try:
        return {"text": body.decode()}, None
    except UnicodeDecodeError:
        raise BadInput("the input is not UTF-8 text") from None
