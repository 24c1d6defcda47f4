"""Conversations mixed of recorded voices, and the rate at which speakers in them are mistaken."""

import itertools
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import av
import numpy as np
import numpy.typing as npt

RATE = 16_000
FRAME = RATE // 100

Sound: TypeAlias = npt.NDArray[np.float32]
Turn: TypeAlias = tuple[float, float, str]
"""Start and end in seconds, and who speaks."""

SHORTEST, LONGEST = 1.5, 9.0
"""Seconds of a recording that is used."""


def recordings(files: Iterable[Path], *, count: int) -> list[Sound]:
    """So many of the recordings that have the right length, silence around them cut off."""
    shuffled = sorted(files)
    random.Random(1).shuffle(shuffled)
    fitting = (sound for sound in map(_trimmed, map(_read, shuffled)) if _fits(sound))
    return list(itertools.islice(fitting, count))


@dataclass(slots=True)
class Conversation:
    """Voices in turns of 2 to 8 seconds with pauses between them, each voice with a loudness of its own.

    With `telephone` all of it is limited to 250-3500 Hz, with more noise.
    """

    voices: dict[str, list[Sound]]
    seed: int
    seconds: float
    telephone: bool
    turns: list[Turn] = field(default_factory=list)
    _parts: list[Sound] = field(default_factory=list)
    _at: int = 0

    def sound(self) -> Sound:
        """The conversation; `turns` then says who spoke when. Pauses below 0.3 s belong to a turn."""
        chance = random.Random(self.seed)
        loudness = {name: 0.07 * 10 ** (chance.uniform(-6, 4) / 20) for name in self.voices}
        unsaid: dict[str, list[Sound]] = {name: [] for name in self.voices}
        speaker = ""
        self._pause(chance.uniform(0.2, 1))
        while self._at < self.seconds * RATE:
            speaker = chance.choice([name for name in self.voices if name != speaker] or [speaker])
            left = chance.uniform(2, 8)
            while left > 0:
                if not unsaid[speaker]:
                    unsaid[speaker] = chance.sample(self.voices[speaker], len(self.voices[speaker]))
                said = unsaid[speaker].pop()
                self._say(speaker, said * (loudness[speaker] / np.sqrt(np.mean(np.square(said)))))
                left -= len(said) / RATE
                if left > 0:
                    self._pause(chance.uniform(0.1, 0.35))
            self._pause(chance.choice([chance.uniform(0.1, 0.3), chance.uniform(0.3, 1.2)]))
        return self._on_the_line(np.concatenate(self._parts))

    def _say(self, speaker: str, said: Sound) -> None:
        for first, end in _active(said):
            self.turns.append(((self._at + first) / RATE, (self._at + end) / RATE, speaker))
        self._parts.append(said.astype(np.float32))
        self._at += len(said)

    def _pause(self, seconds: float) -> None:
        self._parts.append(np.zeros(int(seconds * RATE), np.float32))
        self._at += len(self._parts[-1])

    def _on_the_line(self, sound: Sound) -> Sound:
        noise = np.random.default_rng(self.seed).normal(0, 0.0015 if self.telephone else 0.0004, len(sound))
        if self.telephone:
            hertz = np.maximum(np.fft.rfftfreq(len(sound), 1 / RATE), 1)
            gain = (1 + (250 / hertz) ** 6) ** -0.5 * (1 + (hertz / 3500) ** 12) ** -0.5
            sound = np.fft.irfft(np.fft.rfft(sound) * gain, len(sound)).astype(np.float32)
        return np.clip(sound + noise, -1, 1).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Errors:
    """Seconds; their sum by `spoken` is the diarization error rate of the NIST evaluations
    (Rich Transcription 2009)."""

    spoken: float
    missed: float
    false: float
    confused: float


def errors(truth: Sequence[Turn], found: Sequence[Turn], *, collar: float = 0.25) -> Errors:
    """What was mistaken, leaving out what is nearer than `collar` to the start or end of a true turn.

    Labels of `found` are matched with the speakers they fit best.
    """
    frames = round(max(end for _, end, _ in (*truth, *found)) / 0.01) + 1
    counted = np.ones(frames, bool)
    for start, end, _ in truth:
        for edge in (start, end):
            counted[max(round((edge - collar) / 0.01), 0) : round((edge + collar) / 0.01)] = False
    real, guessed = _active_frames(truth, frames)[:, counted], _active_frames(found, frames)[:, counted]
    together = real.astype(np.int64) @ guessed.T.astype(np.int64)
    at_once, said = real.sum(axis=0), guessed.sum(axis=0)
    right = _best_match(together)
    return Errors(
        spoken=float(at_once.sum() * 0.01),
        missed=float(np.maximum(at_once - said, 0).sum() * 0.01),
        false=float(np.maximum(said - at_once, 0).sum() * 0.01),
        confused=float((np.minimum(at_once, said).sum() - right) * 0.01),
    )


def _best_match(together: npt.NDArray[np.int64]) -> int:
    """The most frames that can be right when each label stands for one speaker."""
    if len(together) > together.shape[1]:
        together = together.T
    # Tried out one by one, with the labels that matter: there are few.
    labels = np.argsort(-together.sum(axis=0))[:7]
    choices = itertools.permutations(labels, min(len(together), len(labels)))
    return max(int(together[range(len(choice)), choice].sum()) for choice in choices)


def _active_frames(turns: Sequence[Turn], frames: int) -> npt.NDArray[np.bool_]:
    names = sorted({name for _, _, name in turns})
    active = np.zeros((len(names), frames), bool)
    for start, end, name in turns:
        active[names.index(name), round(start / 0.01) : round(end / 0.01)] = True
    return active


def _read(path: Path) -> Sound:
    with av.open(str(path), format="gsm" if path.suffix == ".gsm" else None) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
        frames += resampler.resample(None)
        return np.concatenate([np.zeros(0, np.float32), *(frame.to_ndarray()[0] for frame in frames)])


def _levels(sound: Sound) -> npt.NDArray[np.float32]:
    whole = sound[: len(sound) // FRAME * FRAME].reshape(-1, FRAME)
    levels: npt.NDArray[np.float32] = np.sqrt(np.mean(np.square(whole), axis=1))
    return levels


def _fits(sound: Sound) -> bool:
    return SHORTEST * RATE <= len(sound) <= LONGEST * RATE


def _trimmed(sound: Sound) -> Sound:
    levels = _levels(sound)
    loud = np.flatnonzero(levels > max(levels.max(initial=0) * 0.03, 1e-4))
    return sound[max(loud[0] - 3, 0) * FRAME : (loud[-1] + 4) * FRAME] if len(loud) else sound[:0]


def _active(sound: Sound) -> list[tuple[int, int]]:
    """Where a clean recording is not silent: (first, one past last) sample, pauses below 0.3 s filled."""
    levels = _levels(sound)
    loud = levels > max(float(np.percentile(levels, 95)) * 0.05, 1e-4)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]]))).reshape(-1, 2)
    filled: list[tuple[int, int]] = []
    for first, end in edges:
        if filled and first - filled[-1][1] < 30:
            filled[-1] = (filled[-1][0], int(end))
        else:
            filled.append((int(first), int(end)))
    return [(first * FRAME, end * FRAME) for first, end in filled if end - first >= 5]
