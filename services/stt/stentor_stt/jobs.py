"""The job of speech to text: bring the recording here, have it heard, report on the way."""

import asyncio
import hashlib
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stentor_common.adapters import Adapter, resolve
from stentor_common.fetch import Fetcher
from stentor_common.jobs.run import JobRun, Progress
from stentor_common.jobs.until_stopped import until_stopped
from stentor_common.runtime import Runtime
from stentor_common.steps import Errand
from stentor_common.store import ObjectMissing
from stentor_common.uploads import store_key
from stentor_stt.audio import Decoder, Detector, Plan
from stentor_stt.batching import Hearer
from stentor_stt.engines import DETECTORS, Heard, Piece
from stentor_stt.errors import AudioGone
from stentor_stt.options import Diarization, Options
from stentor_stt.paragraphs import turns
from stentor_stt.pieces import JobMemory
from stentor_stt.settings import SttSettings
from stentor_stt.transcript import Transcript
from stentor_stt.transcriptions import SUMMARIZER, AudioSource, Transcription
from stentor_stt.voices import Encoder

if TYPE_CHECKING:
    from stentor_stt.speakers import SpeakerListener, Speakers

# Imported by the first job: a process that only serves the API need not have numpy.
RECOGNITION = {"recognition": Adapter("stentor_stt.recognition:Recognition", extra="whisper")}
SPEAKERS = {"speakers": Adapter("stentor_stt.speakers:Speakers", extra="diarization")}

BATCHES_IN_FLIGHT, LEAST_IN_FLIGHT = 2, 2
"""While one batch is with the model, the next one waits. Jobs that run side by side share so many pieces, and
each has a few at least: more sound would only fill the memory."""


class TranscribeHandler:
    """Runs transcription jobs."""

    def __init__(
        self, settings: SttSettings, hearer: Hearer, decoder: Decoder, make_encoder: Callable[[], Encoder]
    ) -> None:
        self._settings = settings
        self._hearer = hearer
        self._decoder = decoder
        self._make_encoder = make_encoder
        self._speakers: Speakers | None = None
        self._running = 0
        """Jobs, just now."""
        self._detector = DETECTORS.get(settings.engine, Detector.SPEECH)
        self._fetcher = Fetcher(allowed=settings.fetch_allowed)

    async def __call__(self, runtime: Runtime, run: JobRun) -> dict[str, Any]:
        """The job's result: the transcript and what made it."""
        self._running += 1
        try:
            return await until_stopped(run, self._result(runtime, run))
        finally:
            self._running -= 1

    async def close(self) -> None:
        await self._fetcher.close()
        if self._speakers:
            await self._speakers.close()

    async def _result(self, runtime: Runtime, run: JobRun) -> dict[str, Any]:
        asked = Transcription.of(run.request)
        run.report(Progress("fetching"))
        async with self._audio(runtime, asked.source) as path:
            sha256 = await asyncio.to_thread(_sha256, path)
            run.report(Progress("loading"))
            await self._hearer.check(asked.model, asked.options)
            run.report(Progress("transcribing"))
            started = time.monotonic()
            transcript = await self._transcript(runtime, run, asked, path)
            took = time.monotonic() - started
        seconds = transcript.duration_ms / 1000
        runtime.metrics.media_seconds.labels(run.kind, asked.model).inc(seconds)
        if seconds:
            runtime.metrics.real_time_factor.labels(run.kind, asked.model).observe(took / seconds)
        made_by = {
            "engine": self._settings.engine,
            "model": asked.model,
            "provider": asked.provider,
            "sha256": sha256,
        }
        if asked.summarize:
            transcript = replace(transcript, summary=await self._summary(runtime, run, transcript))
        return {"transcript": transcript.to_json(), "made_by": made_by}

    async def _summary(self, runtime: Runtime, run: JobRun, transcript: Transcript) -> str:
        """Another service writes it; empty where nobody speaks."""
        if not transcript.text.strip():
            return ""
        run.report(Progress("summarizing"))
        errand = Errand(runtime, run, lambda _: None)
        output = await errand.done(SUMMARIZER, {"text": turns(transcript)}, part="summary")
        return str(output["text"])

    async def _transcript(
        self, runtime: Runtime, run: JobRun, asked: Transcription, path: Path
    ) -> Transcript:
        job, caller = str(run.id), str(run.lease.owner_id or "")

        async def hear(piece: Piece) -> Heard:
            return await self._hearer.hear(asked.model, piece, job=job, caller=caller)

        async with (
            aclosing(JobMemory(runtime, run.lease)) as memory,
            self._listener(runtime, asked.options.diarization) as listener,
        ):
            recognition = resolve(RECOGNITION, "recognition")(
                hear=hear,
                options=asked.options,
                plan=self._plan(asked.options),
                in_flight=max(BATCHES_IN_FLIGHT * self._settings.batch // self._running, LEAST_IN_FLIGHT),
                memory=memory,
                report=_reporter(run),
                listener=listener,
            )
            found: Transcript = await recognition.transcript(self._decoder, path)
        return found

    def _plan(self, options: Options) -> Plan:
        return Plan(
            detector=self._detector if options.voice_activity else Detector.NONE,
            split_channels=options.split_channels,
            start_ms=options.clip_start_ms,
            end_ms=options.clip_end_ms,
            piece_seconds=self._settings.piece_seconds,
            max_seconds=self._settings.max_audio_hours * 3600,
            memory_mib=self._settings.decoder_memory_mib,
        )

    @asynccontextmanager
    async def _audio(self, runtime: Runtime, source: AudioSource) -> AsyncIterator[Path]:
        """The recording as a file here. Raises AudioGone, UrlRefused, UrlUnreadable, TooLarge."""
        if source.upload_id is None:
            opened = self._downloaded(runtime, source.url or "")
        else:
            opened = _stored(runtime, source.upload_id)
        async with opened as path:
            yield path

    @asynccontextmanager
    async def _listener(
        self, runtime: Runtime, wanted: Diarization | None
    ) -> AsyncIterator["SpeakerListener | None"]:
        """Who tells speakers apart, if that is wanted."""
        if wanted is None:
            yield None
            return
        if self._speakers is None:
            idle = self._settings.idle_unload_seconds
            self._speakers = resolve(SPEAKERS, "speakers")(self._make_encoder, idle_seconds=idle)
        assert self._speakers
        known = partial(_stored, runtime)
        async with self._speakers.listener(wanted, self._decoder, known, self._detector) as listener:
            yield listener

    @asynccontextmanager
    async def _downloaded(self, runtime: Runtime, url: str) -> AsyncIterator[Path]:
        pieces = self._fetcher.download(
            url, max_bytes=runtime.settings.max_upload_bytes, max_seconds=self._settings.fetch_seconds
        )
        with tempfile.NamedTemporaryFile(prefix="stentor-") as file:
            async with aclosing(pieces):
                async for piece in pieces:
                    await asyncio.to_thread(file.write, piece)
            file.flush()
            yield Path(file.name)


def _sha256(path: Path) -> str:
    """Of the recording: some contracts tell it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@asynccontextmanager
async def _stored(runtime: Runtime, upload_id: str) -> AsyncIterator[Path]:
    """An upload as a file here. Raises AudioGone."""
    try:
        async with runtime.store.fetch(store_key(upload_id)) as path:
            yield path
    except ObjectMissing as error:
        raise AudioGone from error


def _reporter(run: JobRun) -> Callable[[int, int | None], None]:
    """Turns milliseconds of sound into a fraction and an estimate of the time left."""
    started = time.monotonic()

    def report(done_ms: int, total_ms: int | None) -> None:
        fraction = done_ms / total_ms if total_ms else None
        left = (time.monotonic() - started) * (1 / fraction - 1) if fraction else None
        run.report(Progress("transcribing", fraction, left))

    return report
