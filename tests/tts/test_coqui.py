"""Coqui's library in the environment of its own: small models with random weights, made by the library."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from stentor_common.shelf import ModelNotFound
from stentor_tts.engines import CannotSay, EngineSettings, NoSuchSpeaker, Spoken, Utterance
from stentor_tts.engines.coqui import LicenceNotAccepted
from stentor_tts.engines.hosted import HostedEngine
from stentor_tts.models import coqui_python, coqui_reason

pytestmark = [pytest.mark.models, pytest.mark.timeout(300)]

TEXT = "Good morning, how are you?"
SAMPLE_RATE = 16_000

MAKE_VITS = """
import sys
from pathlib import Path
from stentor_tts.engines.coqui_torchaudio import prepare
prepare()
import torch
from TTS.config.shared_configs import BaseAudioConfig
from TTS.tts.configs.vits_config import VitsArgs, VitsConfig
from TTS.tts.models.vits import Vits

folder, rate, speakers = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
folder.mkdir(parents=True)
arguments = dict(
    hidden_channels=32, hidden_channels_ffn_text_encoder=64, num_layers_text_encoder=2, num_layers_flow=1,
    num_layers_posterior_encoder=1, upsample_initial_channel_decoder=64, init_discriminator=False,
)
if speakers:
    torch.save({name: number for number, name in enumerate(speakers)}, folder / "speakers.pth")
    arguments |= dict(
        use_speaker_embedding=True, speaker_embedding_channels=16, speakers_file=str(folder / "speakers.pth")
    )
config = VitsConfig(
    model_args=VitsArgs(**arguments), audio=BaseAudioConfig(sample_rate=rate), use_phonemes=False,
    text_cleaner="english_cleaners",
)
torch.manual_seed(1)
model = Vits(config)
torch.save({"model": model.state_dict(), "config": config.to_dict(), "step": 0}, folder / "model.pth")
config.save_json(str(folder / "config.json"))
"""

Engines = Callable[..., HostedEngine]


@pytest.fixture(scope="module")
def python() -> Path:
    found = coqui_python(None, Path(sys.prefix))
    assert found, coqui_reason(None)
    return found


@pytest.fixture(scope="module")
def data(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a model of one voice, and one of two that was moved since it was made."""
    folder = tmp_path_factory.mktemp("data")
    models = folder / "models"
    for name, speakers in (("single", []), ("made", ["anna", "bert"])):
        arguments = [models / name, str(SAMPLE_RATE), *speakers]
        subprocess.run([python, "-c", MAKE_VITS, *arguments], check=True, capture_output=True)
    (models / "made").rename(models / "two")
    return folder


@pytest.fixture(scope="module")
def opened(python: Path, data: Path) -> Iterator[Engines]:
    kept: dict[str, HostedEngine] = {}

    def engine(model: str, **changed: object) -> HostedEngine:
        if model not in kept:
            settings = EngineSettings(model, data, python=python, offline=True, **changed)  # type: ignore[arg-type]
            made = HostedEngine("coqui", settings)
            made.load()
            kept[model] = made
        return kept[model]

    yield engine
    for each in kept.values():
        each.unload()


def say(engine: HostedEngine, text: str, voice: str = "", rate: float = 1) -> Spoken:
    (spoken,) = engine.say([Utterance(text, voice, rate=rate)])
    return spoken


def test_a_model_from_a_folder_speaks(opened: Engines) -> None:
    spoken = say(opened("single"), TEXT)

    assert spoken.sample_rate == SAMPLE_RATE
    assert 0.5 < len(spoken.samples) / SAMPLE_RATE < 10
    # The library adds half a second of silence to every sentence.
    assert spoken.samples[-2_000:].any()
    assert spoken.samples.dtype == np.float32


def test_a_longer_text_takes_longer_and_a_higher_rate_less(opened: Engines) -> None:
    engine = opened("single")

    once, twice, fast = (
        len(say(engine, *asked).samples) for asked in ((TEXT,), (f"{TEXT} {TEXT}",), (TEXT, "", 2.0))
    )

    assert twice == pytest.approx(2 * once, rel=0.2)
    assert fast == pytest.approx(once / 2, rel=0.01)


def test_the_same_text_sounds_the_same(opened: Engines) -> None:
    engine = opened("single")

    np.testing.assert_array_equal(say(engine, TEXT).samples, say(engine, TEXT).samples)


def test_a_model_of_several_speakers_has_a_voice_for_each(opened: Engines) -> None:
    engine = opened("two")

    anna, bert, first = (say(engine, TEXT, name) for name in ("anna", "bert", ""))

    assert [(voice.id, voice.sample_rate) for voice in engine.voices()] == [
        ("anna", SAMPLE_RATE),
        ("bert", SAMPLE_RATE),
    ]
    assert not np.array_equal(anna.samples, bert.samples)
    np.testing.assert_array_equal(first.samples, anna.samples)


@pytest.mark.parametrize(("model", "known"), [("single", ""), ("two", "anna, bert")])
def test_a_speaker_that_the_model_lacks_is_refused(opened: Engines, model: str, known: str) -> None:
    with pytest.raises(NoSuchSpeaker, match=f"'carl'; it has {known}"):
        say(opened(model), TEXT, "carl")


@pytest.mark.parametrize("nothing", ["", "…", "你好。"])
def test_what_the_model_never_learned_to_say_is_refused(opened: Engines, nothing: str) -> None:
    with pytest.raises(CannotSay):
        say(opened("single"), nothing)


def test_a_model_that_is_nowhere_is_told_with_where_to_put_it(opened: Engines) -> None:
    for name in ("nothing", "tts_models/en/ljspeech/vits"):
        with pytest.raises(ModelNotFound, match=f"models/{name} of the data directory"):
            opened(name)


@pytest.mark.parametrize(
    ("model", "licence"),
    [("xtts_v2", "cpml"), ("tts_models/multilingual/multi-dataset/your_tts", "cc by-nc-nd 4.0")],
)
def test_conditions_of_a_licence_are_accepted_by_a_setting_first(
    opened: Engines, model: str, licence: str
) -> None:
    with pytest.raises(LicenceNotAccepted, match=f"'{licence}' to STENTOR_TTS_ACCEPTED_LICENCES"):
        opened(model)

    with pytest.raises(ModelNotFound):
        opened(model, accepted_licences=frozenset({licence.upper()}))
