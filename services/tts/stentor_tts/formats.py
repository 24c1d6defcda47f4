"""The kinds of file and stream that speech is given in, and the sample rates that each can have."""

from collections.abc import Mapping
from dataclasses import dataclass

from stentor_tts.errors import UnknownFormat, UnknownSampleRate

_COMMON = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


@dataclass(frozen=True, slots=True)
class Format:
    name: str
    media_type: str
    extension: str
    sample_rates: tuple[int, ...]
    container: str
    """The muxer, by FFmpeg's name."""
    codec: str
    bit_rate: int | None = None
    """Of a second of speech, where the codec takes one."""
    bit_rates: tuple[int, int] | None = None
    """The least and the most that may be asked for."""
    raw: bool = False
    """Samples without a header: who plays them has to know the rate."""
    channels: int = 1

    def type_at(self, sample_rate: int) -> str:
        """The media type; of raw sound with the rate, which nothing else tells."""
        return f"{self.media_type};rate={sample_rate}" if self.raw else self.media_type

    def nearest(self, sample_rate: int) -> int:
        """The lowest rate that keeps all of a sound of this rate, or the highest there is."""
        return next((rate for rate in self.sample_rates if rate >= sample_rate), self.sample_rates[-1])


FORMATS: Mapping[str, Format] = {
    each.name: each
    for each in (
        Format("mp3", "audio/mpeg", "mp3", _COMMON, "mp3", "libmp3lame", 64_000, (8_000, 320_000)),
        Format("wav", "audio/wav", "wav", _COMMON, "wav", "pcm_s16le"),
        Format("flac", "audio/flac", "flac", _COMMON, "flac", "flac"),
        Format(
            "opus",
            "audio/ogg;codecs=opus",
            "opus",
            (8000, 12000, 16000, 24000, 48000),
            "ogg",
            "libopus",
            48_000,
            (6_000, 256_000),
        ),
        # The encoder of Vorbis that FFmpeg brings makes two channels, of one quality.
        Format(
            "ogg", "audio/ogg", "ogg", (16000, 22050, 24000, 32000, 44100, 48000), "ogg", "vorbis", channels=2
        ),
        Format("aac", "audio/aac", "aac", _COMMON, "adts", "aac", 64_000, (16_000, 256_000)),
        Format("pcm", "audio/pcm", "pcm", _COMMON, "s16le", "pcm_s16le", raw=True),
        Format("mulaw", "audio/PCMU", "ulaw", (8000, 16000, 24000), "mulaw", "pcm_mulaw", raw=True),
        Format("alaw", "audio/PCMA", "alaw", (8000, 16000, 24000), "alaw", "pcm_alaw", raw=True),
    )
}
"""By name. `pcm` is signed, 16 bits, little-endian, one channel."""


def choose(name: str, sample_rate: int | None = None, *, near: int = 24000) -> tuple[Format, int]:
    """The format of this name, and the rate: the one asked for, or the one that suits a voice of `near` Hz.

    Raises UnknownFormat and UnknownSampleRate; each says what there is.
    """
    found = FORMATS.get(name.lower())
    if found is None:
        raise UnknownFormat(name, FORMATS)
    if sample_rate is None:
        return found, found.sample_rates[0] if found.codec in ("pcm_mulaw", "pcm_alaw") else found.nearest(
            near
        )
    if sample_rate not in found.sample_rates:
        raise UnknownSampleRate(sample_rate, format_name=found.name, known=found.sample_rates)
    return found, sample_rate
