"""The job of text to speech: read the text, have it spoken, store the sound, report on the way."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stentor_common.adapters import resolve
from stentor_common.auth import Caller
from stentor_common.jobs.run import JobRun, Progress
from stentor_common.jobs.until_stopped import until_stopped
from stentor_common.runtime import Runtime
from stentor_common.store import ObjectMissing
from stentor_common.uploads import store_key
from stentor_tts import sounds
from stentor_tts.errors import TextGone, TextTooLong, TextUnreadable
from stentor_tts.sounds import Facts, NewSound
from stentor_tts.speaking import Part, Speaker
from stentor_tts.speeches import Repertoire, Speech, cache_keys, forget_text, need_length, script_for
from stentor_tts.streaming import PIECE_BYTES, SYNTHESIS

if TYPE_CHECKING:
    from stentor_tts.synthesis import Synthesis

MOST_BYTES_EACH = 4
"""Of a character in UTF-8."""


class SpeakHandler:
    """Runs jobs of text to speech."""

    def __init__(self, repertoire: Repertoire, speaker: Speaker) -> None:
        self._repertoire = repertoire
        self._speaker = speaker

    async def __call__(self, runtime: Runtime, run: JobRun) -> dict[str, Any]:
        """The job's result: what there is to tell of the sound, which is in the store by then."""
        return await until_stopped(run, self._result(runtime, run))

    async def _result(self, runtime: Runtime, run: JobRun) -> dict[str, Any]:
        speech = Speech.of(run.request)
        if found := await sounds.of_job(runtime, run.id):
            # An earlier run finished it, and was lost before it could say so.
            await forget_text(runtime, speech)
            return _result(found)
        run.report(Progress("reading"))
        text = await self._text(runtime, speech)
        script = await script_for(text, speech.manner)
        voice = self._repertoire.catalog.choose(speech.manner.voice)
        key = cache_keys(run.lease.owner_id, speech.manner, voice, script).file if speech.cache else None
        found = await sounds.claimed(runtime, self._repertoire.settings, key, run.lease) if key else None
        if found:
            await forget_text(runtime, speech)
            return _result(found, cached=True)
        synthesis: Synthesis = resolve(SYNTHESIS, "synthesis")(self._speaker, voice, speech.manner, script)
        started = time.monotonic()
        with tempfile.NamedTemporaryFile(prefix="stentor-") as file:
            await synthesis.write(self._part(run), Path(file.name), _reporter(run, synthesis))
            took = time.monotonic() - started
            new = NewSound(run.lease.run_name, key, run.lease)
            facts = await sounds.save(
                runtime, new, _pieces(Path(file.name)), lambda: synthesis.finished(len(text))
            )
        seconds = facts.duration_ms / 1000
        runtime.metrics.media_seconds.labels(run.kind, speech.model).inc(seconds)
        runtime.metrics.real_time_factor.labels(run.kind, speech.model).observe(took / seconds)
        await forget_text(runtime, speech)
        return _result(facts)

    def _part(self, run: JobRun) -> Part:
        owner = Caller("", run.lease.owner_id)
        return Part(str(run.id), owner.key, ahead=self._repertoire.settings.sentences_ahead)

    async def _text(self, runtime: Runtime, speech: Speech) -> str:
        """Raises TextGone, TextTooLong, TextUnreadable."""
        if speech.text is not None:
            return speech.text
        most = self._repertoire.settings.max_characters
        content = bytearray()
        try:
            async for piece in runtime.store.read(store_key(speech.upload_id or "")):
                content += piece
                if len(content) > most * MOST_BYTES_EACH:
                    raise TextTooLong(most)
        except ObjectMissing as error:
            raise TextGone from error
        try:
            text = await asyncio.to_thread(content.decode, "utf-8-sig")
        except UnicodeDecodeError:
            raise TextUnreadable from None
        need_length(text, most)
        return text


def _reporter(run: JobRun, synthesis: "Synthesis") -> Callable[[], None]:
    """Tells how far a text is spoken, and about how much time is left."""
    started = time.monotonic()
    run.report(Progress("loading"))

    def report() -> None:
        if done := synthesis.done:
            left = (time.monotonic() - started) * (synthesis.sentences / done - 1)
            run.report(Progress(stage(done, synthesis.sentences), done / synthesis.sentences, left))

    return report


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece


def stage(done: int, sentences: int) -> str:
    """How far a text is spoken, as the one word that a job has for what it does."""
    return f"speaking {done}/{sentences}"


def parsed(stage: str) -> tuple[str, int | None, int | None]:
    """The same apart: what is done, and of a text that is spoken, how many sentences of how many."""
    word, _, counted = stage.partition(" ")
    done, slash, sentences = counted.partition("/")
    return (word, int(done), int(sentences)) if slash else (stage, None, None)


def _result(facts: Facts, *, cached: bool = False) -> dict[str, Any]:
    return {"sound": facts.to_json(), "cached": cached}
