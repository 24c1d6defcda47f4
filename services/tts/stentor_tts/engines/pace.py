"""Speaking faster or slower than a model does well by itself."""

from stentor_tts.engines import Spoken, SpokenWord
from stentor_tts.sound import paced

OWN_SLOWEST, OWN_FASTEST = 0.7, 1.5
"""Models that are asked for more leave sounds out, because none can be shorter than one of their frames, or
drawl. What is missing is stretched, which sounds natural for some more."""


def own_share(rate: float) -> float:
    """What the model does of a rate; `at_pace` does the rest."""
    return min(max(rate, OWN_SLOWEST), OWN_FASTEST)


def at_pace(spoken: Spoken, speed: float) -> Spoken:
    """The same, so many times as fast."""
    if speed == 1:
        return spoken
    samples = paced(spoken.samples, spoken.sample_rate, speed)
    words = tuple(
        SpokenWord(word.text, round(word.start_ms / speed), round(word.end_ms / speed))
        for word in spoken.words
    )
    return Spoken(samples, spoken.sample_rate, words)
