"""Recordings: every format, every damage, in little memory, and cut without losing a sample."""

import json
import tracemalloc
import wave
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import jiwer
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from whisper_normalizer.english import EnglishTextNormalizer

from stentor_stt.audio import SAMPLE_RATE, FindSpeech, Sound, decode, probe, windows
from stentor_stt.engines import EngineSettings
from stentor_stt.engines.whisper import WhisperEngine
from stentor_stt.errors import AudioEmpty, AudioTooLong, AudioUnreadable
from stentor_stt.options import Options

SPEECH = Path(__file__).parents[1] / "speech"

FORMATS = {
    "wav": "pcm_s16le",
    "mp3": "libmp3lame",
    "m4a": "aac",
    "mp4": "aac",
    "aac": "aac",
    "ogg": "libopus",
    "webm": "libopus",
    "flac": "flac",
    "mkv": "ac3",
    "aiff": "pcm_s16be",
}


def encode(
    path: Path, sound: Sound, *, rate: int = 48_000, layout: str = "stereo", video: bool = False
) -> Path:
    """The sound as a file in the format of its name, with a picture before the sound when asked."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=5, width=64, height=48) if video else None
        stream = container.add_stream(FORMATS[path.suffix[1:]], rate=rate, layout=layout)
        assert isinstance(stream, AudioStream)
        if picture is not None:
            frames = [av.VideoFrame(64, 48, "yuv420p") for _ in range(5)]
            container.mux([packet for each in (*frames, None) for packet in picture.encode(each)])
        frame = AudioFrame.from_ndarray(sound[None], format="flt", layout="mono")
        frame.rate = SAMPLE_RATE
        resampler = AudioResampler(
            format=stream.format, layout=layout, rate=rate, frame_size=stream.frame_size
        )
        for ready in [*resampler.resample(frame), *resampler.resample(None), None]:
            container.mux(list(stream.encode(ready)))
    return path


def tone(seconds: float) -> Sound:
    full: Sound = np.sin(np.arange(int(seconds * SAMPLE_RATE)) * 0.1).astype(np.float32)
    return full * np.float32(0.3)


def whole(path: Path) -> Sound:
    return np.concatenate(list(decode(path)))


def loud_spans(sound: Sound) -> list[tuple[int, int]]:
    """A stand-in for voice activity: stretches of 100 samples that are not silent."""
    loud = np.flatnonzero([part.any() for part in np.array_split(sound, max(1, len(sound) // 100))])
    edges = np.split(loud, np.flatnonzero(np.diff(loud) > 1) + 1) if len(loud) else []
    return [(int(run[0]) * 100, min(int(run[-1] + 1) * 100, len(sound))) for run in edges]


def no_pauses(sound: Sound) -> list[tuple[int, int]]:
    return [(0, len(sound))]


# What comes in


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_is_decoded_to_mono_at_16_khz(tmp_path: Path, suffix: str) -> None:
    found = whole(encode(tmp_path / f"tone.{suffix}", tone(1.0)))

    assert found.dtype == np.float32
    assert len(found) == pytest.approx(SAMPLE_RATE, rel=0.05)
    assert np.abs(found).max() == pytest.approx(0.3, rel=0.25)


def test_the_sound_track_of_a_video_is_decoded(tmp_path: Path) -> None:
    path = encode(tmp_path / "film.mp4", tone(1.0), video=True)

    assert len(whole(path)) == pytest.approx(SAMPLE_RATE, rel=0.05)


def test_a_wav_of_our_own_kind_comes_back_unchanged(tmp_path: Path) -> None:
    path = encode(tmp_path / "tone.wav", tone(0.5), rate=SAMPLE_RATE, layout="mono")

    assert np.abs(whole(path) - tone(0.5)).max() < 1 / 32_000


def test_blocks_are_bounded(tmp_path: Path) -> None:
    path = encode(tmp_path / "long.flac", tone(70), rate=SAMPLE_RATE, layout="mono")

    assert [len(block) for block in decode(path)] == [480_000, 480_000, 160_000]


@pytest.mark.parametrize(
    ("suffix", "container", "codec"), [("mp3", "mp3", "mp3float"), ("flac", "flac", "flac")]
)
def test_probe_tells_what_the_header_says(tmp_path: Path, suffix: str, container: str, codec: str) -> None:
    found = probe(encode(tmp_path / f"tone.{suffix}", tone(2.0)))

    assert (found.container, found.codec, found.sample_rate, found.channels) == (container, codec, 48_000, 2)
    assert found.duration_seconds == pytest.approx(2.0, abs=0.1)


def test_numbers_that_are_none_and_overdriven_sound_do_no_harm(tmp_path: Path) -> None:
    samples = np.array([np.nan, np.inf, -np.inf, 7.0, 0.5] * 2_000, np.float32)
    path = tmp_path / "odd.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=SAMPLE_RATE, layout="mono")
        frame = AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.rate = SAMPLE_RATE
        container.mux([*stream.encode(frame), *stream.encode(None)])

    found = whole(path)

    assert np.isfinite(found).all()
    assert np.abs(found).max() <= 1.0


# What is wrong with it


def test_an_empty_file_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "empty.wav"
    path.touch()

    with pytest.raises(AudioEmpty, match="empty"):
        whole(path)


def test_a_recording_of_no_length_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "none.wav"
    with wave.open(str(path), "wb") as header_only:
        header_only.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))

    with pytest.raises(AudioEmpty):
        whole(path)


@pytest.mark.parametrize(
    "content", [b"Dear Sir, this is a letter.\n" * 500, bytes(5_000), b"RIFF\x00\x00\x00\x00WAVE"]
)
@pytest.mark.parametrize("suffix", ["mp3", "wav"])
def test_other_content_is_refused_whatever_its_name(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"letter.{suffix}"
    path.write_bytes(content)

    with pytest.raises(AudioUnreadable) as caught:
        whole(path)

    assert "send" in caught.value.message
    assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize(
    "playlist",
    [
        "ffconcat version 1.0\nfile secret.wav\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\nsecret.wav\n#EXT-X-ENDLIST\n",
    ],
)
def test_a_playlist_cannot_open_another_file(tmp_path: Path, playlist: str) -> None:
    encode(tmp_path / "secret.wav", tone(1.0))
    path = tmp_path / "upload.mp3"
    path.write_text(playlist)

    with pytest.raises(AudioUnreadable):
        whole(path)


def test_a_video_without_sound_says_so(tmp_path: Path) -> None:
    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=5, width=64, height=48)
        container.mux([*picture.encode(av.VideoFrame(64, 48, "yuv420p")), *picture.encode(None)])

    with pytest.raises(AudioUnreadable, match="no audio stream"):
        probe(path)


def test_an_mp4_cut_off_before_its_index_is_refused(tmp_path: Path) -> None:
    path = encode(tmp_path / "cut.mp4", tone(2.0))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    with pytest.raises(AudioUnreadable):
        whole(path)


@pytest.mark.parametrize("suffix", ["mp3", "wav", "flac", "ogg", "webm", "aac"])
def test_a_file_cut_off_in_the_middle_gives_what_is_there(tmp_path: Path, suffix: str) -> None:
    path = encode(tmp_path / f"cut.{suffix}", tone(8.0))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    assert len(whole(path)) == pytest.approx(4.0 * SAMPLE_RATE, rel=0.3)


@pytest.mark.parametrize("suffix", ["mp3", "flac", "ogg", "webm", "m4a"])
def test_damage_in_the_middle_is_skipped(tmp_path: Path, suffix: str) -> None:
    path = encode(tmp_path / f"damaged.{suffix}", tone(16.0))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = np.random.default_rng(1).bytes(400)
    path.write_bytes(content)

    assert len(whole(path)) > 12.0 * SAMPLE_RATE


def test_a_stream_in_which_nothing_decodes_is_refused(tmp_path: Path) -> None:
    path = encode(tmp_path / "rotten.m4a", tone(4.0))
    content = bytearray(path.read_bytes())
    begin = content.index(b"mdat") + 4
    end = content.index(b"moov") - 4
    content[begin:end] = b"\xff" * (end - begin)
    path.write_bytes(content)

    with pytest.raises(AudioUnreadable, match="damaged"):
        whole(path)


def test_more_sound_than_allowed_is_refused_as_it_comes_out(tmp_path: Path) -> None:
    path = encode(tmp_path / "long.flac", tone(65), rate=SAMPLE_RATE, layout="mono")

    with pytest.raises(AudioTooLong, match="limit of 40 s"):
        list(decode(path, max_seconds=40))


@pytest.mark.parametrize("rate", [1, 4_000_000])
def test_a_forged_sample_rate_is_refused(tmp_path: Path, rate: int) -> None:
    path = encode(tmp_path / "forged.wav", tone(1.0), rate=SAMPLE_RATE, layout="mono")
    content = bytearray(path.read_bytes())
    content[24:28] = rate.to_bytes(4, "little")
    path.write_bytes(content)

    with pytest.raises(AudioUnreadable):
        whole(path)


def test_an_hour_is_never_in_memory_at_once(tmp_path: Path) -> None:
    path = tmp_path / "lecture.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("adpcm_ima_wav", rate=8_000, layout="mono")
        minute = np.tile(tone(0.5)[::2], 120)[None]
        samples = AudioFrame.from_ndarray((minute * 32_767).astype(np.int16), format="s16p", layout="mono")
        samples.rate = 8_000
        cut = AudioResampler(format="s16p", layout="mono", rate=8_000, frame_size=stream.frame_size)
        for _ in range(60):
            samples.pts = None
            container.mux([packet for frame in cut.resample(samples) for packet in stream.encode(frame)])

    tracemalloc.start()
    seconds = (
        sum(len(window.sound) for window in windows(decode(path), no_pauses, max_seconds=60)) / SAMPLE_RATE
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert seconds == pytest.approx(3600, rel=0.01)
    # The whole would take 230 MB as float32.
    assert peak < 40_000_000


# How it is cut


@pytest.mark.parametrize("max_seconds", [0.001, 0.37, 1.0, 2.5, 100])
@pytest.mark.parametrize("find_speech", [loud_spans, no_pauses])
def test_windows_hold_every_sample_once(max_seconds: float, find_speech: FindSpeech) -> None:
    random = np.random.default_rng(7)
    sound = random.normal(size=50_000 if max_seconds > 0.01 else 500).astype(np.float32)
    sound[10_000:22_000] = 0
    blocks = np.split(sound, sorted(random.integers(0, len(sound), 5)))

    found = list(windows(iter(blocks), find_speech, max_seconds=max_seconds))

    assert np.array_equal(np.concatenate([window.sound for window in found]), sound)
    assert all(0 < len(window.sound) <= max_seconds * SAMPLE_RATE for window in found)
    starts = np.cumsum([0, *(len(window.sound) for window in found)]) * 1000 // SAMPLE_RATE
    assert [window.start_ms for window in found] == starts[:-1].tolist()


def test_a_window_ends_in_the_middle_of_a_pause() -> None:
    sound = tone(10)
    sound[int(7.0 * SAMPLE_RATE) : int(8.0 * SAMPLE_RATE)] = 0

    first, second = windows(iter([sound]), loud_spans, max_seconds=9)

    assert second.start_ms == pytest.approx(7_500, abs=10)
    assert not first.sound[-100:].any()


def test_of_several_good_pauses_the_last_is_taken() -> None:
    sound = tone(12)
    for begin, end in [(5.0, 7.0), (8.0, 8.6), (9.0, 9.1)]:
        sound[int(begin * SAMPLE_RATE) : int(end * SAMPLE_RATE)] = 0

    _, second, *_ = windows(iter([sound]), loud_spans, max_seconds=10)

    assert second.start_ms == pytest.approx(8_300, abs=10)


def test_without_a_pause_the_quietest_moment_is_taken() -> None:
    sound = tone(10)
    sound[int(7.0 * SAMPLE_RATE) : int(7.02 * SAMPLE_RATE)] *= 0.1

    _, second = windows(iter([sound]), no_pauses, max_seconds=9)

    assert second.start_ms == pytest.approx(7_010, abs=20)


def test_short_sound_is_one_window_and_no_detector_is_asked() -> None:
    (only,) = windows(iter([tone(1), tone(1)]), lambda _: pytest.fail("asked"), max_seconds=9)

    assert (only.start_ms, len(only.sound)) == (0, 2 * SAMPLE_RATE)


def test_a_recording_is_decoded_only_as_far_as_it_is_asked_for() -> None:
    taken: list[int] = []

    def blocks() -> Iterator[Sound]:
        for number in range(10):
            taken.append(number)
            yield tone(1)

    next(windows(blocks(), no_pauses, max_seconds=2))

    assert all(later == earlier + 1 for earlier, later in pairwise(taken))
    assert len(taken) == 3


# What a model makes of it


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> WhisperEngine:
    engine = WhisperEngine(EngineSettings("whisper-tiny.en", tmp_path_factory.mktemp("data"), offline=True))
    engine.load()
    return engine


@pytest.mark.models
@pytest.mark.parametrize("name", ["a.mp3", "a.m4a", "a.ogg", "a.flac", "a.webm", "a.aac", "film.mp4"])
def test_the_words_are_the_same_in_every_format(tmp_path: Path, engine: WhisperEngine, name: str) -> None:
    clip = "sense-0920.wav"
    said = json.loads((SPEECH / "texts.json").read_text())[clip]
    path = encode(tmp_path / name, whole(SPEECH / clip), video=name.startswith("film"))

    heard = " ".join(segment.text for segment in engine.transcribe(whole(path), Options()).segments)

    plain = EnglishTextNormalizer()
    assert jiwer.wer(plain(said), plain(heard)) <= 0.08
