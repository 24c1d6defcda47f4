"""The job of speech to text: bring the recording here, let the engine hear it, report on the way."""

import asyncio
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from stentor_common.adapters import Adapter, resolve
from stentor_common.engines import EngineSlot
from stentor_common.fetch import Fetcher
from stentor_common.jobs.run import JobRun, Progress
from stentor_common.runtime import Runtime
from stentor_common.store import ObjectMissing
from stentor_stt.engines import Engine
from stentor_stt.errors import AudioGone
from stentor_stt.settings import SttSettings
from stentor_stt.supervision import Supervision
from stentor_stt.tables import store_key
from stentor_stt.transcript import Transcript
from stentor_stt.transcriptions import AudioSource, Transcription

# Imported by the first job: a process that only serves the API needs neither the decoder nor numpy.
RECOGNITION = {"recognise": Adapter("stentor_stt.recognition:recognise", extra="whisper")}


class TranscribeHandler:
    """Runs transcription jobs; holds the engines of this process."""

    def __init__(self, settings: SttSettings, slots: Mapping[str, EngineSlot[Engine]]) -> None:
        self._settings = settings
        self._slots = slots
        self._turns = {model: threading.Lock() for model in slots}
        self._fetcher = Fetcher(allowed=settings.fetch_allowed)
        # Threads of its own: recognition lasts minutes and must not starve the default pool.
        self._threads = ThreadPoolExecutor(settings.jobs_at_once, thread_name_prefix="stt")

    async def __call__(self, runtime: Runtime, run: JobRun) -> dict[str, Any]:
        """The job's result: the transcript and what made it."""
        asked = Transcription.of(run.request)
        run.report(Progress("fetching"))
        async with self._audio(runtime, run, asked.source) as path:
            run.report(Progress("loading"))
            async with self._slots[asked.model].borrow() as engine:
                started = time.monotonic()
                transcript = await self._recognise(run, path, engine, asked)
                took = time.monotonic() - started
        seconds = transcript.duration_ms / 1000
        runtime.metrics.media_seconds.labels(run.kind, asked.model).inc(seconds)
        if seconds:
            runtime.metrics.real_time_factor.labels(run.kind, asked.model).observe(took / seconds)
        made_by = {"engine": engine.name, "model": engine.model, "provider": asked.provider}
        return {"transcript": transcript.to_json(), "made_by": made_by}

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        await self._fetcher.close()
        for slot in self._slots.values():
            await slot.close()

    async def _recognise(self, run: JobRun, path: Path, engine: Engine, asked: Transcription) -> Transcript:
        recognise = resolve(RECOGNITION, "recognise")
        supervision = Supervision(
            report=_reporter(run),
            check=run.check,
            turn=self._turns[asked.model],
            window_seconds=self._settings.window_seconds,
            max_seconds=self._settings.max_audio_hours * 3600,
        )
        loop, options = asyncio.get_running_loop(), asked.options
        found: Transcript = await loop.run_in_executor(
            self._threads, recognise, path, engine, options, supervision
        )
        return found

    @asynccontextmanager
    async def _audio(self, runtime: Runtime, run: JobRun, source: AudioSource) -> AsyncIterator[Path]:
        """The recording as a file here. Raises AudioGone, UrlRefused, UrlUnreadable, TooLarge."""
        if source.upload_id is None:
            async with self._downloaded(runtime, run, source.url or "") as path:
                yield path
            return
        try:
            async with runtime.store.fetch(store_key(source.upload_id)) as path:
                yield path
        except ObjectMissing as error:
            raise AudioGone from error

    @asynccontextmanager
    async def _downloaded(self, runtime: Runtime, run: JobRun, url: str) -> AsyncIterator[Path]:
        pieces = self._fetcher.download(
            url, max_bytes=runtime.settings.max_upload_bytes, max_seconds=self._settings.fetch_seconds
        )
        with tempfile.NamedTemporaryFile(prefix="stentor-") as file:
            async with aclosing(pieces):
                async for piece in pieces:
                    run.check()
                    await asyncio.to_thread(file.write, piece)
            file.flush()
            yield Path(file.name)


def _reporter(run: JobRun) -> Callable[[int, int | None], None]:
    """Turns milliseconds of sound into a fraction and an estimate of the time left."""
    started = time.monotonic()

    def report(done_ms: int, total_ms: int | None) -> None:
        fraction = done_ms / total_ms if total_ms else None
        left = (time.monotonic() - started) * (1 / fraction - 1) if fraction else None
        run.report(Progress("transcribing", fraction, left))

    return report
