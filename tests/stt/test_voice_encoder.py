"""Voices as vectors: features, windows, weights, and the numbers that the original makes."""

import json
import pickle
from pathlib import Path

import av
import numpy as np
import pytest

from stentor_common.shelf import ModelNotFound
from stentor_stt.sound import SAMPLE_RATE, Sound
from stentor_stt.voices import weights
from stentor_stt.voices.encoder import VoiceEncoder
from stentor_stt.voices.features import FRAMES, mel_power
from stentor_stt.voices.windows import STEP, WINDOW, windows

SPEECH = Path(__file__).parents[1] / "speech"


def clip(name: str) -> Sound:
    with av.open(str(SPEECH / name)) as container:
        pcm = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    return (pcm / 32768).astype(np.float32)


def noise(seconds: float, loudness: float = 0.1) -> Sound:
    samples = np.random.default_rng(1).normal(0, loudness, int(seconds * SAMPLE_RATE))
    return samples.astype(np.float32)


def test_features_are_those_of_librosa() -> None:
    """Values of librosa 0.11 for a tone that rises from 100 to 7100 Hz in half a second."""
    time = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    rising = (0.5 * np.sin(2 * np.pi * (100 * time + 7000 * time * time))).astype(np.float32)

    found = mel_power(rising)

    assert found.shape == (51, 40)
    assert found.sum() == pytest.approx(1016.5203, rel=1e-5)
    values = [found[0, 1], found[10, 20], found[25, 30], found[40, 36], found[50, 39]]
    assert values == pytest.approx([10.936989, 0.06517483, 6.1422682, 4.3705392, 1.1681697], rel=1e-4)


def test_long_speech_is_covered_by_windows_that_overlap() -> None:
    found = windows(noise(10), [(SAMPLE_RATE, 6 * SAMPLE_RATE)])

    starts, ends = found.edges.T
    assert (starts[0], ends[-1]) == (SAMPLE_RATE, 6 * SAMPLE_RATE)
    assert set(ends - starts) == {WINDOW}
    assert np.diff(starts).max() <= STEP
    assert {features.shape for features in found.features} == {(FRAMES, 40)}
    assert found.seconds.sum() == pytest.approx(5)


def test_short_speech_fills_a_window_by_being_said_again() -> None:
    sound = noise(2)
    found = windows(sound, [(0, SAMPLE_RATE // 2)])

    (features,) = found.features
    period = len(mel_power(sound[: SAMPLE_RATE // 2]))
    assert found.edges.tolist() == [[0, SAMPLE_RATE // 2]]
    assert np.array_equal(features[:period], features[period : 2 * period])


def test_speech_too_short_to_tell_a_voice_gives_no_window() -> None:
    assert windows(noise(1), [(0, SAMPLE_RATE // 10)]).features == []


def test_how_loud_somebody_speaks_makes_no_difference() -> None:
    quiet, loud = (windows(noise(2, loudness), [(0, WINDOW)]).features[0] for loudness in (0.01, 0.3))

    assert np.allclose(quiet, loud, rtol=1e-3)


def test_perfect_silence_is_no_trouble() -> None:
    (features,) = windows(np.zeros(WINDOW, np.float32), [(0, WINDOW)]).features

    assert not features.any()


def test_weights_that_are_nowhere_are_missed_with_the_command_that_brings_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", [str(tmp_path)])

    with pytest.raises(ModelNotFound, match=r"pip install --no-deps resemblyzer.*models/voice-encoder"):
        VoiceEncoder(tmp_path).load()


def test_weights_in_the_data_directory_come_before_the_package(tmp_path: Path) -> None:
    own = tmp_path / "models" / "voice-encoder" / "pretrained.pt"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"")

    assert weights.located(tmp_path) == own


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


def test_another_file_is_refused_and_nothing_in_it_is_run(tmp_path: Path) -> None:
    own = tmp_path / "models" / "voice-encoder" / "pretrained.pt"
    own.parent.mkdir(parents=True)
    own.write_bytes(pickle.dumps(Evil(tmp_path / "mark")))

    with pytest.raises(ModelNotFound, match="another version: run"):
        VoiceEncoder(tmp_path).load()

    assert not (tmp_path / "mark").exists()


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> VoiceEncoder:
    encoder = VoiceEncoder(tmp_path_factory.mktemp("data"))
    encoder.load()
    return encoder


@pytest.mark.models
def test_vectors_are_those_of_the_original(encoder: VoiceEncoder) -> None:
    original = np.array(json.loads((SPEECH / "voice-0870.json").read_text())["vector"])

    (found,) = encoder.vectors([mel_power(clip("sense-0870.wav"))[:FRAMES]])

    assert np.abs(found - original).max() < 1e-3
    assert found @ original > 0.9999


@pytest.mark.models
def test_a_vector_does_not_depend_on_the_others_beside_it(encoder: VoiceEncoder) -> None:
    sound = clip("sense-0920.wav")
    many = windows(sound, [(0, len(sound))]).features * 5

    together, alone = encoder.vectors(many), encoder.vectors(many[:1])

    assert together.shape == (len(many), 256)
    assert np.allclose(together[0], alone[0], atol=1e-5)


@pytest.mark.models
def test_no_windows_give_no_vectors(encoder: VoiceEncoder) -> None:
    assert encoder.vectors([]).shape == (0, 256)


@pytest.mark.models
def test_unloading_lets_go_and_loading_brings_it_back(tmp_path: Path) -> None:
    encoder = VoiceEncoder(tmp_path)
    with pytest.raises(RuntimeError, match="load"):
        encoder.vectors([])
    encoder.load()
    encoder.unload()
    with pytest.raises(RuntimeError, match="load"):
        encoder.vectors([])
    encoder.load()
    assert len(encoder.vectors([mel_power(noise(1.6))[:FRAMES]])) == 1
