"""Faster and slower than a model speaks by itself."""

import numpy as np
import pytest

from stentor_tts.engines import Spoken, SpokenWord
from stentor_tts.engines.pace import OWN_FASTEST, OWN_SLOWEST, at_pace, own_share

RATE = 16_000
TONE = Spoken(
    np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE).astype(np.float32),
    RATE,
    (SpokenWord("la", 0, 800), SpokenWord("la", 1_000, 2_000)),
)


@pytest.mark.parametrize(("rate", "own"), [(1, 1), (1.2, 1.2), (4, OWN_FASTEST), (0.25, OWN_SLOWEST)])
def test_a_model_does_as_much_of_a_rate_as_it_does_well(rate: float, own: float) -> None:
    assert own_share(rate) == own


@pytest.mark.parametrize("speed", [0.25, 0.4, 0.8, 1.3, 2.5, 4])
def test_speech_gets_shorter_by_the_speed_and_keeps_its_pitch(speed: float) -> None:
    found = at_pace(TONE, speed)

    assert len(found.samples) == pytest.approx(2 * RATE / speed, abs=1)
    middle = found.samples[len(found.samples) // 4 : -len(found.samples) // 4]
    frequencies = np.fft.rfftfreq(len(middle), 1 / RATE)
    assert frequencies[np.abs(np.fft.rfft(middle)).argmax()] == pytest.approx(440, rel=0.02)


def test_words_move_with_the_sound() -> None:
    assert at_pace(TONE, 2).words == (SpokenWord("la", 0, 400), SpokenWord("la", 500, 1_000))


def test_at_its_own_pace_nothing_changes() -> None:
    assert at_pace(TONE, 1) is TONE
