"""Every format at its rates: what is decoded again is what was encoded, in a stream and in a file."""

import io
import itertools
import wave
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from stentor_tts.encoding import Encoder, FileEncoder
from stentor_tts.errors import UnknownFormat, UnknownSampleRate
from stentor_tts.formats import FORMATS, Format, choose
from stentor_tts.sound import Samples, resampled

SECONDS = 1.3
ALL = [(name, rate) for name, form in FORMATS.items() for rate in form.sample_rates]
LOSSLESS = ("wav", "flac", "pcm")


def sound(rate: int, seconds: float = SECONDS) -> Samples:
    """A tone that rises, which fits itself at one place only."""
    at = np.arange(round(seconds * rate)) / rate
    return (0.4 * np.sin(2 * np.pi * (150 + 400 * at) * at)).astype(np.float32)


def odd_pieces(samples: Samples) -> Iterator[Samples]:
    """As sentences come: of any length, some of nothing."""
    sizes = itertools.cycle((1, 997, 0, 3001, 17, 4096, 12345))
    at = 0
    while at < len(samples):
        size = next(sizes)
        yield samples[at : at + size]
        at += size


def streamed(form: Format, rate: int, samples: Samples) -> bytes:
    encoder = Encoder(form, rate)
    return b"".join([*(encoder.add(piece) for piece in odd_pieces(samples)), encoder.finish()])


def decoded(source: bytes | Path, form: Format, rate: int) -> tuple[Samples, float | None]:
    """The first channel at `rate`, and the length in seconds that the file says it has."""
    opened = io.BytesIO(source) if isinstance(source, bytes) else str(source)
    name, options = (form.container, {"sample_rate": str(rate)}) if form.raw else (None, None)
    with av.open(opened, "r", format=name, options=options) as container:
        frames = list(container.decode(audio=0))
        told = container.duration / av.time_base if container.duration else None
    resampler = av.AudioResampler("flt", "mono", frames[0].sample_rate)
    parts = [part.to_ndarray()[0] for frame in [*frames, None] for part in resampler.resample(frame)]
    return resampled(np.concatenate(parts), frames[0].sample_rate, rate), told


def likeness(one: Samples, other: Samples) -> tuple[float, int]:
    """How alike they are where they fit best, and how many samples later the other begins."""
    size = len(one) + len(other)
    fit = np.fft.irfft(np.fft.rfft(other, size) * np.conj(np.fft.rfft(one, size)), size)
    later = int(np.argmax(fit[: len(other)]))
    length = min(len(one), len(other) - later)
    return float(np.corrcoef(one[:length], other[later : later + length])[0, 1]), later


@pytest.mark.parametrize(("name", "rate"), ALL)
def test_a_stream_sounds_like_what_was_put_in(name: str, rate: int) -> None:
    samples = sound(rate)
    found, _ = decoded(streamed(FORMATS[name], rate, samples), FORMATS[name], rate)
    alike, later = likeness(samples, found)
    assert alike > 0.99
    # Lossy codecs work in frames, with silence before and after; at low rates these are long.
    most = 0 if name in LOSSLESS or FORMATS[name].raw else 2400
    assert 0 <= later <= most
    assert 0 <= len(found) - len(samples) <= most


@pytest.mark.parametrize(("name", "rate"), ALL)
def test_a_file_says_how_long_it_is(name: str, rate: int, tmp_path: Path) -> None:
    samples = sound(rate)
    path = tmp_path / f"speech.{FORMATS[name].extension}"
    with FileEncoder(path, FORMATS[name], rate) as encoder:
        for piece in odd_pieces(samples):
            encoder.add(piece)
    found, told = decoded(path, FORMATS[name], rate)
    assert likeness(samples, found)[0] > 0.99
    assert told is not None
    # Streams of AAC have no header, and are as long as their frames.
    assert told == pytest.approx(SECONDS, abs=0.25 if name == "aac" else 0.02)


def test_a_whole_mp3_and_ogg_begin_with_the_first_sample(tmp_path: Path) -> None:
    for name in ("mp3", "ogg", "opus"):
        path = tmp_path / name
        with FileEncoder(path, FORMATS[name], 24000) as encoder:
            encoder.add(sound(24000))
        assert likeness(sound(24000), decoded(path, FORMATS[name], 24000)[0])[1] < 24


def test_a_wav_file_is_read_by_other_programs(tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    with FileEncoder(path, FORMATS["wav"], 22050) as encoder:
        encoder.add(sound(22050))
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 22050)
        assert file.getnframes() == len(sound(22050))
    assert path.stat().st_size == 44 + 2 * len(sound(22050))


@pytest.mark.parametrize("name", FORMATS)
def test_sound_goes_out_while_more_of_it_comes(name: str) -> None:
    form, rate = choose(name)
    encoder = Encoder(form, rate)
    early = b"".join(encoder.add(piece) for piece in odd_pieces(sound(rate, 4)))
    rest = encoder.finish()
    assert len(early) > 0.8 * len(early + rest)


@pytest.mark.parametrize("name", FORMATS)
def test_a_stream_without_sound_is_a_file_all_the_same(name: str) -> None:
    form, rate = choose(name)
    found, _ = decoded(Encoder(form, rate).finish(), form, rate)
    assert len(found) > 0
    assert np.abs(found).max() < 0.01


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_given_up_can_be_closed_at_any_time(name: str) -> None:
    form, rate = choose(name)
    Encoder(form, rate).close()
    encoder = Encoder(form, rate)
    encoder.add(sound(rate))
    encoder.close()
    encoder.close()
    done = Encoder(form, rate)
    done.finish()
    done.close()


def test_a_file_that_fails_halfway_is_closed_and_the_error_is_told(tmp_path: Path) -> None:
    def fail() -> None:
        with FileEncoder(tmp_path / "speech.mp3", *choose("mp3")) as encoder:
            encoder.add(sound(24000))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()


def test_samples_beyond_full_scale_do_not_turn_round() -> None:
    loud = np.array([2.0, -2.0, 1.0, -1.0], np.float32)
    found = np.frombuffer(streamed(FORMATS["pcm"], 24000, loud), "<i2")
    assert found.tolist() == [32767, -32768, 32767, -32768]


def test_a_higher_bit_rate_makes_a_larger_file() -> None:
    sizes = [
        len(Encoder(FORMATS["mp3"], 24000, bit_rate=rate).add(sound(24000, 5))) for rate in (32_000, 128_000)
    ]
    assert sizes[1] > 3 * sizes[0]


def test_a_format_is_chosen_by_name_and_rate() -> None:
    assert choose("mp3", 44100) == (FORMATS["mp3"], 44100)
    assert choose("OPUS", near=22050) == (FORMATS["opus"], 24000)
    assert choose("wav", near=22050)[1] == 22050
    assert choose("mulaw", near=24000)[1] == 8000
    assert choose("flac", near=96000)[1] == 48000
    assert FORMATS["pcm"].type_at(24000) == "audio/pcm;rate=24000"
    assert FORMATS["mp3"].type_at(24000) == "audio/mpeg"


def test_a_format_or_rate_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(UnknownFormat, match="mp3, wav, flac, opus, ogg, aac, pcm, mulaw, alaw"):
        choose("midi")
    with pytest.raises(UnknownSampleRate, match="8000, 12000, 16000, 24000, 48000"):
        choose("opus", 44100)
