"""Sentences, each spoken by itself, joined to one even stream of sound.

Without clicks, with the pauses of the script, as loud as speech is expected to be, and with the times of what
is said in it.
"""

import numpy as np
from numpy.typing import NDArray

from stentor_tts.engines import Spoken, SpokenWord
from stentor_tts.passages import Pause
from stentor_tts.script import Sentence
from stentor_tts.sound import QUIETEST_LUFS, limited, loudness, resampled, shifted
from stentor_tts.timeline import Timeline

TARGET_LUFS = -18.0
"""As loud as recorded speech usually is; the -23 of EBU R 128 is for rooms that are quiet."""
CEILING = 10 ** (-1 / 20)
"""Of true peaks: -1 dBTP, so that lossy formats do not clip either."""
_STEP_DB = 2.0
"""How far the gain moves from one sentence to the next, once it is found."""
_MOST_GAIN_DB = 50.0
_SILENCE = 10 ** (-50 / 20)
"""Below the peak of a sentence: what an engine leaves around it."""
_LEAD_MS, _TRAIL_MS = 20, 60
"""Of that silence what stays: breath before a word, and its fading after."""
_FADE_MS = 5

Samples = NDArray[np.float32]


class Leveler:
    """Finds the gain that makes a voice as loud as wished, and holds it.

    Measured over all sentences so far, so that a soft sentence stays softer than a loud one.
    """

    def __init__(self, target_lufs: float = TARGET_LUFS) -> None:
        self._target = target_lufs
        self._energy = self._seconds = 0.0
        self._gain_db: float | None = None

    def gain_db(self, lufs: float, seconds: float) -> float:
        """For a sentence so loud and long, given those before it."""
        if lufs > QUIETEST_LUFS:
            self._energy += seconds * 10 ** (lufs / 10)
            self._seconds += seconds
            wanted = min(self._target - 10 * np.log10(self._energy / self._seconds), _MOST_GAIN_DB)
            if self._gain_db is None:
                self._gain_db = float(wanted)
            else:
                self._gain_db += float(np.clip(wanted - self._gain_db, -_STEP_DB, _STEP_DB))
        return self._gain_db or 0.0


class Joiner:
    """Joins the sentences of one speech. Each call gives the samples that come next, at `sample_rate`.

    `rate` is that of the whole speech: the pauses that stand for punctuation get shorter with it, those an
    author asked for do not. `volume_db` makes all of it louder or softer.
    """

    def __init__(
        self, sample_rate: int, *, rate: float = 1.0, volume_db: float = 0.0, leveler: Leveler | None = None
    ) -> None:
        self.timeline = Timeline(sample_rate)
        self._sample_rate = sample_rate
        self._rate = rate
        self._volume_db = volume_db
        self._leveler = leveler or Leveler()

    def add(self, sentence: Sentence, spoken: Spoken) -> Samples:
        samples = np.nan_to_num(np.asarray(spoken.samples, np.float32).reshape(-1))
        start, stop = _sounding(samples, spoken.sample_rate)
        shift_ms = start * 1000 / spoken.sample_rate
        samples = shifted(samples[start:stop], spoken.sample_rate, sentence.prosody.pitch_semitones)
        samples = resampled(samples, spoken.sample_rate, self._sample_rate)
        measured = loudness(samples, self._sample_rate)
        gain_db = self._leveler.gain_db(measured.lufs, len(samples) / self._sample_rate)
        gain = 10 ** ((gain_db + self._volume_db + sentence.prosody.volume_db) / 20)
        samples = samples * np.float32(gain)
        if measured.true_peak * gain > CEILING:
            samples = limited(samples, self._sample_rate, CEILING)
        samples = _faded(samples, self._sample_rate)
        self.timeline.add(sentence.text, sentence.spoken, len(samples), _moved(spoken.words, -shift_ms))
        return samples

    def pause(self, pause: Pause) -> Samples:
        ms = pause.ms if pause.fixed else pause.ms / self._rate
        samples = np.zeros(round(ms * self._sample_rate / 1000), np.float32)
        self.timeline.rest(len(samples))
        return samples


def _sounding(samples: Samples, rate: int) -> tuple[int, int]:
    """Where the speech begins and ends, with a little of the silence around it; all of what is silent."""
    envelope = np.abs(samples)
    loud = np.flatnonzero(envelope > _SILENCE * float(envelope.max(initial=0.0)))
    if not len(loud):
        return 0, len(samples)
    start = max(0, int(loud[0]) - _LEAD_MS * rate // 1000)
    return start, min(len(samples), int(loud[-1]) + 1 + _TRAIL_MS * rate // 1000)


def _faded(samples: Samples, rate: int) -> Samples:
    """From silence and back to it, in a few milliseconds: a step in the wave is heard as a click."""
    length = min(_FADE_MS * rate // 1000, len(samples) // 2)
    if not length:
        return samples
    rise = (0.5 - 0.5 * np.cos(np.pi * np.arange(length) / length)).astype(np.float32)
    faded = samples.copy()
    faded[:length] *= rise
    faded[-length:] *= rise[::-1]
    return faded


def _moved(words: tuple[SpokenWord, ...], by_ms: float) -> list[SpokenWord]:
    return [SpokenWord(word.text, round(word.start_ms + by_ms), round(word.end_ms + by_ms)) for word in words]
