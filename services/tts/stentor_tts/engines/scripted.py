"""An engine that answers with tones as long as the text. For tests, never a default."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stentor_tts.engines import (
    CannotSay,
    EngineSettings,
    EngineVoice,
    NoSuchSpeaker,
    Spoken,
    SpokenWord,
    Utterance,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LOUDNESS = 0.5


@dataclass(frozen=True, slots=True)
class Script:
    """What the engine does. A word is a tone, and words are apart by silence."""

    voices: tuple[str, ...] = ("high", "low")
    """The first speaks an octave above the second, and so on."""

    languages: tuple[str, ...] = ("en", "es", "fr", "de")
    sample_rate: int = 8_000
    ms_per_character: int = 10
    ms_between_words: int = 20
    tells_words: bool = True
    """Whether words have times."""

    seconds_per_audio_second: float = 0.0
    """How slow the engine speaks."""

    fails_on: str | None = None
    """Raise ScriptedFailure for a text with this in it."""

    cannot_say: tuple[str, ...] = ()
    """Words without a sound: a text of nothing else raises CannotSay."""

    diary: str | None = None
    """A file to which a line is added for every utterance: voice, language, rate and text as JSON."""


class ScriptedFailure(Exception):
    """What a broken engine would raise: not an error of the caller."""


class ScriptedEngine:
    """Speaks by a Script, given here or as the JSON file that `settings.model` names; a model that is no file
    has the script's defaults."""

    name = "scripted"

    def __init__(
        self,
        settings: EngineSettings,
        script: Script | None = None,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self.model = settings.model
        self.asked: list[Utterance] = []
        self.loaded = False
        self._script = script or read_script(Path(settings.model))
        self._unloaded = threading.Event()
        # Whoever unloads it does not wait until it has spoken to the end.
        self._wait = wait or self._unloaded.wait

    def load(self) -> None:
        self.loaded = True
        self._unloaded.clear()

    def unload(self) -> None:
        self.loaded = False
        self._unloaded.set()

    def voices(self) -> tuple[EngineVoice, ...]:
        script = self._script
        return tuple(EngineVoice(name, script.languages, script.sample_rate) for name in script.voices)

    def say(self, utterances: Sequence[Utterance]) -> list[Spoken]:
        if not self.loaded:
            raise RuntimeError("load() comes before using the engine")
        return [self._spoken(each) for each in utterances]

    def _spoken(self, utterance: Utterance) -> Spoken:
        script = self._script
        self.asked.append(utterance)
        self._note(utterance)
        if utterance.voice not in script.voices:
            raise NoSuchSpeaker(utterance.voice, self.model, script.voices)
        if script.fails_on and script.fails_on in utterance.text:
            raise ScriptedFailure(f"the script fails on {script.fails_on!r}")
        words = [word for word in utterance.text.split() if word not in script.cannot_say]
        if not any(character.isalnum() for word in words for character in word):
            raise CannotSay(utterance.text, utterance.voice)
        times = self._times(words, utterance.rate)
        self._wait(times[-1].end_ms / 1000 * script.seconds_per_audio_second)
        return Spoken(
            self._tones(times, utterance.voice), script.sample_rate, times if script.tells_words else ()
        )

    def _times(self, words: Sequence[str], rate: float) -> tuple[SpokenWord, ...]:
        script, at, times = self._script, 0.0, []
        for word in words:
            end = at + script.ms_per_character * len(word) / rate
            times.append(SpokenWord(word, round(at), round(end)))
            at = end + script.ms_between_words / rate
        return tuple(times)

    def _tones(self, words: Sequence[SpokenWord], voice: str) -> NDArray[np.float32]:
        import numpy as np

        per_ms = self._script.sample_rate // 1000
        pitch = 880 / 2 ** self._script.voices.index(voice)
        samples = np.zeros(words[-1].end_ms * per_ms, np.float32)
        clock = np.arange(len(samples)) / self._script.sample_rate
        for word in words:
            span = slice(word.start_ms * per_ms, word.end_ms * per_ms)
            samples[span] = LOUDNESS * np.sin(2 * np.pi * pitch * clock[span])
        return samples

    def _note(self, utterance: Utterance) -> None:
        if self._script.diary:
            said = {name: getattr(utterance, name) for name in ("voice", "language", "rate", "text")}
            with Path(self._script.diary).open("a") as diary:
                diary.write(json.dumps(said) + "\n")


def read_script(path: Path) -> Script:
    """A script from a JSON object with the names of Script's fields."""
    fields = json.loads(path.read_text()) if path.is_file() else {}
    arguments: Any = {
        key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()
    }
    return Script(**arguments)
