"""A text spoken while its client listens: sound as it is made, and no more of it than is wanted."""

import tempfile
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import structlog
from fastapi import Depends, Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from stentor_common.adapters import Adapter, resolve
from stentor_common.auth import Caller
from stentor_common.errors import AppError
from stentor_common.jobs.deferred import first_part
from stentor_common.places import Places
from stentor_common.requests import RuntimeDep, resource_of
from stentor_common.runtime import Runtime
from stentor_common.store import ObjectMissing
from stentor_tts import sounds
from stentor_tts.delivery import disposition
from stentor_tts.formats import FORMATS
from stentor_tts.settings import TtsSettings
from stentor_tts.sounds import Facts, NewSound
from stentor_tts.speaking import Part, Speaker, SpeakerDep
from stentor_tts.speeches import KIND, Manner, Repertoire, Wish, cache_keys, need_length, script_for

if TYPE_CHECKING:
    from stentor_tts.synthesis import Synthesis

# Imported by the first text: a process that only serves the API need not have numpy.
SYNTHESIS = {"synthesis": Adapter("stentor_tts.synthesis:Synthesis", extra="speech", library="numpy")}

IN_MEMORY_BYTES = 1024 * 1024
"""Of the copy for the cache; the rest of it waits in a file until all of it is there."""

PIECE_BYTES = 256 * 1024

log = structlog.get_logger()


class StreamPlaces(Places):
    """Counts the texts that this process speaks while clients listen."""

    def __init__(self, settings: TtsSettings) -> None:
        super().__init__("texts being spoken", most=settings.streams, most_each=settings.streams_per_caller)


@dataclass(frozen=True, slots=True)
class Stage:
    """What a route needs to have a text spoken while its client listens."""

    runtime: Runtime
    repertoire: Repertoire
    speaker: Speaker
    places: StreamPlaces


async def get_stage(
    runtime: RuntimeDep,
    repertoire: Annotated[Repertoire, Depends(resource_of(Repertoire))],
    speaker: SpeakerDep,
    places: Annotated[StreamPlaces, Depends(resource_of(StreamPlaces))],
) -> Stage:
    return Stage(runtime, repertoire, speaker, places)


StageDep = Annotated[Stage, Depends(get_stage)]


@dataclass(frozen=True, slots=True)
class SoundStream:
    """The sound of a text. `chunks` has its first bytes already, or its end; it must be closed."""

    manner: Manner
    chunks: AsyncGenerator[bytes, None]
    source: "Facts | Synthesis"
    """What is told of sound that was there, or what makes it now."""

    @property
    def duration_ms(self) -> int:
        """Of all that came so far, of sound that was there the whole."""
        return self.source.duration_ms

    @property
    def media_type(self) -> str:
        return FORMATS[self.manner.format].type_at(self.manner.sample_rate)

    @property
    def headers(self) -> dict[str, str]:
        stored = self.source if isinstance(self.source, Facts) else None
        told = {
            "Content-Disposition": disposition("speech", self.manner.format),
            "X-Stentor-Voice": self.manner.voice,
            "X-Stentor-Cached": "true" if stored else "false",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        }
        return told | ({"Content-Length": str(stored.size_bytes)} if stored else {})


class StreamResponse(StreamingResponse):
    """An answer made of sound, or of events with it. However it ends, nothing more is spoken then."""

    def __init__(
        self, sound: SoundStream, headers: Mapping[str, str], events: AsyncIterator[bytes] | None = None
    ) -> None:
        self._sound = sound
        media_type = "text/event-stream" if events else sound.media_type
        super().__init__(events or sound.chunks, headers=headers, media_type=media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._sound.chunks.aclose()


async def open_stream(
    stage: Stage, request: Request, caller: Caller, text: str, wish: Wish, *, shared: bool = False
) -> SoundStream:
    """Begin to speak a text; returns with the first bytes, so that what goes wrong until then can be told.

    Sound of the same request is taken from the cache: of the same user, or of everybody if it is `shared`.
    Raises what `Repertoire.manner` and `Speaker.say` raise, TextTooLong, Unspeakable, SsmlError, Throttled,
    Unavailable, ClientGone.
    """
    settings = stage.repertoire.settings
    manner, voice = stage.repertoire.manner(wish)
    need_length(text, settings.stream_characters)
    script = await script_for(text, manner)
    keys = None
    if wish.cache and settings.cache:
        keys = cache_keys(None if shared else caller.user_id, manner, voice, script)
        if found := await sounds.cached(stage.runtime, settings, (keys.file, keys.stream)):
            # What was deleted at this moment is made anew.
            with suppress(ObjectMissing):
                return SoundStream(manner, await _begun(request, _stored(stage.runtime, found)), found)
    await stage.runtime.throttle.count_new_job(caller)
    synthesis: Synthesis = resolve(SYNTHESIS, "synthesis")(stage.speaker, voice, manner, script)
    chunks = _spoken(stage, caller, synthesis)
    if keys and settings.cache_mib:
        chunks = _kept(stage.runtime, chunks, keys.stream, lambda: synthesis.finished(len(text)))
    return SoundStream(manner, await _begun(request, chunks), synthesis)


async def _begun(request: Request, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The same chunks, once the first of them is there. Raises ClientGone, and what keeps it from coming."""
    try:
        first: bytes | None = await first_part(request, chunks)
    except BaseException:
        await chunks.aclose()
        raise

    async def all_of_them() -> AsyncGenerator[bytes, None]:
        async with aclosing(chunks):
            if first is not None:
                yield first
            async for chunk in chunks:
                yield chunk

    return all_of_them()


async def _stored(runtime: Runtime, facts: Facts) -> AsyncGenerator[bytes, None]:
    async for piece in runtime.store.read(facts.store_key):
        yield piece


async def _spoken(stage: Stage, caller: Caller, synthesis: "Synthesis") -> AsyncGenerator[bytes, None]:
    stage.places.take(caller)
    try:
        part = Part(str(uuid.uuid4()), caller.key, ahead=stage.repertoire.settings.sentences_ahead, live=True)
        async with aclosing(synthesis.chunks(part)) as chunks:
            async for chunk in chunks:
                yield chunk
    finally:
        stage.places.give_back(caller)
        seconds = synthesis.duration_ms / 1000
        stage.runtime.metrics.media_seconds.labels(KIND, synthesis.model).inc(seconds)


async def _kept(
    runtime: Runtime, chunks: AsyncGenerator[bytes, None], key: str, finished: sounds.Finished
) -> AsyncGenerator[bytes, None]:
    """The same chunks; when all of them have come they are put into the cache."""
    with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES) as copy:
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk
                copy.write(chunk)
        copy.seek(0)

        async def pieces() -> AsyncIterator[bytes]:
            while piece := copy.read(PIECE_BYTES):
                yield piece

        try:
            await sounds.save(runtime, NewSound(str(uuid.uuid4()), key), pieces(), finished)
        except (AppError, OSError) as error:
            # The client has all of it: this is not for him.
            log.warning("sound was not kept", reason=repr(error))
