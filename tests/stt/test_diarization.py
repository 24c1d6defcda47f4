"""Who says what: voices among vectors, words that get their speakers, segments that are cut."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from stentor_common.adapters import MissingExtra
from stentor_common.shelf import ModelNotFound
from stentor_dev.debian import NoPackages
from stentor_dev.prompts import prompts
from stentor_stt.audio import Cut, Decoder
from stentor_stt.diarization import SpeakerTracker
from stentor_stt.errors import SpeakerSilent
from stentor_stt.options import Diarization, KnownSpeaker
from stentor_stt.sound import SAMPLE_RATE, Sound
from stentor_stt.speakers import Speakers
from stentor_stt.transcript import Segment, Transcript, Word
from stentor_stt.voices import Encoder
from stentor_stt.voices.encoder import VoiceEncoder
from stentor_stt.voices.groups import voices
from stentor_stt.voices.scripted import ToneEncoder
from stentor_stt.voices.turns import of_one_speaker
from stentor_stt.voices.vectors import Vectors, directions

ROOT = Path(__file__).parents[2]
LOW, MIDDLE, HIGH = 300, 1200, 4000


def segment(text: str, words: list[Word], channel: int | None = None) -> Segment:
    start, end = (words[0].start_ms, words[-1].end_ms) if words else (0, 1000)
    return Segment(start, end, text, tuple(words), -0.1, 0.0, 1.0, 0.0, tokens=(1, 2, 3), channel=channel)


def spoken(*segments: Segment) -> Transcript:
    text = " ".join(each.text for each in segments)
    return Transcript(text, "en", 1.0, segments[-1].end_ms, segments)


def word(text: str, start_ms: int, end_ms: int) -> Word:
    return Word(text, start_ms, end_ms, 0.9)


def told(transcript: Transcript) -> list[tuple[str | None, str]]:
    return [(each.speaker, each.text) for each in transcript.segments]


class TestTurns:
    def test_a_segment_of_one_speaker_stays_whole(self) -> None:
        whole = segment("Hello there.", [word("Hello", 0, 400), word("there.", 400, 900)])

        (found,) = of_one_speaker(whole, ["A", "A"], " ")

        assert (found.speaker, found.text, found.tokens) == ("A", "Hello there.", (1, 2, 3))
        assert [each.speaker for each in found.words] == ["A", "A"]

    def test_a_segment_is_cut_where_the_speaker_changes(self) -> None:
        words = [word("Is", 100, 200), word("it?", 200, 500), word("It", 900, 950), word("is.", 950, 1200)]

        first, second = of_one_speaker(segment("Is it?  It is.", words), ["A", "A", "B", "B"], " ")

        assert (first.text, first.start_ms, first.end_ms, first.speaker) == ("Is it?", 100, 500, "A")
        assert (second.text, second.start_ms, second.end_ms, second.speaker) == ("It is.", 900, 1200, "B")
        assert first.tokens == second.tokens == ()

    def test_texts_without_blanks_are_cut_at_words_too(self) -> None:
        words = [word("你好", 0, 400), word("你好吗", 800, 1200)]

        parts = of_one_speaker(segment("你好你好吗", words), ["A", "B"], "")

        assert [part.text for part in parts] == ["你好", "你好吗"]

    def test_words_that_are_not_in_the_text_are_joined(self) -> None:
        words = [word("one", 0, 400), word("two", 400, 800), word("three", 800, 1200)]

        parts = of_one_speaker(segment("1 2 three", words), ["A", "A", "B"], " ")

        assert [part.text for part in parts] == ["one two", "three"]


class TestVoices:
    """Vectors like those of real voices: two windows of one voice are 0.75 alike, of two voices 0.5."""

    @staticmethod
    def made(of_each: list[int]) -> tuple[Vectors, np.ndarray]:
        chance, size = np.random.default_rng(7), (len(of_each), 256)
        shared = chance.uniform(0, 1, 256) * (chance.random(256) < 0.3)
        own = directions((chance.uniform(0, 1, size) * (chance.random(size) < 0.3)).astype(np.float32))
        bases = directions((shared / np.linalg.norm(shared) + own).astype(np.float32))
        who = np.repeat(np.arange(len(of_each)), of_each)
        strays = chance.normal(0, 0.58 / 16, (len(who), 256))
        return directions(np.maximum(bases[who] + strays, 0).astype(np.float32)), who

    @staticmethod
    def seconds(vectors: Vectors) -> np.ndarray:
        return np.full(len(vectors), 0.8, np.float32)

    @pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 9])
    def test_their_number_is_found(self, count: int) -> None:
        vectors, who = self.made([40 - 3 * each for each in range(count)])

        centres = voices(vectors, self.seconds(vectors))

        nearest = (vectors @ centres.T).argmax(axis=1)
        assert len(centres) == count
        assert len(set(zip(nearest, who, strict=True))) == count

    def test_a_given_number_is_kept(self) -> None:
        vectors, _ = self.made([60])

        assert len(voices(vectors, self.seconds(vectors), at_least=3, at_most=3)) == 3

    @pytest.mark.parametrize(("at_least", "at_most", "found"), [(1, 2, 2), (5, 8, 5), (2, 6, 4)])
    def test_bounds_are_kept(self, at_least: int, at_most: int, found: int) -> None:
        vectors, _ = self.made([30, 30, 30, 30])

        assert len(voices(vectors, self.seconds(vectors), at_least=at_least, at_most=at_most)) == found

    def test_a_cough_is_nobody(self) -> None:
        vectors, _ = self.made([40, 40, 1])

        assert len(voices(vectors, self.seconds(vectors))) == 2

    def test_there_are_no_more_voices_than_vectors(self) -> None:
        vectors, _ = self.made([1, 1])

        assert len(voices(vectors, self.seconds(vectors), at_least=5, at_most=5)) == 2
        assert len(voices(vectors[:0], self.seconds(vectors[:0]))) == 0

    def test_a_long_recording_is_condensed_and_nobody_gets_lost(self) -> None:
        vectors, who = self.made([1500, 500, 200])
        mixed = np.random.default_rng(3).permutation(len(who))

        centres = voices(vectors[mixed], self.seconds(vectors))

        nearest = (vectors @ centres.T).argmax(axis=1)
        assert len(centres) == 3
        assert len(set(zip(nearest, who, strict=True))) == 3


def tone(hertz: float, seconds: float) -> Sound:
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.3 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def tones(*parts: tuple[float, float]) -> tuple[Sound, list[tuple[int, int]]]:
    """Tones one after the other, half a second of silence after each, and where they are."""
    pause = np.zeros(SAMPLE_RATE // 2, np.float32)
    pieces = [piece for hertz, seconds in parts for piece in (tone(hertz, seconds), pause)]
    edges = np.cumsum([0, *(len(piece) for piece in pieces)]).tolist()
    return np.concatenate(pieces), list(pairwise(edges))[::2]


def tracker(wanted: Diarization | None = None) -> SpeakerTracker:
    return SpeakerTracker(ToneEncoder(Path()), wanted or Diarization())


class TestTracker:
    """Tones stand for voices: two of 2 seconds each, from 0 and from 2.5 s on."""

    WORDS = (word("How", 100, 900), word("much?", 1000, 1900), word("Nothing.", 2600, 4400))

    def test_words_and_segments_get_speakers_in_the_order_they_are_heard(self) -> None:
        sound, speech = tones((HIGH, 2), (LOW, 2))
        following = tracker()
        following.add(sound, 0, speech)

        found = following.label(spoken(segment("How much? Nothing.", list(self.WORDS))))

        assert told(found) == [("A", "How much?"), ("B", "Nothing.")]
        assert [each.speaker for each in found.words] == ["A", "A", "B"]

    def test_pieces_come_in_any_order(self) -> None:
        sound, speech = tones((HIGH, 2), (LOW, 2))
        following = tracker()
        middle = speech[1][0]
        following.add(sound[middle:], middle, speech[1:])
        following.add(sound[:middle], 0, speech[:1])

        found = following.label(spoken(segment("How much? Nothing.", list(self.WORDS))))

        assert told(found) == [("A", "How much?"), ("B", "Nothing.")]

    def test_a_segment_without_words_gets_who_speaks_most_in_it(self) -> None:
        sound, speech = tones((HIGH, 2), (LOW, 2))
        following = tracker()
        following.add(sound, 0, speech)
        how, nothing = segment("How much?", []), segment("Nothing.", [])

        found = following.label(
            spoken(how.within(0, 900), nothing.shifted(2600).within(2600, 4400), how.shifted(900))
        )

        assert [each.speaker for each in found.segments] == ["A", "B", "A"]

    def test_known_voices_bear_their_names_and_others_letters(self) -> None:
        sound, speech = tones((MIDDLE, 2), (LOW, 2), (HIGH, 2))
        following = tracker()
        following.know("Ann", tone(LOW, 3), [(0, 3 * SAMPLE_RATE)])
        following.add(sound, 0, speech)
        words = [word("one", 0, 1900), word("two", 2600, 4400), word("three", 5100, 6900)]

        found = following.label(spoken(segment("one two three", words)))

        assert [each.speaker for each in found.words] == ["A", "Ann", "B"]

    def test_two_voices_never_share_a_name_nor_a_letter(self) -> None:
        sound, speech = tones((LOW, 4), (LOW + 15, 4), (HIGH, 4))
        following = tracker(Diarization(speakers=3))
        following.know("A", tone(LOW, 3), [(0, 3 * SAMPLE_RATE)])
        following.add(sound, 0, speech)
        words = [word("one", 0, 3900), word("two", 4600, 8400), word("three", 9100, 12900)]

        found = following.label(spoken(segment("one two three", words)))

        assert [each.speaker for each in found.words] == ["A", "B", "C"]

    def test_each_channel_has_its_own_speakers(self) -> None:
        sound, speech = tones((HIGH, 2), (LOW, 2))
        following = tracker()
        for channel in (0, 1):
            following.add(sound, 0, speech, channel)
        words = list(self.WORDS)

        found = following.label(spoken(segment("How much? Nothing.", words, 1), segment("Hm.", words[:1], 0)))

        assert told(found) == [("A", "How much?"), ("B", "Nothing."), ("C", "Hm.")]

    def test_where_no_voice_was_heard_one_speaker_is_taken_to_speak(self) -> None:
        following = tracker()
        following.add(np.zeros(SAMPLE_RATE, np.float32), 0, [])

        found = following.label(spoken(segment("How much?", list(self.WORDS[:2]))))

        assert told(found) == [("A", "How much?")]

    def test_an_empty_transcript_stays_empty(self) -> None:
        assert tracker().label(Transcript("", None, None, 0, ())).segments == ()


def cut(sound: Sound, speech: list[tuple[int, int]]) -> Cut:
    return Cut(0, None, 0, memoryview(sound.tobytes()), tuple(speech))


@asynccontextmanager
async def nothing_stored(upload_id: str) -> AsyncIterator[Path]:
    raise AssertionError(f"{upload_id} was asked for")
    yield Path()


class TestListener:
    async def test_it_listens_beside_the_model_and_tells_at_the_end(self) -> None:
        speakers = Speakers(lambda: ToneEncoder(Path()), idle_seconds=-1)
        words = list(TestTracker.WORDS)
        async with speakers.listener(Diarization(), Decoder(), nothing_stored) as listener:
            await listener.listen(cut(*tones((HIGH, 2), (LOW, 2))))
            found = await listener.told(spoken(segment("How much? Nothing.", words)))
        await speakers.close()

        assert told(found) == [("A", "How much?"), ("B", "Nothing.")]

    async def test_a_recording_that_is_given_up_leaves_nothing_behind(self) -> None:
        speakers = Speakers(lambda: ToneEncoder(Path()), idle_seconds=-1)

        async def given_up() -> None:
            async with speakers.listener(Diarization(), Decoder(), nothing_stored) as listener:
                await listener.listen(cut(*tones((HIGH, 2))))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await given_up()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await speakers.close()

    async def test_a_library_that_is_missing_is_named(self) -> None:
        def lacking() -> Encoder:
            raise MissingExtra("'ge2e' needs threadpoolctl: pip install 'stentor[diarization]'")

        speakers = Speakers(lacking, idle_seconds=-1)
        with pytest.raises(
            ModelNotFound, match=r"cannot be told apart.*pip install 'stentor\[diarization\]'"
        ):
            async with speakers.listener(Diarization(), Decoder(), nothing_stored):
                pass
        await speakers.close()


CACHE = ROOT / ".cache"


def recorded(path: Path) -> Sound:
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        frames = [each for frame in container.decode(audio=0) for each in resampler.resample(frame)]
        return np.concatenate([frame.to_ndarray()[0] for frame in frames])


@pytest.fixture(scope="module")
def reader() -> list[Sound]:
    """Clips of a LibriVox reader."""
    return [recorded(path) for path in sorted((ROOT / "tests" / "speech").glob("*.wav"))]


@pytest.fixture(scope="module")
def operator() -> list[Sound]:
    """Telephone prompts, by another woman."""
    try:
        return [recorded(path) for path in prompts(CACHE, words=8, count=6)]
    except NoPackages as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoiceEncoder]:
    encoder = VoiceEncoder(tmp_path_factory.mktemp("data"))
    encoder.load()
    yield encoder
    encoder.unload()


def conversation(*clips: Sound) -> tuple[Sound, list[tuple[int, int]], Transcript]:
    """Clips one after the other with pauses, and a segment with a word for each third of a second."""
    pause = np.zeros(SAMPLE_RATE // 2, np.float32)
    pieces = [piece for clip in clips for piece in (clip, pause)]
    edges = np.cumsum([0, *(len(piece) for piece in pieces)]).tolist()
    speech = list(pairwise(edges))[::2]
    segments = []
    for first, end in speech:
        marks = (
            np.linspace(first / 16, end / 16, max(round((end - first) / 5333), 2))
            .round()
            .astype(int)
            .tolist()
        )
        words = [word("w", start, stop) for start, stop in pairwise(marks)]
        segments.append(segment(" ".join("w" for _ in words), words))
    return np.concatenate(pieces), speech, spoken(*segments)


@pytest.mark.models
@pytest.mark.live
def test_two_people_take_turns(encoder: VoiceEncoder, reader: list[Sound], operator: list[Sound]) -> None:
    turns = [clip for pair in zip(reader, operator, strict=False) for clip in pair]
    sound, speech, transcript = conversation(*turns)
    following = SpeakerTracker(encoder, Diarization())
    following.add(sound, 0, speech)

    found = following.label(transcript)

    assert [each.speaker for each in found.segments] == ["A", "B"] * 5


@pytest.mark.models
@pytest.mark.live
def test_a_known_voice_bears_its_name(
    encoder: VoiceEncoder, reader: list[Sound], operator: list[Sound]
) -> None:
    sound, speech, transcript = conversation(operator[0], reader[0], operator[1], reader[1])
    following = SpeakerTracker(encoder, Diarization())
    following.know("Elinor", reader[3], [(0, len(reader[3]))])
    following.add(sound, 0, speech)

    found = following.label(transcript)

    assert [each.speaker for each in found.segments] == ["A", "Elinor", "A", "Elinor"]


@pytest.mark.models
def test_one_person_stays_one_speaker(encoder: VoiceEncoder, reader: list[Sound]) -> None:
    sound, speech, transcript = conversation(*reader)
    following = SpeakerTracker(encoder, Diarization())
    following.add(sound, 0, speech)

    found = following.label(transcript)

    assert {each.speaker for each in found.segments} == {"A"}


@pytest.mark.live
async def test_a_sample_in_which_nobody_speaks_is_refused_by_name(tmp_path: Path) -> None:
    silence = tmp_path / "silence.wav"
    with av.open(str(silence), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, SAMPLE_RATE), np.int16), "s16", "mono")
        frame.sample_rate = SAMPLE_RATE
        out.mux(stream.encode(frame))

    @asynccontextmanager
    async def stored(upload_id: str) -> AsyncIterator[Path]:
        assert upload_id == "upload-1"
        yield silence

    decoder = Decoder()
    speakers = Speakers(lambda: ToneEncoder(Path()), idle_seconds=-1)
    with pytest.raises(SpeakerSilent, match="'Ann': send 2 to 30 seconds"):
        async with speakers.listener(Diarization(known=(KnownSpeaker("Ann", "upload-1"),)), decoder, stored):
            pass
    await speakers.close()
    await decoder.close()
