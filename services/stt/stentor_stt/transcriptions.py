"""The use cases of speech to text, shared by all contracts: accept a recording, find its transcript."""

import re
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self

from pydantic import TypeAdapter

from stentor_common import uploads
from stentor_common.auth import Caller
from stentor_common.desk import ask, caller_to_json
from stentor_common.errors import BadInput
from stentor_common.jobs.repository import JobRepository, NewJob, idempotency_hash
from stentor_common.jobs.results import result_of
from stentor_common.jobs.submit import submit
from stentor_common.jobs.table import Job
from stentor_common.jobs.trace import RequestTrace
from stentor_common.queue import NoAnswer
from stentor_common.queue.naming import queue_of_model
from stentor_common.runtime import Runtime
from stentor_common.uploads import Upload, UploadRepository
from stentor_common.webhooks import Callback
from stentor_stt.options import Options
from stentor_stt.providers import PROVIDERS, choose_model
from stentor_stt.settings import SttSettings
from stentor_stt.transcript import Transcript
from stentor_stt.vocabularies import with_vocabulary

KIND = "stt.transcribe"
SUMMARIZER = "summarize"
"""The service that `summarize` is asked of."""

UPLOAD_PATH = re.compile(r"/v1/uploads/([0-9a-fA-F-]{36})$")


@dataclass(frozen=True, slots=True)
class AudioSource:
    """Where the recording of a job is: an upload, or a URL to fetch it from."""

    upload_id: str | None = None
    url: str | None = None
    came_with_job: bool = False
    """The file was sent in the same request, so it goes when the job is deleted."""


@dataclass(frozen=True, slots=True)
class Transcription:
    """What a job row of this kind asks for."""

    source: AudioSource
    provider: str
    model: str
    options: Options
    audio_url: str
    """The recording as the caller named it, for contracts that echo it."""
    webhook_url: str | None = None
    attached: tuple[str, ...] = ()
    """Uploads that came in the same request beside the recording, and go when the job is deleted."""
    summarize: bool = False
    """Whether the transcript is summarized too."""
    contract: str = "native"
    """By which contract it came."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What that contract keeps for its answers: echoed fields, warnings."""

    @classmethod
    def of(cls, request: dict[str, Any]) -> Self:
        return _STORED.validate_python(request)  # type: ignore[return-value]

    def to_json(self) -> dict[str, Any]:
        stored: dict[str, Any] = _STORED.dump_python(self, mode="json")
        return stored


_STORED = TypeAdapter(Transcription)


@dataclass(frozen=True, slots=True)
class Asked:
    """How a caller names what is wanted, before it is checked."""

    options: Options
    provider: str | None = None
    model: str | None = None
    audio_url: str | None = None
    upload_id: str | None = None
    upload: Upload | None = None
    attached: tuple[Upload, ...] = ()
    """Further files of the same request, which the options refer to."""
    vocabulary: str | None = None
    """Name of one of the caller's vocabularies."""
    callback: Callback | None = None
    """Whom to tell when it is over."""
    summarize: bool = False
    """Whether a summary of the transcript is wanted too."""
    retention: timedelta | None = None
    """How long the transcript is kept; None is what the installation does."""
    contract: str = "native"
    notes: dict[str, Any] = field(default_factory=dict)


def queue_of(model: str) -> str:
    """The queue that workers holding this model consume."""
    return queue_of_model("stt", model)


async def create(
    runtime: Runtime, settings: SttSettings, caller: Caller, asked: Asked, trace: RequestTrace
) -> tuple[Job, bool]:
    """Accept a recording; returns its job, and False if an earlier request with the same key made it.

    Raises UnknownProvider, ProviderNotConfigured, UnknownModel, NotFound (upload), Throttled,
    UnknownVocabulary,
    IdempotencyMismatch.
    """
    try:
        job, new = await _submit(runtime, settings, caller, asked, trace)
    except BaseException:
        await uploads.discard(runtime, asked.upload, *asked.attached)
        raise
    if not new:
        await uploads.discard(runtime, asked.upload, *asked.attached)
    return job, new


async def transcript_of(runtime: Runtime, job: Job) -> tuple[Transcript, dict[str, Any]] | None:
    """The transcript of a job and what made it; None while there is none."""
    result = await result_of(runtime.store, job)
    if result is None:
        return None
    return Transcript.from_json(result["transcript"]), result["made_by"]


async def forget(runtime: Runtime, caller: Caller, job_id: str) -> None:
    """Delete a transcription, its result, and the recording if it came with it. A running one stops."""
    async with runtime.begin() as work:
        jobs = JobRepository(work.session)
        job = await jobs.get(job_id, caller, kind=KIND)
        await jobs.delete(job)
        work.announce(job.id, ended=True)
    if job.result_key:
        await runtime.store.delete(job.result_key)
    asked = Transcription.of(job.request)
    own = [asked.source.upload_id] if asked.source.upload_id and asked.source.came_with_job else []
    if came := [*own, *asked.attached]:
        await uploads.delete(runtime, [Upload(id=uuid.UUID(each)) for each in came])


async def wanted_of(runtime: Runtime, settings: SttSettings, caller: Caller, asked: Asked) -> Transcription:
    """What is asked for, with nothing left to be chosen. Raises what `create` raises for the request."""
    if asked.summarize:
        await _need_summarizer(runtime, caller)
    return Transcription(
        source=await _source(runtime, asked),
        provider=PROVIDERS.choose(asked.provider, settings.provider_aliases),
        model=choose_model(asked.model, settings),
        options=await with_vocabulary(runtime, caller, asked.vocabulary, asked.options),
        audio_url=asked.audio_url or "",
        webhook_url=asked.callback.url if asked.callback else None,
        attached=tuple(str(upload.id) for upload in asked.attached),
        summarize=asked.summarize,
        contract=asked.contract,
        notes=asked.notes,
    )


async def _submit(
    runtime: Runtime, settings: SttSettings, caller: Caller, asked: Asked, trace: RequestTrace
) -> tuple[Job, bool]:
    wanted = await wanted_of(runtime, settings, caller, asked)
    key = trace.idempotency_key
    new = NewJob(
        id=uuid.uuid4(),
        kind=KIND,
        queue=queue_of(wanted.model),
        request=wanted.to_json(),
        retention=asked.retention or timedelta(hours=runtime.settings.result_retention_hours),
        callback=asked.callback,
        request_id=trace.request_id,
        idempotency_key=idempotency_hash(caller, key) if key else None,
        fingerprint=trace.fingerprint or None,
    )
    async with runtime.begin() as work:
        return await submit(runtime, work, caller, new)


async def _need_summarizer(runtime: Runtime, caller: Caller) -> None:
    asked = {"text": "A text."}
    try:
        await ask(runtime, SUMMARIZER, "check", caller=caller_to_json(caller), asked=asked)
    except NoAnswer:
        raise BadInput(
            "no summarizer is installed here; send the request without it", param="summarize"
        ) from None


async def _source(runtime: Runtime, asked: Asked) -> AudioSource:
    if asked.upload is not None:
        return AudioSource(upload_id=str(asked.upload.id), came_with_job=True)
    # The URL of an upload is not fetched: it names an object that we have.
    own = UPLOAD_PATH.search(asked.audio_url or "")
    upload_id = asked.upload_id or (own.group(1) if own else None)
    if upload_id is None:
        return AudioSource(url=asked.audio_url)
    async with runtime.db.reading() as session:
        found = await UploadRepository(session).get(upload_id, runtime.clock.now())
    return AudioSource(upload_id=str(found.id))
