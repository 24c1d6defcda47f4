"""Recorded telephone prompts: what the default model writes down against what is said."""

import asyncio
from pathlib import Path

import jiwer
import pytest
from whisper_normalizer.english import EnglishTextNormalizer

from stentor_dev.debian import NoPackages
from stentor_dev.prompts import prompts
from stentor_stt.audio import Decoder, Plan
from stentor_stt.engines import EngineSettings, Heard, Piece
from stentor_stt.engines.whisper import WhisperEngine
from stentor_stt.options import Options
from stentor_stt.recognition import Recognition

CACHE = Path(__file__).parents[2] / ".cache"

pytestmark = [pytest.mark.models, pytest.mark.live, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def spoken() -> dict[Path, str]:
    try:
        return prompts(CACHE, words=14, count=20)
    except NoPackages as reason:
        pytest.skip(str(reason))


async def test_of_twenty_words_on_the_telephone_at_most_one_is_wrong(
    spoken: dict[Path, str], tmp_path: Path, decoder: Decoder
) -> None:
    engine = WhisperEngine(EngineSettings("whisper-base", tmp_path, offline=True))
    engine.load()
    normal = EnglishTextNormalizer()

    async def hear(piece: Piece) -> Heard:
        return (await asyncio.to_thread(engine.hear, [piece]))[0]

    recognition = Recognition(hear, Options(language="en"), Plan())
    heard = [normal((await recognition.transcript(decoder, path)).text) for path in spoken]

    said = [normal(text) for text in spoken.values()]
    assert len(said) == 20
    assert jiwer.wer(said, heard) <= 0.05
