"""Real models, loaded once for all tests that want them, and recorded speech."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from stentor_stt.engines.whisper import WhisperEngine
    from stentor_stt.sound import Sound

SPEECH = Path(__file__).parents[1] / "speech"


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> "WhisperEngine":
    return _loaded("whisper-base", tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> "WhisperEngine":
    return _loaded("whisper-tiny.en", tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def clip() -> "Callable[[str], Sound]":
    """The sound of a recording in tests/speech."""
    from faster_whisper import decode_audio

    return lambda name: decode_audio(str(SPEECH / name))


def _loaded(model: str, data_dir: Path) -> "WhisperEngine":
    from stentor_stt.engines import EngineSettings
    from stentor_stt.engines.whisper import WhisperEngine

    # One thread: several test processes with threads for all cores would only wait for each other.
    engine = WhisperEngine(EngineSettings(model, data_dir, offline=True, threads=1))
    engine.load()
    return engine
