"""A text spoken while its client listens: sound as it is made, and no more of it than is wanted."""

import tempfile
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Annotated

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
from stentor_tts import sounds
from stentor_tts.delivery import disposition
from stentor_tts.providers import model_of
from stentor_tts.script import Script
from stentor_tts.settings import TtsSettings
from stentor_tts.sounds import Facts, NewSound
from stentor_tts.speaking import Speaker, SpeakerDep
from stentor_tts.speeches import KIND, Manner, Repertoire, Wish, cache_key, need_length, script_for
from stentor_tts.voices import Voice

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
    voice: Voice
    chunks: AsyncGenerator[bytes, None]
    facts: Facts | None = None
    """Of sound that was there."""

    @property
    def headers(self) -> dict[str, str]:
        told = {
            "Content-Disposition": disposition("speech", self.manner.format),
            "X-Stentor-Voice": self.manner.voice,
            "X-Stentor-Cached": "true" if self.facts else "false",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        }
        return told | ({"Content-Length": str(self.facts.size_bytes)} if self.facts else {})


class StreamResponse(StreamingResponse):
    """An answer made of sound, which is closed however the answer ends: then nothing more is spoken."""

    def __init__(
        self,
        sound: SoundStream,
        content: AsyncIterator[bytes],
        media_type: str,
        headers: Mapping[str, str],
    ) -> None:
        self._sound = sound
        super().__init__(content, headers=headers, media_type=media_type)

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
    manner, voice = stage.repertoire.manner(wish)
    need_length(text, stage.repertoire.settings.stream_characters)
    script = await script_for(text, manner)
    settings = stage.repertoire.settings
    key = None
    if wish.cache and settings.cache:
        key = cache_key(None if shared else caller.user_id, manner, voice, script)
        if found := await sounds.cached(stage.runtime, settings, key):
            chunks = _stored(stage.runtime, found)
            return SoundStream(manner, voice, await _begun(request, chunks), found)
    await stage.runtime.throttle.count_new_job(caller)
    chunks = _spoken(stage, caller, _Text(manner, voice, script, len(text), key))
    return SoundStream(manner, voice, await _begun(request, chunks))


@dataclass(frozen=True, slots=True)
class _Text:
    manner: Manner
    voice: Voice
    script: Script
    characters: int
    cache_key: str | None


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


async def _spoken(stage: Stage, caller: Caller, text: _Text) -> AsyncGenerator[bytes, None]:
    async with AsyncExitStack() as stack:
        stage.places.take(caller)
        stack.callback(stage.places.give_back, caller)
        synthesis: Synthesis = resolve(SYNTHESIS, "synthesis")(
            stage.speaker, text.voice, text.manner, text.script
        )
        copy = stack.enter_context(tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES))
        chunks = synthesis.chunks(
            job=str(uuid.uuid4()),
            caller=caller.key,
            ahead=stage.repertoire.settings.sentences_ahead,
            live=True,
        )
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk
                copy.write(chunk)
        metrics = stage.runtime.metrics
        metrics.media_seconds.labels(KIND, model_of(text.voice)).inc(synthesis.duration_ms / 1000)
        if text.cache_key and stage.repertoire.settings.cache_mib:
            copy.seek(0)
            await _keep(stage.runtime, text, synthesis, copy)


async def _keep(runtime: Runtime, text: _Text, synthesis: "Synthesis", copy: IO[bytes]) -> None:
    """Put it into the cache. The client has all of it: a failure here is not for him."""

    async def pieces() -> AsyncIterator[bytes]:
        while piece := copy.read(PIECE_BYTES):
            yield piece

    new = NewSound(str(uuid.uuid4()), text.cache_key)
    try:
        await sounds.save(runtime, new, pieces(), lambda: synthesis.finished(text.characters))
    except (AppError, OSError) as error:
        log.warning("sound was not kept", reason=repr(error))
