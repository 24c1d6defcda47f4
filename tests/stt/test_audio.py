"""Recordings: every format, every damage, in little memory, each channel and every clip of them."""

import wave
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from stentor_stt.audio import SAMPLE_RATE, Decoder, Detector, Plan, Sound
from stentor_stt.errors import AudioEmpty, AudioTooLong, AudioUnreadable, ClipOutside, TooManyChannels

EVERYTHING = Plan(detector=Detector.NONE)

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
PICTURES = {"mp4": "mpeg4", "mkv": "mpeg4", "webm": "libvpx"}


def encode(
    path: Path, sound: Sound, *, rate: int = 48_000, layout: str = "stereo", video: bool = False
) -> Path:
    """The sound, the same on all channels or one row for each, as a file in the format of its name; with a
    picture before the sound when asked."""
    rows = np.broadcast_to(sound, (1 if layout == "mono" else 2, sound.shape[-1]))
    with av.open(str(path), "w") as container:
        kind = path.suffix[1:]
        picture = container.add_stream(PICTURES[kind], rate=5, width=64, height=48) if video else None
        stream = container.add_stream(FORMATS[kind], rate=rate, layout=layout)
        assert isinstance(stream, AudioStream)
        if picture is not None:
            assert isinstance(picture, VideoStream)
            frames = [av.VideoFrame(64, 48, "yuv420p") for _ in range(5)]
            container.mux([packet for each in (*frames, None) for packet in picture.encode(each)])
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(rows), format="fltp", layout=layout)
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


def rising(seconds: int) -> Sound:
    """Each second has a pitch of its own, by which it can be told."""
    cycles = np.cumsum(np.repeat(400 + 40 * np.arange(seconds), SAMPLE_RATE) / SAMPLE_RATE)
    return (0.3 * np.sin(2 * np.pi * cycles)).astype(np.float32)


def second_of(sound: Sound) -> int:
    """Which second of `rising` a short sound is from."""
    spectrum = np.abs(np.fft.rfft(sound))
    pitch = int(spectrum.argmax()) * SAMPLE_RATE / len(sound)
    return round((pitch - 400) / 40)


async def channels_of(decoder: Decoder, path: Path, plan: Plan) -> dict[int | None, Sound]:
    """All sound that is decoded, by channel."""
    found: dict[int | None, list[Sound]] = {}
    async with decoder.open(path, plan) as recording:
        async for cut in recording:
            found.setdefault(cut.channel, []).append(np.frombuffer(cut.pcm, np.float32))
    return {channel: np.concatenate(sound) for channel, sound in found.items()}


async def whole(decoder: Decoder, path: Path, plan: Plan = EVERYTHING) -> Sound:
    return (await channels_of(decoder, path, plan))[None]


# What comes in


@pytest.mark.parametrize("suffix", FORMATS)
async def test_every_format_is_decoded_to_mono_at_16_khz(
    decoder: Decoder, tmp_path: Path, suffix: str
) -> None:
    found = await whole(decoder, encode(tmp_path / f"tone.{suffix}", tone(1.0)))

    assert len(found) == pytest.approx(SAMPLE_RATE, rel=0.05)
    assert np.abs(found).max() == pytest.approx(0.3, rel=0.15)


@pytest.mark.parametrize("suffix", PICTURES)
async def test_the_sound_track_of_a_video_is_decoded(decoder: Decoder, tmp_path: Path, suffix: str) -> None:
    path = encode(tmp_path / f"film.{suffix}", tone(1.0), video=True)

    assert len(await whole(decoder, path)) == pytest.approx(SAMPLE_RATE, rel=0.05)


async def test_a_wav_of_our_own_kind_comes_back_unchanged(decoder: Decoder, tmp_path: Path) -> None:
    path = encode(tmp_path / "tone.wav", tone(0.5), rate=SAMPLE_RATE, layout="mono")

    assert np.abs(await whole(decoder, path) - tone(0.5)).max() < 1 / 32_000


@pytest.mark.parametrize(
    ("suffix", "container", "codec"), [("mp3", "mp3", "mp3float"), ("flac", "flac", "flac")]
)
async def test_probe_tells_what_the_header_says(
    decoder: Decoder, tmp_path: Path, suffix: str, container: str, codec: str
) -> None:
    found = await decoder.probe(encode(tmp_path / f"tone.{suffix}", tone(2.0)))

    assert (found.container, found.codec, found.sample_rate, found.channels) == (container, codec, 48_000, 2)
    assert found.duration_seconds == pytest.approx(2.0, abs=0.1)


async def test_numbers_that_are_none_and_overdriven_sound_do_no_harm(
    decoder: Decoder, tmp_path: Path
) -> None:
    samples = np.array([np.nan, np.inf, -np.inf, 7.0, 0.5] * 2_000, np.float32)
    path = tmp_path / "odd.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=SAMPLE_RATE, layout="mono")
        frame = AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.rate = SAMPLE_RATE
        container.mux([*stream.encode(frame), *stream.encode(None)])

    found = await whole(decoder, path)

    assert np.isfinite(found).all()
    assert np.abs(found).max() <= 1.0


# What is wrong with it


async def test_an_empty_file_is_named_as_such(decoder: Decoder, tmp_path: Path) -> None:
    path = tmp_path / "empty.wav"
    path.touch()

    with pytest.raises(AudioEmpty, match="empty"):
        await whole(decoder, path)


async def test_a_recording_of_no_length_is_empty(decoder: Decoder, tmp_path: Path) -> None:
    path = tmp_path / "none.wav"
    with wave.open(str(path), "wb") as header_only:
        header_only.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))

    with pytest.raises(AudioEmpty):
        await whole(decoder, path)


@pytest.mark.parametrize(
    "content", [b"Dear Sir, this is a letter.\n" * 500, bytes(5_000), b"RIFF\x00\x00\x00\x00WAVE"]
)
@pytest.mark.parametrize("suffix", ["mp3", "wav"])
async def test_other_content_is_refused_whatever_its_name(
    decoder: Decoder, tmp_path: Path, content: bytes, suffix: str
) -> None:
    path = tmp_path / f"letter.{suffix}"
    path.write_bytes(content)

    with pytest.raises(AudioUnreadable) as caught:
        await whole(decoder, path)

    assert "send" in caught.value.message
    assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize(
    "playlist",
    [
        "ffconcat version 1.0\nfile secret.wav\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\nsecret.wav\n#EXT-X-ENDLIST\n",
    ],
)
async def test_a_playlist_cannot_open_another_file(decoder: Decoder, tmp_path: Path, playlist: str) -> None:
    encode(tmp_path / "secret.wav", tone(1.0))
    path = tmp_path / "upload.mp3"
    path.write_text(playlist)

    with pytest.raises(AudioUnreadable):
        await whole(decoder, path)


async def test_a_video_without_sound_says_so(decoder: Decoder, tmp_path: Path) -> None:
    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=5, width=64, height=48)
        container.mux([*picture.encode(av.VideoFrame(64, 48, "yuv420p")), *picture.encode(None)])

    with pytest.raises(AudioUnreadable, match="no audio stream"):
        await decoder.probe(path)


async def test_an_mp4_cut_off_before_its_index_is_refused(decoder: Decoder, tmp_path: Path) -> None:
    path = encode(tmp_path / "cut.mp4", tone(2.0))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    with pytest.raises(AudioUnreadable):
        await whole(decoder, path)


@pytest.mark.parametrize("suffix", ["mp3", "wav", "flac", "ogg", "webm", "aac"])
async def test_a_file_cut_off_in_the_middle_gives_what_is_there(
    decoder: Decoder, tmp_path: Path, suffix: str
) -> None:
    path = encode(tmp_path / f"cut.{suffix}", tone(8.0))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    assert len(await whole(decoder, path)) == pytest.approx(4.0 * SAMPLE_RATE, rel=0.3)


@pytest.mark.parametrize("suffix", ["mp3", "flac", "ogg", "webm", "m4a"])
async def test_damage_in_the_middle_is_skipped(decoder: Decoder, tmp_path: Path, suffix: str) -> None:
    path = encode(tmp_path / f"damaged.{suffix}", tone(16.0))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = np.random.default_rng(1).bytes(400)
    path.write_bytes(content)

    assert len(await whole(decoder, path)) > 12.0 * SAMPLE_RATE


async def test_a_stream_in_which_nothing_decodes_is_refused(decoder: Decoder, tmp_path: Path) -> None:
    path = encode(tmp_path / "rotten.m4a", tone(4.0))
    content = bytearray(path.read_bytes())
    begin = content.index(b"mdat") + 4
    end = content.index(b"moov") - 4
    content[begin:end] = b"\xff" * (end - begin)
    path.write_bytes(content)

    with pytest.raises(AudioUnreadable, match="damaged"):
        await whole(decoder, path)


async def test_more_sound_than_allowed_is_refused_as_it_comes_out(decoder: Decoder, tmp_path: Path) -> None:
    path = encode(tmp_path / "long.flac", tone(65), rate=SAMPLE_RATE, layout="mono")

    with pytest.raises(AudioTooLong, match="limit of 40 s"):
        await whole(decoder, path, Plan(detector=Detector.NONE, max_seconds=40))


@pytest.mark.parametrize("rate", [1, 4_000_000])
async def test_a_forged_sample_rate_is_refused(decoder: Decoder, tmp_path: Path, rate: int) -> None:
    path = encode(tmp_path / "forged.wav", tone(1.0), rate=SAMPLE_RATE, layout="mono")
    content = bytearray(path.read_bytes())
    content[24:28] = rate.to_bytes(4, "little")
    path.write_bytes(content)

    with pytest.raises(AudioUnreadable):
        await whole(decoder, path)


async def test_an_hour_is_never_in_memory_at_once(decoder: Decoder, tmp_path: Path) -> None:
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

    heard, most = 0, 0
    async with decoder.open(path, EVERYTHING) as recording:
        (child,) = [each for each in psutil.Process().children(recursive=True) if not each.children()]
        async for piece in recording:
            most = max(most, child.memory_info().rss)
            heard += piece.end - piece.start

    assert heard / SAMPLE_RATE == pytest.approx(3600, rel=0.01)
    # The whole would take 230 MB as float32; the libraries take a hundred.
    assert most < 180_000_000


# Channels and clips


async def test_channels_are_mixed_unless_they_are_wanted_one_by_one(decoder: Decoder, tmp_path: Path) -> None:
    left, right = tone(2.0), np.zeros(2 * SAMPLE_RATE, np.float32)
    path = encode(tmp_path / "call.wav", np.stack([left, right]), rate=SAMPLE_RATE)

    mixed = await channels_of(decoder, path, EVERYTHING)
    split = await channels_of(decoder, path, Plan(detector=Detector.NONE, split_channels=True))

    assert list(mixed) == [None]
    assert sorted(split, key=str) == [0, 1]
    assert np.abs(split[0] - left).max() < 1 / 32_000
    assert not split[1].any()


async def test_a_silent_channel_has_no_pieces(decoder: Decoder, tmp_path: Path) -> None:
    path = encode(
        tmp_path / "call.flac", np.stack([np.zeros(2 * SAMPLE_RATE, np.float32), tone(2.0)]), rate=SAMPLE_RATE
    )

    assert list(await channels_of(decoder, path, Plan(detector=Detector.SOUND, split_channels=True))) == [1]


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 8])
async def test_any_number_of_channels_is_mixed_and_split(
    decoder: Decoder, tmp_path: Path, channels: int
) -> None:
    path = tmp_path / "table.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes(np.repeat((tone(1.0) * 20_000).astype("<i2"), channels).tobytes())

    assert len(await whole(decoder, path)) == SAMPLE_RATE
    split = await channels_of(decoder, path, Plan(detector=Detector.NONE, split_channels=True))
    assert sorted(split, key=str) == list(range(channels))


async def test_more_channels_than_anybody_speaks_on_are_refused_one_by_one(
    decoder: Decoder, tmp_path: Path
) -> None:
    path = tmp_path / "choir.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((17, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes(bytes(17 * 2 * SAMPLE_RATE))

    assert len(await whole(decoder, path)) == SAMPLE_RATE
    with pytest.raises(TooManyChannels, match="more than 16 channels"):
        await whole(decoder, path, Plan(detector=Detector.NONE, split_channels=True))


@pytest.mark.parametrize("suffix", FORMATS)
async def test_a_clip_is_the_same_sound_at_the_same_time(
    decoder: Decoder, tmp_path: Path, suffix: str
) -> None:
    path = encode(tmp_path / f"rising.{suffix}", rising(60))
    plan = Plan(detector=Detector.NONE, start_ms=40_500, end_ms=43_500)

    async with decoder.open(path, plan) as recording:
        (cut,) = [cut async for cut in recording]

    sound = np.frombuffer(cut.pcm, np.float32)
    assert (cut.start, cut.end) == (40.5 * SAMPLE_RATE, 43.5 * SAMPLE_RATE)
    seconds = [second_of(sound[at : at + 1_600]) for at in range(0, len(sound), 1_600)]
    # A tenth of a second may lie across a change, and some formats begin with a little silence.
    assert seconds[1:4] + seconds[7:14] + seconds[17:24] + seconds[27:] == (
        [40] * 3 + [41] * 7 + [42] * 7 + [43] * 3
    )
    # Without reading all of it, some formats only estimate.
    assert recording.duration_ms == pytest.approx(60_000, rel=0.02)


@pytest.mark.parametrize("end_ms", [9_999, 10_000, 10_001])
async def test_a_clip_does_not_make_the_recording_shorter(
    decoder: Decoder, tmp_path: Path, end_ms: int
) -> None:
    path = encode(tmp_path / "tone.flac", tone(25.0), rate=SAMPLE_RATE, layout="mono")

    async with decoder.open(path, Plan(detector=Detector.NONE, end_ms=end_ms)) as recording:
        cuts = [cut async for cut in recording]

    assert cuts[-1].end == end_ms * SAMPLE_RATE // 1000
    assert recording.duration_ms == 25_000


async def test_a_clip_without_an_end_goes_on_to_the_end(decoder: Decoder, tmp_path: Path) -> None:
    path = encode(tmp_path / "tone.flac", tone(5.0), rate=SAMPLE_RATE, layout="mono")

    clipped = await whole(decoder, path, Plan(detector=Detector.NONE, start_ms=3_000, end_ms=90_000))

    assert len(clipped) == 2 * SAMPLE_RATE


async def test_a_clip_behind_the_end_is_refused_with_the_length(decoder: Decoder, tmp_path: Path) -> None:
    path = encode(tmp_path / "tone.flac", tone(5.0), rate=SAMPLE_RATE, layout="mono")

    with pytest.raises(ClipOutside, match=r"lasts 5\.000 s.*after 5000 ms"):
        await whole(decoder, path, Plan(detector=Detector.NONE, start_ms=5_000))
