"""Sound of other rates and encodings becomes 16 kHz, the same however it is cut into messages."""

import numpy as np
import numpy.typing as npt
import pytest

from stentor_stt.live.incoming import Incoming, Resampler, decoded
from stentor_stt.live.sound import Kept
from stentor_stt.live.wanted import Encoding, Format
from stentor_stt.sound import Sound

RATES = [8_000, 11_025, 22_050, 24_000, 32_000, 44_100, 48_000]


def tone(hertz: float, rate: int, seconds: float = 1) -> Sound:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


def resampled(sound: Sound, rate: int) -> Sound:
    resampler = Resampler(rate)
    return np.concatenate((resampler.take(sound), resampler.rest()))


def level(sound: Sound) -> float:
    inner = sound[1000:-1000]
    return float(np.sqrt(np.square(inner).mean()))


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_is_the_same_tone_at_the_same_time(rate: int) -> None:
    found = resampled(tone(1000, rate), rate)
    assert len(found) == 16_000
    np.testing.assert_allclose(found[100:-100], tone(1000, 16_000)[100:-100], atol=2e-5)


@pytest.mark.parametrize("rate", RATES)
def test_cutting_the_sound_changes_nothing(rate: int) -> None:
    sound = tone(700, rate)
    sizes = np.random.default_rng(7).integers(1, 3000, 1000).cumsum()
    resampler = Resampler(rate)
    pieces = [resampler.take(piece) for piece in np.split(sound, sizes[sizes < len(sound)])]
    assert np.array_equal(np.concatenate((*pieces, resampler.rest())), resampled(sound, rate))


@pytest.mark.parametrize("rate", [24_000, 44_100, 48_000])
def test_what_sixteen_kilohertz_cannot_hold_is_taken_out(rate: int) -> None:
    assert level(resampled(tone(9000, rate), rate)) < 0.0001


@pytest.mark.parametrize("rate", [24_000, 44_100, 48_000])
def test_all_of_speech_stays(rate: int) -> None:
    assert level(resampled(tone(7000, rate), rate)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


def test_nothing_in_is_nothing_out() -> None:
    assert len(resampled(np.empty(0, np.float32), 24_000)) == 0


def test_sixteen_bit_samples_fill_the_scale() -> None:
    message = np.array([0, 32767, -32768], "<i2").tobytes()
    np.testing.assert_allclose(decoded(message, Encoding.pcm16), [0, 0.99997, -1], atol=1e-5)


@pytest.mark.parametrize(
    ("encoding", "codes", "samples"),
    [
        # Ends and middle of both scales, as in tables 1 and 2 of ITU-T G.711.
        (Encoding.mulaw, [0x00, 0x80, 0x7F, 0xFF, 0x8F, 0x0F], [-32124, 32124, 0, 0, 16764, -16764]),
        (Encoding.alaw, [0x2A, 0xAA, 0xD5, 0x55, 0x80, 0x00], [-32256, 32256, 8, -8, 5504, -5504]),
    ],
)
def test_telephone_codes_are_the_samples_of_the_standard(
    encoding: Encoding, codes: list[int], samples: list[int]
) -> None:
    found = decoded(bytes(codes), encoding) * 32768
    assert found.astype(int).tolist() == samples


def test_a_large_message_comes_out_a_second_at_a_time() -> None:
    incoming = Incoming(Format(rate=24_000))
    pieces = list(incoming.take(b"\0" * (24_000 * 2 * 5)))
    assert len(pieces) == 5
    assert sum(map(len, pieces)) + len(incoming.rest()) == 16_000 * 5


def test_kept_sound_is_where_it_was_after_its_beginning_is_let_go() -> None:
    kept = Kept(longest=100)
    sound: npt.NDArray[np.float32] = np.arange(150, dtype=np.float32)
    kept.add(sound[:100])
    kept.let_go(60)
    kept.add(sound[100:])
    assert (kept.start, kept.end, kept.room) == (60, 150, 10)
    assert kept.until(120).tolist() == sound[60:120].tolist()
    kept.let_go(50)
    assert kept.start == 60
