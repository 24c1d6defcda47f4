"""The use cases of text to speech, shared by all contracts: accept a text, find its sound."""

import asyncio
import uuid
from dataclasses import astuple, dataclass, field
from datetime import timedelta
from typing import Any, Self

from pydantic import TypeAdapter

from stentor_common.auth import Caller
from stentor_common.jobs.repository import JobRepository, NewJob, idempotency_hash
from stentor_common.jobs.submit import submit
from stentor_common.jobs.table import Job
from stentor_common.jobs.trace import RequestTrace
from stentor_common.runtime import Runtime
from stentor_common.uploads import Upload, UploadRepository, discard, in_pieces, receive
from stentor_common.uploads import delete as delete_uploads
from stentor_common.webhooks import Callback
from stentor_tts import sounds
from stentor_tts.errors import TextTooLong
from stentor_tts.formats import choose
from stentor_tts.providers import PROVIDERS, choose_voice, model_of, queue_of
from stentor_tts.script import Markup, Pause, Script, Sentence, script_of
from stentor_tts.settings import TtsSettings
from stentor_tts.sounds import CacheKeys, Facts
from stentor_tts.voices import Voice, VoiceCatalog, plain_language

KIND = "tts.speak"

MAKING = 1
"""Another number when the same request would sound otherwise than before: what is cached serves no more."""

INLINE_CHARACTERS = 8_000
"""A longer text is stored as an upload: rows stay quick to read."""

CHECKED_CHARACTERS = 20_000
"""A text up to this length is read before it is accepted, so that what is wrong with it is told at once; of a
longer one it is told as the failure of its job."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a text is to be spoken, by whom, and as what kind of file; nothing is left to be chosen."""

    voice: str
    language: str
    markup: Markup
    speed: float
    format: str
    sample_rate: int
    words: bool
    """Whether it is told when each word is spoken."""


@dataclass(frozen=True, slots=True)
class Speech:
    """What a job row of this kind asks for."""

    manner: Manner
    provider: str
    model: str
    text: str | None = None
    upload_id: str | None = None
    """Where the text is, if not here."""
    came_with_job: bool = False
    """The upload was made for this job, and goes when that is over."""
    cache: bool = True
    """Whether sound of the same request may be used, and this kept for others like it."""
    webhook_url: str | None = None
    contract: str = "native"
    """By which contract it came."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What that contract keeps for its answers."""

    @classmethod
    def of(cls, request: dict[str, Any]) -> Self:
        return _STORED.validate_python(request)  # type: ignore[return-value]

    def to_json(self) -> dict[str, Any]:
        stored: dict[str, Any] = _STORED.dump_python(self, mode="json")
        return stored


_STORED = TypeAdapter(Speech)


@dataclass(frozen=True, slots=True)
class Wish:
    """How a caller names what is wanted, before it is checked."""

    voice: str | None = None
    model: str | None = None
    provider: str | None = None
    language: str | None = None
    markup: Markup = Markup.auto
    speed: float = 1.0
    format: str = "mp3"
    sample_rate: int | None = None
    words: bool = False
    cache: bool = True


@dataclass(frozen=True, slots=True)
class Asked:
    """A text and how it is wanted: `text`, an earlier upload, or one that came in the same request."""

    wish: Wish
    text: str | None = None
    upload_id: str | None = None
    upload: Upload | None = None
    callback: Callback | None = None
    retention: timedelta | None = None
    """How long the sound is kept; None is what the installation does."""
    contract: str = "native"
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Repertoire:
    """What is served here, and how."""

    settings: TtsSettings
    catalog: VoiceCatalog

    def manner(self, wish: Wish) -> tuple[Manner, Voice]:
        """The wish with everything chosen, and the voice that speaks.

        Raises UnknownProvider, ProviderNotConfigured, UnknownVoice, UnknownModel, LanguageNotSpoken,
        VoiceOfOtherModel, UnknownFormat, UnknownSampleRate.
        """
        PROVIDERS.choose(wish.provider, self.settings.provider_aliases)
        voice = choose_voice(self.catalog, wish.voice, wish.model, wish.language)
        form, sample_rate = choose(wish.format, wish.sample_rate, near=voice.sample_rate)
        manner = Manner(
            voice=voice.id,
            language=plain_language(wish.language) if wish.language else voice.language,
            markup=wish.markup,
            speed=wish.speed,
            format=form.name,
            sample_rate=sample_rate,
            words=wish.words,
        )
        return manner, voice


async def create(
    runtime: Runtime, repertoire: Repertoire, caller: Caller, asked: Asked, trace: RequestTrace
) -> tuple[Job, bool]:
    """Accept a text; returns its job, and False if an earlier request with the same key made it.

    Raises what `accepted` raises, Throttled, IdempotencyMismatch.
    """
    own = asked.upload
    try:
        manner, voice = await accepted(runtime, repertoire, asked)
        if asked.text is not None and len(asked.text) > INLINE_CHARACTERS:
            own = await receive(runtime, caller, "text.txt", in_pieces(asked.text.encode()))
        speech = Speech(
            manner=manner,
            provider=PROVIDERS.choose(asked.wish.provider, repertoire.settings.provider_aliases),
            model=model_of(voice),
            text=None if own else asked.text,
            upload_id=str(own.id) if own else asked.upload_id,
            came_with_job=own is not None,
            cache=asked.wish.cache and repertoire.settings.cache,
            webhook_url=asked.callback.url if asked.callback else None,
            contract=asked.contract,
            notes=asked.notes,
        )
        job, new = await _submit(runtime, caller, speech, asked, trace)
    except BaseException:
        await discard(runtime, own)
        raise
    if not new:
        await discard(runtime, own)
    return job, new


async def accepted(runtime: Runtime, repertoire: Repertoire, asked: Asked) -> tuple[Manner, Voice]:
    """How it will be spoken, and by whom.

    Raises what `Repertoire.manner` raises, TextTooLong, Unspeakable, SsmlError, NotFound (upload).
    """
    manner, voice = repertoire.manner(asked.wish)
    if asked.text is not None:
        need_length(asked.text, repertoire.settings.max_characters)
        if len(asked.text) <= CHECKED_CHARACTERS:
            await script_for(asked.text, manner)
    elif asked.upload_id is not None:
        async with runtime.db.reading() as session:
            await UploadRepository(session).get(asked.upload_id, runtime.clock.now())
    return manner, voice


def facts_of(job: Job) -> Facts | None:
    """What there is to tell of a job's sound; None while there is none."""
    return Facts.of(job.result["sound"]) if job.result else None


def was_cached(job: Job) -> bool:
    """Whether its sound had been made for an earlier request."""
    return bool(job.result and job.result["cached"])


async def forget(runtime: Runtime, caller: Caller, job_id: str) -> None:
    """Delete a speech with its sound, and the text that came with it. A running one stops."""
    async with runtime.begin() as work:
        jobs = JobRepository(work.session)
        job = await jobs.get(job_id, caller, kind=KIND)
        await jobs.delete(job)
        work.announce(job.id, ended=True)
    await sounds.forget_of_job(runtime, job.id)
    await forget_text(runtime, Speech.of(job.request))


async def forget_text(runtime: Runtime, speech: Speech) -> None:
    """Delete the text that came with a job."""
    if speech.upload_id and speech.came_with_job:
        await delete_uploads(runtime, [Upload(id=uuid.UUID(speech.upload_id))])


async def script_for(text: str, manner: Manner) -> Script:
    """The text as it will be spoken. Raises Unspeakable, SsmlError."""
    return await asyncio.to_thread(script_of, text, markup=manner.markup, language=manner.language)


def cache_keys(owner_id: uuid.UUID | None, manner: Manner, voice: Voice, script: Script) -> CacheKeys:
    """The same for requests whose sound is the same. Each user has his own cache: nobody learns from it what
    others have had spoken."""
    parts = [_heard(part) for part in script]
    speaker = (voice.engine, voice.model, voice.engine_voice, manner.language, manner.speed)
    told = (manner.format, manner.sample_rate, manner.words)
    return CacheKeys.of(MAKING, str(owner_id), speaker, told, parts)


def _heard(part: Sentence | Pause) -> object:
    if isinstance(part, Pause):
        return astuple(part)
    return " ".join(part.text.split()), part.spoken, astuple(part.prosody)


def need_length(text: str, most: int) -> None:
    if len(text) > most:
        raise TextTooLong(most, len(text))


async def _submit(
    runtime: Runtime, caller: Caller, speech: Speech, asked: Asked, trace: RequestTrace
) -> tuple[Job, bool]:
    key = trace.idempotency_key
    new = NewJob(
        id=uuid.uuid4(),
        kind=KIND,
        queue=queue_of(speech.model),
        request=speech.to_json(),
        retention=asked.retention or timedelta(hours=runtime.settings.result_retention_hours),
        callback=asked.callback,
        request_id=trace.request_id,
        idempotency_key=idempotency_hash(caller, key) if key else None,
        fingerprint=trace.fingerprint or None,
    )
    async with runtime.begin() as work:
        return await submit(runtime, work, caller, new)
