"""From a file to a transcript: pieces side by side, language, channels, progress, cancelling, failures."""

import asyncio
import wave
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from stentor_common.testing import eventually
from stentor_stt.audio import SAMPLE_RATE, Decoder, Detector, Plan, Sound
from stentor_stt.engines import EngineSettings, Heard, Piece
from stentor_stt.engines.scripted import Script, ScriptedEngine, ScriptedFailure
from stentor_stt.errors import AudioTooLong, AudioUnreadable
from stentor_stt.options import Options, Spelling, Task
from stentor_stt.pieces import StoredPiece
from stentor_stt.recognition import Recognition
from stentor_stt.transcript import Segment, Transcript

PLAN = Plan(detector=Detector.SOUND, piece_seconds=6)

Hear = Callable[[Piece], Awaitable[Heard]]


def save(path: Path, *channels: Sound) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((len(channels), 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes((np.stack(channels, axis=1) * 32_767).astype("<i2").tobytes())
    return path


def noise(seconds: float) -> Sound:
    return np.full(int(seconds * SAMPLE_RATE), 0.5, np.float32)


def silence(seconds: float) -> Sound:
    return np.zeros(int(seconds * SAMPLE_RATE), np.float32)


def spoken(*seconds: float) -> Sound:
    """Stretches of sound, each of which is heard by itself."""
    return np.concatenate([part for length in seconds for part in (noise(length), silence(3))])


def engine(*texts: str, fails_after: int | None = None) -> ScriptedEngine:
    made = ScriptedEngine(EngineSettings("scripted", Path("unused")), Script(texts, fails_after=fails_after))
    made.load()
    return made


def hearing(*texts: str) -> Hear:
    return asked_of(engine(*texts))


def asked_of(model: ScriptedEngine) -> Hear:
    async def hear(piece: Piece) -> Heard:
        return model.hear([piece])[0]

    return hear


def lengths(heard: Piece) -> int:
    return round(len(heard.sound) / SAMPLE_RATE)


async def transcribe(decoder: Decoder, path: Path, hear: Hear, **wanted: Any) -> Transcript:
    fields: dict[str, Any] = {"options": Options(), "plan": PLAN}
    return await Recognition(hear, **(fields | wanted)).transcript(decoder, path)


@pytest.fixture
def ten_seconds(tmp_path: Path) -> Path:
    return save(tmp_path / "ten.wav", noise(10))


@pytest.fixture
def five_parts(tmp_path: Path) -> Path:
    """Five stretches of one to five seconds with three seconds of silence after each."""
    return save(tmp_path / "parts.wav", spoken(1, 2, 3, 4, 5))


# Pieces


async def test_pieces_are_joined_on_one_clock(decoder: Decoder, ten_seconds: Path) -> None:
    found = await transcribe(decoder, ten_seconds, hearing("Hello there."))

    assert found.text == "Hello there. Hello there."
    assert found.duration_ms == 10_000
    first, second = found.segments
    assert first.start_ms == first.window_ms == 0
    assert first.end_ms == second.start_ms == second.window_ms
    assert second.end_ms == 10_000


async def test_silence_has_a_transcript_with_nothing_in_it(decoder: Decoder, tmp_path: Path) -> None:
    found = await transcribe(decoder, save(tmp_path / "silence.wav", silence(3)), hearing("Hello"))

    assert (found.text, found.language, found.duration_ms, found.confidence) == ("", None, 3_000, None)


async def test_long_silence_is_not_given_to_the_model(decoder: Decoder, five_parts: Path) -> None:
    heard: list[Piece] = []

    async def hear(piece: Piece) -> Heard:
        heard.append(piece)
        return await hearing("Hello")(piece)

    found = await transcribe(decoder, five_parts, hear)

    assert [lengths(piece) for piece in heard] == [1, 3, 4, 5, 6]
    starts = [segment.start_ms for segment in found.segments]
    assert starts == pytest.approx([0, 3_700, 8_700, 14_700, 21_700], abs=40)


async def test_all_of_it_is_given_to_the_model_where_that_is_wanted(
    decoder: Decoder, five_parts: Path
) -> None:
    heard: list[int] = []

    async def hear(piece: Piece) -> Heard:
        heard.append(len(piece.sound))
        return Heard(None, None, ())

    await transcribe(decoder, five_parts, hear, plan=replace(PLAN, detector=Detector.NONE))

    assert sum(heard) == 30 * SAMPLE_RATE
    assert max(heard) <= 6 * SAMPLE_RATE


async def test_several_pieces_are_with_the_model_and_joined_in_order(
    decoder: Decoder, five_parts: Path
) -> None:
    waiting: dict[int, asyncio.Event] = {}

    async def hear(piece: Piece) -> Heard:
        length = lengths(piece)
        waiting[length] = asyncio.Event()
        await waiting[length].wait()
        return await hearing(str(length))(piece)

    job = asyncio.create_task(
        transcribe(decoder, five_parts, hear, options=Options(language="en"), in_flight=3)
    )

    async def full() -> bool:
        return sorted(waiting) == [1, 3, 4]

    await eventually(full)
    for length in (4, 3, 1, 6, 5):

        async def asked(length: int = length) -> bool:
            return length in waiting

        await eventually(asked)
        waiting[length].set()
    assert (await job).text == "1 3 4 5 6"


async def test_a_segment_that_ends_after_its_piece_does_not_push_the_next(
    decoder: Decoder, ten_seconds: Path
) -> None:
    async def hear(_: Piece) -> Heard:
        return Heard("en", 1.0, (Segment(0, 60_000, "long", (), -0.1, 0.0, 1.0, 0.0),))

    first, second = (await transcribe(decoder, ten_seconds, hear)).segments

    assert first.end_ms == second.start_ms < 6_000
    assert second.end_ms == 10_000


# Language


async def test_the_first_piece_with_speech_goes_alone_and_settles_the_language(
    decoder: Decoder, five_parts: Path
) -> None:
    asked: list[str | None] = []
    together = 0

    async def hear(piece: Piece) -> Heard:
        nonlocal together
        together += 1
        alone = together == 1
        asked.append(piece.options.language)
        await asyncio.sleep(0)
        together -= 1
        if len(asked) == 1:
            return Heard(None, None, ())
        assert alone or piece.options.language == "fr"
        return Heard("fr", 0.9, (Segment(0, 100, "oui", (), -0.1, 0.0, 1.0, 0.0),))

    found = await transcribe(decoder, five_parts, hear)

    assert asked == [None, None, "fr", "fr", "fr"]
    assert (found.language, found.language_confidence) == ("fr", 0.9)


async def test_a_short_piece_of_which_the_model_is_not_sure_settles_nothing(
    decoder: Decoder, five_parts: Path
) -> None:
    guesses = iter([("cy", 0.3), ("nl", 0.5), ("de", 0.7)])
    asked: list[str | None] = []

    async def hear(piece: Piece) -> Heard:
        asked.append(piece.options.language)
        language, confidence = (
            next(guesses) if piece.options.language is None else (piece.options.language, 1.0)
        )
        return Heard(language, confidence, (Segment(0, 100, "ja", (), -0.1, 0.0, 1.0, 0.0),))

    found = await transcribe(decoder, five_parts, hear)

    assert asked == [None, None, None, "de", "de"]
    assert (found.language, found.language_confidence) == ("de", 0.7)


async def test_a_translation_is_english_whatever_was_spoken(decoder: Decoder, ten_seconds: Path) -> None:
    options = Options(language="fr", task=Task.TRANSLATE)

    found = await transcribe(decoder, ten_seconds, hearing("Hello"), options=options)

    assert (found.language, found.text_language, found.language_confidence) == ("fr", "en", 1.0)


# Channels, clips, spelling


async def test_channels_are_heard_by_themselves_and_told_in_the_order_of_speech(
    decoder: Decoder, tmp_path: Path
) -> None:
    left = np.concatenate([noise(2), silence(4), noise(2), silence(4)])
    right = np.concatenate([silence(3), noise(2), silence(4), noise(3)])
    path = save(tmp_path / "call.wav", left, right)

    found = await transcribe(decoder, path, hearing("Hello"), plan=replace(PLAN, split_channels=True))

    assert [segment.channel for segment in found.segments] == [0, 1, 0, 1]
    assert [word.channel for word in found.words] == [0, 1, 0, 1]
    assert found.text == "Hello Hello Hello Hello"
    assert [segment.start_ms for segment in found.segments] == pytest.approx([0, 2_700, 5_700, 8_700], abs=40)


async def test_channels_may_speak_at_the_same_time(decoder: Decoder, tmp_path: Path) -> None:
    path = save(tmp_path / "call.wav", noise(4), noise(4))

    found = await transcribe(decoder, path, hearing("Hello"), plan=replace(PLAN, split_channels=True))

    assert [(s.start_ms, s.end_ms, s.channel) for s in found.segments] == [(0, 4_000, 0), (0, 4_000, 1)]


async def test_times_of_a_clip_count_from_the_recordings_start(decoder: Decoder, five_parts: Path) -> None:
    plan = replace(PLAN, start_ms=9_000, end_ms=16_000)

    found = await transcribe(decoder, five_parts, hearing("Hello"), plan=plan)

    assert [(s.start_ms, s.end_ms) for s in found.segments] == [
        (9_000, pytest.approx(12_300, abs=40)),
        (pytest.approx(14_700, abs=40), 16_000),
    ]
    assert found.duration_ms == 30_000


async def test_spellings_are_in_text_and_words(decoder: Decoder, ten_seconds: Path) -> None:
    options = Options(spelling=(Spelling("sten tor", "Stentor"),))

    found = await transcribe(decoder, ten_seconds, hearing("This is Sten Tor, loud."), options=options)

    assert found.text == "This is Stentor, loud. This is Stentor, loud."
    assert [word.text for word in found.words] == ["This", "is", "Stentor,", "loud."] * 2


# Progress, cancelling, failures


@pytest.mark.parametrize("clip", [(0, None), (8_000, 24_000)])
async def test_progress_rises_to_the_whole_length(
    decoder: Decoder, five_parts: Path, clip: tuple[int, int | None]
) -> None:
    reports: list[tuple[int, int | None]] = []
    start_ms, end_ms = clip
    plan = replace(PLAN, start_ms=start_ms, end_ms=end_ms)

    await transcribe(
        decoder, five_parts, hearing("one"), plan=plan, report=lambda *told: reports.append(told)
    )

    done = [each for each, _ in reports]
    whole = (end_ms or 30_000) - start_ms
    assert done == sorted(done)
    assert {total for _, total in reports} == {whole}
    assert done[-1] == pytest.approx(whole, abs=3_000)
    assert len(set(done)) > 2


async def test_cancelling_gives_up_what_waits_and_ends_decoding(decoder: Decoder, tmp_path: Path) -> None:
    path = save(tmp_path / "long.wav", noise(120))
    asked, given_up = asyncio.Event(), 0

    async def hear(_: Piece) -> Heard:
        nonlocal given_up
        asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            given_up += 1
            raise
        raise AssertionError

    job = asyncio.create_task(transcribe(decoder, path, hear, options=Options(language="en"), in_flight=4))
    await asked.wait()
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job

    assert 1 <= given_up <= 4
    await nothing_is_decoded()


@pytest.mark.parametrize("cause", ["engine", "report"])
async def test_decoding_ends_with_a_job_that_fails(decoder: Decoder, tmp_path: Path, cause: str) -> None:
    path = save(tmp_path / "long.wav", noise(120))

    def report(_done_ms: int, _total_ms: int | None) -> None:
        if cause == "report":
            raise OSError("no room")

    model = engine("one", fails_after=0 if cause == "engine" else None)
    with pytest.raises((ScriptedFailure, OSError)):
        await transcribe(decoder, path, asked_of(model), report=report)

    await nothing_is_decoded()


async def nothing_is_decoded() -> None:
    async def idle() -> bool:
        return not any(server.children() for server in psutil.Process().children())

    await eventually(idle)


async def test_what_is_wrong_with_the_recording_is_said(decoder: Decoder, tmp_path: Path) -> None:
    path = tmp_path / "letter.mp3"
    path.write_text("Dear Sir, " * 500)

    with pytest.raises(AudioUnreadable):
        await transcribe(decoder, path, hearing("Hello"))


async def test_a_recording_over_the_limit_is_refused(decoder: Decoder, ten_seconds: Path) -> None:
    with pytest.raises(AudioTooLong):
        await transcribe(decoder, ten_seconds, hearing("Hello"), plan=replace(PLAN, max_seconds=8))


# What was heard before


class Notes:
    """Keeps pieces as long as a test."""

    def __init__(self, *before: StoredPiece) -> None:
        self.before = before
        self.kept: list[StoredPiece] = []

    async def finished(self) -> tuple[StoredPiece, ...]:
        return self.before

    def keep(self, piece: StoredPiece) -> None:
        self.kept.append(piece)


async def test_what_was_heard_before_is_not_heard_again(decoder: Decoder, five_parts: Path) -> None:
    first_run = Notes()
    whole = await transcribe(decoder, five_parts, hearing("Hello you"), memory=first_run)
    heard: list[int] = []

    async def hear(piece: Piece) -> Heard:
        heard.append(lengths(piece))
        assert piece.options.language == "en"
        return await hearing("Hello you")(piece)

    second_run = Notes(*(piece for piece in first_run.kept if piece.number in (0, 1, 3)))
    again = await transcribe(decoder, five_parts, hear, memory=second_run)

    assert sorted(heard) == [4, 6]
    assert sorted(piece.number for piece in second_run.kept) == [2, 4]
    assert again == whole


async def test_pieces_that_were_cut_otherwise_are_heard_again(decoder: Decoder, five_parts: Path) -> None:
    first_run, second_run = Notes(), Notes()
    await transcribe(decoder, five_parts, hearing("Hello"), memory=first_run)
    second_run.before = tuple(replace(piece, end_sample=piece.end_sample + 1) for piece in first_run.kept)

    await transcribe(decoder, five_parts, hearing("Hello"), memory=second_run)

    assert len(second_run.kept) == 5


async def test_of_a_recording_of_one_piece_nothing_is_kept(decoder: Decoder, tmp_path: Path) -> None:
    notes = Notes()

    await transcribe(decoder, save(tmp_path / "short.wav", noise(2)), hearing("Hello"), memory=notes)

    assert notes.kept == []
