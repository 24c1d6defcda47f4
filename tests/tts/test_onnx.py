"""Files of models: what is read of them, and those that are broken."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stentor_common.shelf import ModelNotFound
from stentor_tts.engines import EngineSettings, ModelUnreadable
from stentor_tts.engines.onnx import DeviceNotHere, OnnxModel, durations_in, lasting_ms
from stentor_tts.engines.piper import PiperEngine, PiperVoice
from stentor_tts.models import locate

ABOUT: dict[str, Any] = {
    "audio": {"sample_rate": 16_000},
    "espeak": {"voice": "de"},
    "phoneme_id_map": {"_": [0], "^": [1], "$": [2], "a": [3], "b": [4, 5]},
    "num_speakers": 2,
    "speaker_id_map": {"anna": 0, "bert": 1},
}


def field(number: int, content: bytes) -> bytes:
    assert len(content) < 128
    return bytes((number << 3 | 2, len(content))) + content


def node(operator: str, output: str) -> bytes:
    return field(1, field(2, output.encode()) + field(4, operator.encode()))


@pytest.mark.parametrize(
    ("nodes", "found"),
    [
        ([("Mul", "x"), ("Ceil", "steps"), ("Add", "y")], "steps"),
        ([("Mul", "x")], None),
        ([("Ceil", "one"), ("Ceil", "two")], None),
    ],
)
def test_durations_are_what_the_only_rounding_makes(
    tmp_path: Path, nodes: list[tuple[str, str]], found: str | None
) -> None:
    version, graph = b"\x08\x07", b"".join(node(*each) for each in nodes)
    (tmp_path / "model.onnx").write_bytes(version + field(7, graph))

    assert durations_in(tmp_path / "model.onnx", "Ceil") == found


def test_durations_share_the_sound_and_none_is_shorter_than_a_frame() -> None:
    assert lasting_ms(np.asarray([0.0, 1.0, 2.0]), 4_000, 1_000) == [1_000, 1_000, 2_000]


def test_a_file_that_is_no_model_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"\xff" * 100)

    with pytest.raises(ModelUnreadable, match=r"broken\.onnx"):
        OnnxModel(tmp_path / "broken.onnx", rounds_by="Ceil")


def test_a_device_that_is_not_here_is_told_with_what_brings_it(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotHere, match="onnxruntime-gpu"):
        OnnxModel(locate("hibari", "heart", tmp_path), device="cuda")


# Descriptions of voices in Piper's format


def test_a_description_is_read(tmp_path: Path) -> None:
    (tmp_path / "v.json").write_text(json.dumps(ABOUT))

    voice = PiperVoice.read(tmp_path / "v.json")

    assert (voice.sample_rate, voice.language, voice.spelled) == (16_000, "de", False)
    assert (voice.noise, voice.length, voice.width_noise) == (0.667, 1, 0.8)
    assert [voice.ids_of(letter) for letter in "abx"] == [[3, 0], [4, 5, 0], []]
    assert [voice.speaker(name, "v") for name in ("", "anna", "bert")] == [0, 0, 1]


@pytest.mark.parametrize(
    "wrong",
    [
        "not json",
        "[]",
        "{}",
        json.dumps(ABOUT | {"phoneme_id_map": {"a": [1]}}),
        json.dumps(ABOUT | {"phoneme_type": "pinyin"}),
    ],
)
def test_a_description_that_is_none_is_told_as_such(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "v.onnx.json").write_text(wrong)

    with pytest.raises(ModelUnreadable, match=r"v\.onnx\.json"):
        PiperVoice.read(tmp_path / "v.onnx.json")


def test_a_model_without_its_description_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "v.onnx").write_bytes(b"")

    with pytest.raises(ModelNotFound, match=r"\.onnx\.json file that belongs to it"):
        PiperEngine(EngineSettings(str(tmp_path / "v.onnx"), tmp_path)).load()
