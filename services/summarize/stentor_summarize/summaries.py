"""The use cases of summaries, shared by all contracts: accept a text, find its summary."""

import re
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self

from pydantic import TypeAdapter

from stentor_common import uploads
from stentor_common.auth import Caller
from stentor_common.errors import TooLarge
from stentor_common.jobs.repository import JobRepository, NewJob, idempotency_hash
from stentor_common.jobs.results import result_of
from stentor_common.jobs.submit import submit
from stentor_common.jobs.table import Job
from stentor_common.jobs.trace import RequestTrace
from stentor_common.queue.naming import queue_of_model
from stentor_common.runtime import Runtime
from stentor_common.uploads import Upload, UploadRepository
from stentor_common.webhooks import Callback
from stentor_summarize import inputs
from stentor_summarize.documents.wire import Form
from stentor_summarize.engines import Length, Unit, Wanted
from stentor_summarize.errors import NothingToSummarize, TextTooLong
from stentor_summarize.inputs import InputRepository
from stentor_summarize.providers import PROVIDERS, choose_model
from stentor_summarize.settings import SummarizeSettings
from stentor_summarize.sources import Source, SourceKind, name_in
from stentor_summarize.summary import Summary
from stentor_summarize.transcripts import transcript_job, transcript_text

KIND = "summarize.digest"
USUAL_LENGTH = Length(Unit.sentences, 5)

A_LETTER = re.compile(r"[^\W_]")
UPLOAD_PATH = re.compile(r"/v1/uploads/([0-9a-fA-F-]{36})$")


@dataclass(frozen=True, slots=True)
class Summarization:
    """What a job row of this kind asks for."""

    source: Source
    provider: str
    model: str
    wanted: Wanted
    webhook_url: str | None = None
    contract: str = "native"
    """By which contract it came."""

    @classmethod
    def of(cls, request: dict[str, Any]) -> Self:
        return _STORED.validate_python(request)  # type: ignore[return-value]

    def to_json(self) -> dict[str, Any]:
        stored: dict[str, Any] = _STORED.dump_python(self, mode="json")
        return stored


@dataclass(frozen=True, slots=True)
class Found:
    """What a job came to."""

    summary: Summary
    characters: int
    """Of the text."""
    form: Form | None = None
    """What kind of document it was, where it was one."""
    pages: int | None = None

    @classmethod
    def of(cls, result: dict[str, Any]) -> Self:
        return _FOUND.validate_python(result)  # type: ignore[return-value]

    def to_json(self) -> dict[str, Any]:
        stored: dict[str, Any] = _FOUND.dump_python(self, mode="json")
        return stored


_STORED = TypeAdapter(Summarization)
_FOUND = TypeAdapter(Found)


@dataclass(frozen=True, slots=True)
class Asked:
    """How a caller names what is wanted, before it is checked. Exactly one of the first five is given."""

    text: str | None = None
    upload: Upload | None = None
    """A file of the same request."""
    upload_id: str | None = None
    url: str | None = None
    transcript_id: str | None = None
    wanted: Wanted = field(default=Wanted(USUAL_LENGTH))
    provider: str | None = None
    model: str | None = None
    callback: Callback | None = None
    """Whom to tell when it is over."""
    contract: str = "native"


def queue_of(model: str) -> str:
    """The queue that workers holding this model consume."""
    return queue_of_model("summarize", model)


async def create(
    runtime: Runtime, settings: SummarizeSettings, caller: Caller, asked: Asked, trace: RequestTrace
) -> tuple[Job, bool]:
    """Accept a text; returns its job, and False if an earlier request with the same key made it.

    Raises UnknownProvider, ProviderNotConfigured, UnknownModel, NotFound (upload, transcription),
    TranscriptNotReady, NothingToSummarize, TextTooLong, TooLarge, Throttled, IdempotencyMismatch.
    """
    came = asked.upload
    try:
        provider, model = _chosen(settings, asked)
        source, came = await _source(runtime, settings, caller, asked)
        url = asked.callback.url if asked.callback else None
        wanted = Summarization(source, provider, model, asked.wanted, url, asked.contract)
        job, new = await _submit(runtime, caller, asked, wanted, trace)
    except BaseException:
        await uploads.discard(runtime, came)
        raise
    if not new:
        await uploads.discard(runtime, came)
    return job, new


async def check(runtime: Runtime, settings: SummarizeSettings, caller: Caller, asked: Asked) -> None:
    """Raises what `create` would raise for the request itself, and makes nothing."""
    _chosen(settings, asked)
    if asked.upload_id is not None:
        await _upload(runtime, settings, asked.upload_id)
    elif asked.transcript_id is not None:
        await transcript_job(runtime, caller, asked.transcript_id)
    elif asked.text is not None:
        _checked(asked.text, settings)


async def summary_of(runtime: Runtime, job: Job) -> Found | None:
    """What a job came to; None while that is nothing."""
    result = await result_of(runtime.store, job)
    return Found.of(result) if result else None


async def forget(runtime: Runtime, caller: Caller, job_id: str) -> None:
    """Delete a summary, and the text that came with it if that is still there. A running one stops."""
    async with runtime.begin() as work:
        jobs = JobRepository(work.session)
        job = await jobs.get(job_id, caller, kind=KIND)
        await jobs.delete(job)
        work.announce(job.id, ended=True)
    if job.result_key:
        await runtime.store.delete(job.result_key)
    await inputs.sweep(runtime)


def _chosen(settings: SummarizeSettings, asked: Asked) -> tuple[str, str]:
    """Provider and model."""
    return PROVIDERS.choose(asked.provider, settings.provider_aliases), choose_model(
        asked.model, settings.models
    )


async def _source(
    runtime: Runtime, settings: SummarizeSettings, caller: Caller, asked: Asked
) -> tuple[Source, Upload | None]:
    """Where the text is now, and what was stored for this request alone."""
    if asked.upload is not None:
        _check_size(asked.upload, settings)
        name = asked.upload.filename
        return Source(SourceKind.document, str(asked.upload.id), name=name, came_with_job=True), asked.upload
    # The URL of an upload is not fetched: it names an object that we have.
    own = UPLOAD_PATH.search(asked.url or "")
    if upload_id := asked.upload_id or (own.group(1) if own else None):
        found = await _upload(runtime, settings, upload_id)
        return Source(SourceKind.document, str(found.id), name=found.filename), None
    if asked.url is not None:
        return Source(SourceKind.url, url=asked.url, name=name_in(asked.url)), None
    kind, name, text = SourceKind.text, "", asked.text or ""
    if asked.transcript_id is not None:
        kind, name = SourceKind.transcript, asked.transcript_id
        text = await transcript_text(runtime, caller, asked.transcript_id)
    upload = await _stored(runtime, caller, _checked(text, settings))
    return Source(kind, str(upload.id), name=name, came_with_job=True), upload


async def _upload(runtime: Runtime, settings: SummarizeSettings, upload_id: str) -> Upload:
    async with runtime.db.reading() as session:
        found = await UploadRepository(session).get(upload_id, runtime.clock.now())
    _check_size(found, settings)
    return found


def _check_size(upload: Upload, settings: SummarizeSettings) -> None:
    if (upload.size_bytes or 0) > settings.max_document_bytes:
        raise TooLarge(
            f"the document is larger than {settings.max_document_bytes} bytes, the limit here", param="file"
        )


def _checked(text: str, settings: SummarizeSettings) -> str:
    if len(text) > settings.max_characters:
        raise TextTooLong(settings.max_characters)
    if not A_LETTER.search(text):
        raise NothingToSummarize
    # What no database takes; and halves of characters, which no encoding does.
    return text.replace("\x00", "").encode(errors="replace").decode()


async def _stored(runtime: Runtime, caller: Caller, text: str) -> Upload:
    """Out of the job's row, which stays small and outlives the text."""
    return await uploads.receive(runtime, caller, "text.txt", uploads.in_pieces(text.encode()))


async def _submit(
    runtime: Runtime, caller: Caller, asked: Asked, wanted: Summarization, trace: RequestTrace
) -> tuple[Job, bool]:
    key = trace.idempotency_key
    new = NewJob(
        id=uuid.uuid4(),
        kind=KIND,
        queue=queue_of(wanted.model),
        request=wanted.to_json(),
        retention=timedelta(hours=runtime.settings.result_retention_hours),
        callback=asked.callback,
        request_id=trace.request_id,
        idempotency_key=idempotency_hash(caller, key) if key else None,
        fingerprint=trace.fingerprint or None,
    )
    async with runtime.begin() as work:
        job, made = await submit(runtime, work, caller, new)
        if made and wanted.source.came_with_job and wanted.source.upload_id:
            InputRepository(work.session).add(job.id, uuid.UUID(wanted.source.upload_id))
    return job, made
