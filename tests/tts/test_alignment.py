"""Times of words, for engines that cannot tell them."""

import numpy as np
import pytest

from stentor_tts.alignment import aligned, trimmed
from stentor_tts.engines import Spoken, SpokenWord

RATE = 8_000


def sound(*parts: tuple[int, float]) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Noise of these lengths (ms) and loudnesses."""
    noise = np.random.default_rng(1).standard_normal(RATE * 20).astype(np.float32)
    pieces = [noise[: ms * RATE // 1000] * loudness for ms, loudness in parts]
    return np.concatenate(pieces)


def times(words: tuple[SpokenWord, ...]) -> list[tuple[int, int]]:
    return [(word.start_ms, word.end_ms) for word in words]


def test_words_between_pauses_are_where_the_sound_is() -> None:
    samples = sound((200, 0), (300, 0.2), (150, 0), (500, 0.2), (100, 0))

    words = aligned(Spoken(samples, RATE), "Good afternoon")

    assert [word.text for word in words] == ["Good", "afternoon"]
    assert times(words) == [(200, 500), (650, 1150)]


def test_words_without_a_pause_are_parted_where_the_sound_is_faint() -> None:
    samples = sound((320, 0.3), (40, 0.02), (280, 0.3))

    first, second = aligned(Spoken(samples, RATE), "seven eight")

    assert first.end_ms == pytest.approx(340, abs=30)
    assert second.start_ms == pytest.approx(340, abs=30)


def test_where_nothing_is_faint_longer_words_take_longer() -> None:
    words = aligned(Spoken(sound((1_000, 0.3)), RATE), "an extraordinary day")

    lengths = [word.end_ms - word.start_ms for word in words]
    assert lengths[1] > 3 * lengths[0]
    assert times(words)[0][0] == 0
    assert times(words)[-1][1] == 1_000


def test_every_word_has_a_time_in_order_however_short_the_sound_is() -> None:
    text = "one two three four five six seven"

    words = aligned(Spoken(sound((40, 0.3)), RATE), text)

    assert [word.text for word in words] == text.split()
    starts = [word.start_ms for word in words]
    assert starts == sorted(starts)
    assert words[-1].end_ms <= 40


def test_words_of_a_silent_sound_share_it() -> None:
    words = aligned(Spoken(sound((600, 0)), RATE), "one two")

    assert times(words)[0][0] == 0
    assert times(words)[1][1] == 600


def test_marks_that_stand_alone_are_no_words() -> None:
    words = aligned(Spoken(sound((900, 0.3)), RATE), "Yes — or no …")

    assert [word.text for word in words] == ["Yes", "or", "no"]


def test_a_text_without_words_has_no_times() -> None:
    assert aligned(Spoken(sound((100, 0.3)), RATE), "…") == ()


def test_silence_at_the_ends_of_a_word_is_none_of_it() -> None:
    samples = sound((100, 0), (200, 0.3), (200, 0))

    assert trimmed((SpokenWord("Hi", 50, 480),), samples, RATE) == (SpokenWord("Hi", 100, 300),)


def test_a_word_that_is_silent_keeps_its_time() -> None:
    samples = sound((100, 0.3), (200, 0))

    assert trimmed((SpokenWord("Hi", 150, 250),), samples, RATE) == (SpokenWord("Hi", 150, 250),)
