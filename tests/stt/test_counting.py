"""Somebody counts for minutes: every number is heard, and none of them twice, wherever pieces meet."""

import re
import wave
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np
import numpy.typing as npt
import pytest

from stentor_common.engine_room import EngineRoom
from stentor_common.engines import Care
from stentor_dev.debian import NoPackages
from stentor_dev.prompts import counting, spoken
from stentor_stt.audio import SAMPLE_RATE, Decoder, Plan
from stentor_stt.batching import Batcher
from stentor_stt.engines import Engine, EngineSettings, Heard, Piece
from stentor_stt.engines.whisper import WhisperEngine
from stentor_stt.options import Options
from stentor_stt.recognition import Recognition

CACHE = Path(__file__).parents[2] / ".cache"
RATE = 8_000
"""Of the recorded numbers."""
LAST = 80
LOUD = 500

SMALL = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
WORDS = {
    **{word: str(number) for number, word in enumerate(f"{SMALL} seventeen eighteen nineteen".split(), 1)},
    **{word: str(number * 10) for number, word in enumerate(TENS.split(), 2)},
    "hundred": "hundred",
}

pytestmark = [pytest.mark.models, pytest.mark.live, pytest.mark.timeout(600)]

PAUSES = {"hurried": (0.05, 0.25, 0), "even": (0.1, 0.7, 0), "slow": (0.3, 1.5, 15)}
"""Shortest and longest pause in seconds, and after how many numbers there is one of several seconds."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A recording in which somebody counts, and from where to where each word is loud, in samples."""

    path: Path
    words: list[tuple[int, int]]


@pytest.fixture(params=PAUSES)
def counted(request: pytest.FixtureRequest, tmp_path: Path) -> Counted:
    shortest, longest, rest_every = PAUSES[request.param]
    try:
        numbers = counting(CACHE, LAST)
    except NoPackages as reason:
        pytest.skip(str(reason))
    random = np.random.default_rng(1)
    sounds: list[npt.NDArray[np.int16]] = []
    words: list[tuple[int, int]] = []
    at = 0
    for number, recordings in enumerate(numbers, 1):
        for recording in recordings:
            sounds.append(read(recording))
            loud = np.flatnonzero(np.abs(sounds[-1].astype(np.int32)) > LOUD) + at
            words.append((int(loud[0]) * SAMPLE_RATE // RATE, int(loud[-1]) * SAMPLE_RATE // RATE))
            at += len(sounds[-1])
        rests = bool(rest_every) and number % rest_every == 0
        pause = random.uniform(2.5, 6) if rests else random.uniform(shortest, longest)
        sounds.append(random.normal(0, 20, round(pause * RATE)).astype(np.int16))
        at += len(sounds[-1])
    return Counted(save(tmp_path / "counting.wav", np.concatenate(sounds)), words)


def read(path: Path) -> npt.NDArray[np.int16]:
    with wave.open(str(path)) as file:
        assert file.getframerate() == RATE
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def save(path: Path, sound: npt.NDArray[np.int16]) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(sound.astype("<i2").tobytes())
    return path


@pytest.mark.parametrize("piece_seconds", [10, 15, 28])
async def test_every_word_is_whole_in_one_piece(
    decoder: Decoder, counted: Counted, piece_seconds: float
) -> None:
    async with decoder.open(counted.path, Plan(piece_seconds=piece_seconds)) as recording:
        pieces = [(cut.start, cut.end) async for cut in recording]

    held = [sum(start <= first and last < end for start, end in pieces) for first, last in counted.words]
    assert held == [1] * len(counted.words)
    assert max(end - start for start, end in pieces) <= piece_seconds * SAMPLE_RATE


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> WhisperEngine:
    engine = WhisperEngine(EngineSettings("whisper-base", tmp_path_factory.mktemp("data"), offline=True))
    engine.load()
    return engine


@pytest.fixture
async def batcher(engine: WhisperEngine) -> AsyncIterator[Batcher]:
    room: EngineRoom[Engine] = EngineRoom()
    made = Batcher(room.add("whisper-base", lambda: engine, Care(idle_seconds=-1)))
    yield made
    await made.close()


@pytest.mark.parametrize("counted", ["even"], indirect=True)
async def test_the_model_hears_every_number_once(
    decoder: Decoder, counted: Counted, batcher: Batcher
) -> None:
    async def hear(piece: Piece) -> Heard:
        return await batcher.hear(piece, job="counting", caller="")

    found = await Recognition(hear, Options(language="en"), Plan()).transcript(decoder, counted.path)

    said = " ".join(part for number in range(1, LAST + 1) for part in spoken(number))
    heard = " ".join(parts(found.text))
    compared = jiwer.process_words(said, heard)
    # The model takes a dozen numbers for others; a piece that is lost or said twice is more than that.
    assert compared.wer <= 0.15, found.text
    assert abs(len(heard.split()) - len(said.split())) <= 0.06 * len(said.split())
    times = [time for word in found.words for time in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert times[-1] <= found.duration_ms


def parts(text: str) -> Iterator[str]:
    """Numbers in figures or in words as they are said: "123" is 1, hundred, 20, 3."""
    for token in re.findall(r"[a-z]+|\d+", text.lower()):
        if token.isdigit():
            yield from spoken(int(token))
        elif token in WORDS:
            yield WORDS[token]
