"""An engine that says what a test wrote down for it. Never a default."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stentor_stt.engines import EngineSettings, Heard, Piece
from stentor_stt.errors import UnknownLanguage
from stentor_stt.options import Options
from stentor_stt.transcript import Segment, Word

if TYPE_CHECKING:
    from stentor_stt.audio import Sound

SAMPLES_PER_MS = 16


@dataclass(frozen=True, slots=True)
class Script:
    """One segment per text, sharing the sound evenly; the same for every piece."""

    texts: tuple[str, ...]
    language: str = "en"
    languages: tuple[str, ...] = ("en", "es", "fr", "de")
    seconds_per_audio_second: float = 0.0
    """How slow the engine plays."""

    fails_after: int | None = None
    """Raise ScriptedFailure in place of the segment with this number, counted from 0."""

    diary: str | None = None
    """A file to which a line is added for every piece that was heard: its length in milliseconds."""


class ScriptedFailure(Exception):
    """What a broken engine would raise: not an error of the caller."""


class ScriptedEngine:
    """Answers from a Script, given here or as the JSON file that `settings.model` names.

    Sound that is perfectly silent says nothing.
    """

    name = "scripted"

    def __init__(
        self,
        settings: EngineSettings,
        script: Script | None = None,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self.model = settings.model
        self.asked: list[Options] = []
        """Options of every piece so far."""
        self.loaded = False
        self._script = script or read_script(Path(settings.model))
        self._unloaded = threading.Event()
        # Whoever unloads it does not wait until it has played to the end.
        self._wait = wait or self._unloaded.wait

    def load(self) -> None:
        self.loaded = True
        self._unloaded.clear()

    def unload(self) -> None:
        self.loaded = False
        self._unloaded.set()

    def languages(self) -> frozenset[str]:
        return frozenset(self._script.languages)

    def check(self, options: Options) -> None:
        if not self.loaded:
            raise RuntimeError("load() comes before using the engine")
        if options.language is not None and options.language not in self.languages():
            raise UnknownLanguage(options.language, model=self.model, known=self.languages())

    def hear(self, pieces: Sequence[Piece]) -> list[Heard]:
        return [self._heard(piece) for piece in pieces]

    def _heard(self, piece: Piece) -> Heard:
        self.check(piece.options)
        self.asked.append(piece.options)
        length_ms = len(piece.sound) // SAMPLES_PER_MS
        if not piece.sound.any():
            return Heard(None, None, ())
        segments = tuple(self._segments(piece.sound, piece.options))
        if self._script.diary:
            with Path(self._script.diary).open("a") as diary:
                diary.write(f"{length_ms}\n")
        loud = piece.sound.nonzero()[0] // SAMPLES_PER_MS
        speech = ((int(loud[0]), int(loud[-1]) + 1),) if piece.find_speech else ()
        return Heard(piece.options.language or self._script.language, 1.0, segments, speech)

    def _segments(self, sound: Sound, options: Options) -> Iterator[Segment]:
        texts = self._script.texts
        length_ms = len(sound) // SAMPLES_PER_MS
        for number, text in enumerate(texts):
            start, end = (length_ms * at // len(texts) for at in (number, number + 1))
            self._wait((end - start) / 1000 * self._script.seconds_per_audio_second)
            if number == self._script.fails_after:
                raise ScriptedFailure(f"the script fails at segment {number}")
            words = _words(text, start, end) if options.word_times else ()
            yield Segment(start, end, text, words, -0.1, 0.0, 1.0, options.temperature or 0.0)


def read_script(path: Path) -> Script:
    """A script from a JSON object with the names of Script's fields."""
    fields = json.loads(path.read_text())
    arguments: Any = {
        key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()
    }
    return Script(**arguments)


def _words(text: str, start_ms: int, end_ms: int) -> tuple[Word, ...]:
    texts = text.split()
    times = [start_ms + (end_ms - start_ms) * at // len(texts) for at in range(len(texts) + 1)]
    return tuple(Word(each, times[at], times[at + 1], 0.9) for at, each in enumerate(texts))
