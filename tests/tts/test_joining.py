"""Sentences joined to one stream: even, without clicks, and with right times."""

from pathlib import Path

import av
import numpy as np
import pytest

from stentor_tts.engines import Spoken, SpokenWord
from stentor_tts.joining import CEILING, TARGET_LUFS, Joiner
from stentor_tts.script import Pause, Prosody, Sentence
from stentor_tts.sound import Samples, loudness, paced, resampled, shifted
from stentor_tts.timeline import Timeline

SPEECH = Path(__file__).parents[1] / "speech" / "sense-0890.wav"
RATE = 24000


@pytest.fixture(scope="module")
def speech() -> Samples:
    """Some five seconds of somebody reading, at RATE."""
    with av.open(str(SPEECH)) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
        rate = container.streams.audio[0].rate
    return resampled(np.concatenate(frames, axis=1)[0].astype(np.float32) / 32768, rate, RATE)


def tone(seconds: float, *, frequency: float = 220.0, rate: int = RATE, level: float = 0.1) -> Samples:
    return (level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(
        np.float32
    )


def said(samples: Samples, *words: SpokenWord, rate: int = RATE) -> Spoken:
    return Spoken(samples, rate, words)


def sentence(prosody: Prosody | None = None) -> Sentence:
    return Sentence("So.", "So.", prosody or Prosody())


def pitch(samples: Samples, rate: int = RATE) -> float:
    """The strongest frequency, in Hz."""
    middle = samples[len(samples) // 8 : -len(samples) // 8]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    return float(np.argmax(spectrum)) * rate / len(middle)


def level_db(samples: Samples) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(np.square(samples)))))


def test_loudness_is_measured_as_the_recommendation_says() -> None:
    """A sine of 997 Hz at full scale in one channel has -3.01 LUFS (ITU-R BS.1770)."""
    assert loudness(tone(2, frequency=997, level=1.0), RATE).lufs == pytest.approx(-3.01, abs=0.1)
    assert loudness(tone(0.1, frequency=997, level=0.1), RATE).lufs == pytest.approx(-23.01, abs=0.3)
    assert loudness(np.zeros(RATE, np.float32), RATE).lufs == -70


@pytest.mark.parametrize("level", [0.02, 0.3, 1.0, 4.0])
@pytest.mark.parametrize("rate", [8000, 24000, 44100])
def test_quiet_and_loud_voices_come_out_alike(speech: Samples, level: float, rate: int) -> None:
    joiner = Joiner(rate)
    parts = [joiner.add(sentence(), said(part * np.float32(level))) for part in (speech, speech[::-1])]
    assert loudness(np.concatenate(parts), rate).lufs == pytest.approx(TARGET_LUFS, abs=1)


def test_a_soft_sentence_stays_softer_than_a_loud_one(speech: Samples) -> None:
    joiner = Joiner(RATE)
    loud, soft = (joiner.add(sentence(), said(speech * level)) for level in (0.5, 0.25))
    assert 3.5 < level_db(loud) - level_db(soft) < 6.1


def test_peaks_stay_below_the_ceiling_and_are_not_cut(speech: Samples) -> None:
    clicks = speech * np.float32(0.05)
    clicks[::2400] = 1.0
    found = Joiner(RATE, volume_db=12).add(sentence(), said(clicks))
    assert loudness(found, RATE).true_peak <= CEILING * 1.01
    # Clipping would leave many samples at the same height.
    assert np.count_nonzero(np.abs(found) >= np.abs(found).max() * 0.999) < 100


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 48000])
def test_there_is_no_step_where_sentences_meet(rate: int) -> None:
    """Engines may begin and end in the middle of a wave."""
    joiner = Joiner(rate)
    cut = np.cos(2 * np.pi * 200 * np.arange(RATE) / RATE).astype(np.float32)
    parts = [joiner.add(sentence(), said(cut)), joiner.pause(Pause(100)), joiner.add(sentence(), said(cut))]
    parts.append(joiner.add(sentence(), said(cut)))
    stream = np.concatenate([np.zeros(1, np.float32), *parts, np.zeros(1, np.float32)])
    steepest = 2 * np.pi * 200 / rate * np.abs(stream).max()
    assert np.abs(np.diff(stream)).max() <= steepest * 1.2


def test_silence_that_an_engine_leaves_is_taken_off_and_pauses_are_exact(speech: Samples) -> None:
    silence = np.zeros(RATE, np.float32)
    alone = Joiner(RATE).add(sentence(), said(speech))
    joiner = Joiner(RATE)
    framed = joiner.add(sentence(), said(np.concatenate([silence, speech, silence])))
    # At most what is left of silence on both sides.
    assert abs(len(framed) - len(alone)) <= 0.08 * RATE
    assert len(joiner.pause(Pause(350))) == 0.35 * RATE
    assert not joiner.pause(Pause(350)).any()


def test_pauses_get_shorter_with_the_speech_and_those_of_the_author_do_not() -> None:
    joiner = Joiner(RATE, rate=2)
    assert len(joiner.pause(Pause(400))) == 0.2 * RATE
    assert len(joiner.pause(Pause(400, fixed=True))) == 0.4 * RATE


@pytest.mark.parametrize(("rate", "wanted"), [(22050, 24000), (24000, 8000), (16000, 44100), (24000, 24000)])
def test_sound_has_the_rate_that_is_asked_for(rate: int, wanted: int) -> None:
    joiner = Joiner(wanted)
    found = joiner.add(sentence(), said(tone(1.5, frequency=440, rate=rate), rate=rate))
    assert len(found) == pytest.approx(1.5 * wanted, abs=2)
    assert pitch(found, wanted) == pytest.approx(440, rel=0.01)


@pytest.mark.parametrize("semitones", [-12, -2, 3, 12])
def test_pitch_is_moved_and_the_length_is_not(semitones: float) -> None:
    found = Joiner(RATE).add(sentence(Prosody(pitch_semitones=semitones)), said(tone(2)))
    assert pitch(found) == pytest.approx(220 * 2 ** (semitones / 12), rel=0.01)
    assert len(found) == pytest.approx(2 * RATE, abs=2)


def test_volume_is_louder_and_softer_than_the_rest(speech: Samples) -> None:
    joiner = Joiner(RATE)
    plain, soft, loud = (
        joiner.add(sentence(Prosody(volume_db=by)), said(speech * np.float32(0.1))) for by in (0, -6, 3)
    )
    assert level_db(soft) - level_db(plain) == pytest.approx(-6, abs=0.3)
    assert level_db(loud) - level_db(plain) == pytest.approx(3, abs=0.6)
    softer = Joiner(RATE, volume_db=-10).add(sentence(), said(speech))
    assert level_db(softer) - level_db(plain) == pytest.approx(-10, abs=0.3)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(2400, np.float32),
        np.full(1, 0.5, np.float32),
        np.zeros(0, np.float32),
        np.full(4800, np.nan, np.float32),
        np.full(4800, np.inf, np.float32),
    ],
    ids=["silence", "one sample", "nothing", "no numbers", "endless"],
)
def test_odd_sound_stays_within_bounds(samples: Samples) -> None:
    found = Joiner(16000).add(sentence(), said(samples))
    assert np.isfinite(found).all()
    assert np.abs(found).max(initial=0.0) <= 1


def test_times_count_all_that_is_joined() -> None:
    joiner = Joiner(44100)
    words = (SpokenWord("so", 100, 400), SpokenWord("on", 500, 1000))
    parts = [
        joiner.add(Sentence("So, on.", "so on"), said(tone(1), *words)),
        joiner.pause(Pause(333)),
        joiner.add(Sentence("2", "two"), said(tone(0.5, rate=22050), rate=22050)),
    ]
    first, second = joiner.timeline.sentences
    assert (first.text, first.start_ms, first.end_ms) == ("So, on.", 0, 1000)
    assert first.words == words
    assert (second.spoken, second.start_ms, second.words) == ("two", 1333, ())
    assert joiner.timeline.duration_ms == second.end_ms == 1833
    assert joiner.timeline.samples == sum(map(len, parts))


def test_times_of_words_move_with_silence_that_is_taken_off() -> None:
    samples = np.concatenate([np.zeros(RATE, np.float32), tone(1), np.zeros(RATE, np.float32)])
    joiner = Joiner(RATE)
    joiner.add(sentence(), said(samples, SpokenWord("so", 1000, 2000)))
    (word,) = joiner.timeline.sentences[0].words
    # What is left of the silence before it.
    assert word.start_ms == pytest.approx(20, abs=2)
    assert word.end_ms == pytest.approx(1020, abs=2)


def test_a_thousand_sentences_do_not_drift() -> None:
    """Rounding each by itself would be off by half a second here."""
    timeline = Timeline(44100)
    for _ in range(1000):
        timeline.add("a", "a", 22)
    assert timeline.duration_ms == round(22_000 / 44.1)
    assert timeline.sentences[-1].end_ms == timeline.duration_ms


def test_words_stay_within_their_sentence() -> None:
    timeline = Timeline(1000)
    timeline.rest(50)
    found = timeline.add("a", "a", 100, [SpokenWord("a", -5, 40), SpokenWord("b", 40, 130)])
    assert found.words == (SpokenWord("a", 50, 90), SpokenWord("b", 90, 150))


@pytest.mark.parametrize("speed", [0.25, 0.8, 1.0, 1.5, 4.0])
def test_speech_is_paced_without_another_pitch(speed: float) -> None:
    found = paced(tone(3), RATE, speed)
    assert len(found) == round(3 * RATE / speed)
    assert pitch(found) == pytest.approx(220, rel=0.02)


def test_a_shift_by_nothing_changes_nothing() -> None:
    samples = tone(0.2)
    assert shifted(samples, RATE, 0) is samples
    assert resampled(samples, RATE, RATE) is samples
