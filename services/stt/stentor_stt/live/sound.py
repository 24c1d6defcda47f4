"""The sound of a live session: as much of it as is needed, and where it is loud. 16 kHz mono float32,
places counted in samples from the first one of the session."""

import numpy as np

from stentor_stt.sound import SAMPLE_RATE, Sound

PER_MS = SAMPLE_RATE // 1000
FRAME = SAMPLE_RATE // 50
QUIETEST, LOUDEST = 0.0015, 0.03
"""Levels (root mean square, full scale is 1) that are never called loud, and always."""

ABOVE_NOISE = 3.0
NOISE_RISES = 1.005
"""By how much a frame the noise is taken to have grown while nothing is heard that is as quiet: a factor of
3 in 4.4 seconds, longer than people speak without a gap between words."""


BELOW_PEAK = 0.05
"""What is 26 dB below the loudest speech lately is a pause in it."""
PEAK_FALLS = 0.99
"""For each frame: 4 dB in a second."""


class Kept:
    """A stretch of the sound, of bounded length; begins where the last of it was let go."""

    def __init__(self, longest: int) -> None:
        self._sound: Sound = np.empty(longest, np.float32)
        self.start = 0
        self.end = 0

    @property
    def room(self) -> int:
        """How many samples can be added."""
        return len(self._sound) - (self.end - self.start)

    def add(self, sound: Sound) -> None:
        """Raises ValueError when there is no room."""
        filled = self.end - self.start
        self._sound[filled : filled + len(sound)] = sound
        self.end += len(sound)

    def until(self, end: int) -> Sound:
        """A copy of the sound up to there."""
        return self._sound[: end - self.start].copy()

    def let_go(self, until: int) -> None:
        """Forget what comes before; nothing happens when it is forgotten already."""
        until = min(until, self.end)
        if until > self.start:
            left = self.end - until
            self._sound[:left] = self._sound[until - self.start : self.end - self.start].copy()
            self.start = until


class Gate:
    """Where it is loud enough for somebody to speak: cheap, and rather wrong than deaf.

    The level of noise is followed down at once and up slowly. What is well above it is loud; whether it is
    speech only the model knows. What is far below the speech before it is a pause, whatever the noise.
    """

    def __init__(self, threshold: float = 0.5) -> None:
        self.loud_until = 0
        """One past the last sample of a loud frame; 0 before the first one."""
        self.speech_until = 0
        """The same for frames that are not far below the loudest ones lately."""
        self.set_threshold(threshold)
        self._noise, self._peak = QUIETEST / ABOVE_NOISE, 0.0
        self._end = 0
        self._open: Sound = np.empty(0, np.float32)

    def set_threshold(self, threshold: float) -> None:
        """0 to 1; each tenth away from 0.5 moves by 4 dB what is called loud."""
        self._factor = 10 ** ((threshold - 0.5) * 2)

    def take(self, sound: Sound) -> None:
        """Look at the sound that comes next."""
        whole = np.concatenate((self._open, sound))
        frames = len(whole) // FRAME
        levels = np.sqrt(np.square(whole[: frames * FRAME].reshape(frames, FRAME)).mean(axis=1))
        for level in levels.tolist():
            self._end += FRAME
            self._noise = min(max(level, 1e-6), self._noise * NOISE_RISES)
            self._peak = max(level, self._peak * PEAK_FALLS)
            limit = min(max(self._noise * ABOVE_NOISE, QUIETEST), LOUDEST)
            if level > limit * self._factor:
                self.loud_until = self._end
                if level > self._peak * BELOW_PEAK:
                    self.speech_until = self._end
        self._open = whole[frames * FRAME :]
