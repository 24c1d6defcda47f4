"""From a recording to its transcript: decode, cut, recognise, join; with progress and a way to stop."""

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from stentor_stt.audio import SAMPLE_RATE, Sound, Window, decode, probe, windows
from stentor_stt.engines import Engine, Hearing
from stentor_stt.options import Options, Task
from stentor_stt.supervision import Supervision
from stentor_stt.transcript import Segment, Transcript, joined

POLL_SECONDS = 0.2
"""How often a wait for the decoder looks whether the job was cancelled."""


def recognise(
    path: Path, engine: Engine, options: Options, supervision: Supervision | None = None
) -> Transcript:
    """The transcript of a file, made by a loaded engine. Blocks: call it in a worker thread.

    Raises what decoding and the engine raise, and what `supervision.check` raises.
    """
    watch = supervision or Supervision()
    total_ms = _known_length(path)
    run = _Run(engine, options, watch, total_ms)
    # In a short recording there is nothing to decode while the model works on something else.
    short = total_ms is not None and total_ms <= watch.window_seconds * 1000
    with closing((_at_once if short else _ahead)(path, engine, watch)) as found:
        for window in found:
            run.hear(window)
    return run.transcript()


@dataclass(slots=True)
class _Run:
    """What has been recognised of one recording so far."""

    engine: Engine
    options: Options
    watch: Supervision
    total_ms: int | None
    language: str | None = None
    language_confidence: float | None = None
    pieces: list[tuple[int, list[Segment]]] = field(default_factory=list)
    samples: int = 0

    def hear(self, window: Window) -> None:
        self.watch.check()
        with self.watch.turn:
            heard = self.engine.transcribe(window.sound, self.options)
        length_ms = len(window.sound) * 1000 // SAMPLE_RATE
        segments: list[Segment] = []
        for segment in self._in_turns(heard):
            # A model may end its last segment after the sound, where the next window begins.
            segments.append(segment.within(0, length_ms))
            self._report(window.start_ms + segments[-1].end_ms)
        self._keep_language(heard, segments)
        self.pieces.append((window.start_ms, segments))
        self.samples += len(window.sound)
        self._report(self._done_ms())

    def transcript(self) -> Transcript:
        duration_ms = self._done_ms()
        self.watch.report(duration_ms, duration_ms)
        return joined(
            self.pieces,
            duration_ms=duration_ms,
            language=self.language,
            language_confidence=self.language_confidence,
            text_language="en" if self.options.task is Task.TRANSLATE else self.language,
        )

    def _in_turns(self, heard: Hearing) -> Iterator[Segment]:
        while True:
            self.watch.check()
            with self.watch.turn:
                segment = next(heard.segments, None)
            if segment is None:
                return
            yield segment

    def _keep_language(self, heard: Hearing, segments: list[Segment]) -> None:
        """Later windows are heard in the language of the first one with speech."""
        if self.language is None and segments:
            self.language = heard.language
            self.language_confidence = heard.language_confidence
            self.options = replace(self.options, language=heard.language)

    def _done_ms(self) -> int:
        return self.samples * 1000 // SAMPLE_RATE

    def _report(self, done_ms: int) -> None:
        # A header may promise less than there is.
        total_ms = None if self.total_ms is None else max(self.total_ms, done_ms)
        self.watch.report(done_ms, total_ms)


def _known_length(path: Path) -> int | None:
    seconds = probe(path).duration_seconds
    return None if seconds is None else round(seconds * 1000)


def _at_once(path: Path, engine: Engine, watch: Supervision) -> Generator[Window, None, None]:
    """The recording's windows, each decoded when it is asked for."""
    with closing(decode(path, max_seconds=watch.max_seconds)) as blocks:
        yield from windows(blocks, engine.speech, max_seconds=watch.window_seconds)


def _ahead(path: Path, engine: Engine, watch: Supervision) -> Generator[Window, None, None]:
    """The recording's windows, the next one being decoded while this one is with the model."""
    decoder = _Decoder(path, engine, watch)
    decoder.start()
    try:
        while (window := decoder.next_window()) is not None:
            yield window
    finally:
        decoder.stop()


class _Decoder(threading.Thread):
    """Decodes and cuts a recording, at most one window ahead of who takes them."""

    def __init__(self, path: Path, engine: Engine, watch: Supervision) -> None:
        super().__init__(name="stt-decoder", daemon=True)
        self._path = path
        self._engine = engine
        self._watch = watch
        self._ready: queue.SimpleQueue[Window | Exception | None] = queue.SimpleQueue()
        self._taken = threading.Semaphore(0)
        self._stopped = threading.Event()

    def next_window(self) -> Window | None:
        """The next window, None after the last; raises what decoding raised."""
        while True:
            self._watch.check()
            try:
                found = self._ready.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
            self._taken.release()
            if isinstance(found, Exception):
                raise found
            return found

    def stop(self) -> None:
        """Ends the thread within a block's decoding and waits for that."""
        self._stopped.set()
        self._taken.release()
        self.join()

    def run(self) -> None:
        try:
            blocks = decode(self._path, max_seconds=self._watch.max_seconds)
            with closing(blocks):
                self._cut(blocks)
            self._ready.put(None)
        except Exception as error:
            # Carried over to the thread that waits for the windows, and raised there.
            self._ready.put(error)

    def _cut(self, blocks: Iterator[Sound]) -> None:
        seconds = self._watch.window_seconds
        for window in windows(self._until_stopped(blocks), self._engine.speech, max_seconds=seconds):
            if self._stopped.is_set():
                return
            self._ready.put(window)
            self._taken.acquire()

    def _until_stopped(self, blocks: Iterator[Sound]) -> Iterator[Sound]:
        for block in blocks:
            if self._stopped.is_set():
                return
            yield block
