"""Coqui's library in the environment of its own: small models with random weights, made by the library."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from stentor_common.shelf import ModelNotFound
from stentor_tts.engines import CannotSay, EngineSettings, NoSuchSpeaker, Spoken, Utterance
from stentor_tts.engines.coqui import LicenceNotAccepted, NoSuchLanguage
from stentor_tts.engines.hosted import HostedEngine
from stentor_tts.models import coqui_python, coqui_reason

pytestmark = [pytest.mark.models, pytest.mark.timeout(300)]

TEXT = "Good morning, how are you?"
SAMPLE_RATE = 16_000

MAKE_MODELS = """
import sys
from pathlib import Path
from stentor_tts.engines.coqui_torchaudio import prepare
prepare()
import torch
from tokenizers import Tokenizer, models
from TTS.config.shared_configs import BaseAudioConfig
from TTS.tts.configs.vits_config import VitsArgs, VitsConfig
from TTS.tts.configs.xtts_config import XttsArgs, XttsConfig
from TTS.tts.layers.xtts.tokenizer import VoiceBpeTokenizer
from TTS.tts.models.vits import Vits
from TTS.tts.models.xtts import Xtts


def save(model, config, folder):
    torch.save({"model": model.state_dict(), "config": config.to_dict(), "step": 0}, folder / "model.pth")
    config.save_json(str(folder / "config.json"))


def make_vits(folder, speakers):
    folder.mkdir(parents=True)
    arguments = dict(
        hidden_channels=32, hidden_channels_ffn_text_encoder=64, num_layers_text_encoder=2, num_layers_flow=1,
        num_layers_posterior_encoder=1, upsample_initial_channel_decoder=64, init_discriminator=False,
    )
    if speakers:
        file = folder / "speakers.pth"
        torch.save({name: number for number, name in enumerate(speakers)}, file)
        arguments |= dict(use_speaker_embedding=True, speaker_embedding_channels=16, speakers_file=str(file))
    config = VitsConfig(
        model_args=VitsArgs(**arguments), audio=BaseAudioConfig(sample_rate=16_000), use_phonemes=False,
        text_cleaner="english_cleaners",
    )
    save(Vits(config), config, folder)


def make_xtts(folder):
    folder.mkdir(parents=True)
    marks = ["[STOP]", "[UNK]", "[SPACE]", "[START]", "[en]", "[de]"]
    vocabulary = {each: number for number, each in enumerate([*marks, *"abcdefghijklmnopqrstuvwxyz.,?!'"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="[UNK]"))
    tokenizer.add_special_tokens(marks)
    tokenizer.save(str(folder / "vocab.json"))
    arguments = XttsArgs(
        gpt_layers=1, gpt_n_model_channels=32, gpt_n_heads=2, gpt_num_audio_tokens=66,
        gpt_start_audio_token=64, gpt_stop_audio_token=65, gpt_max_audio_tokens=30,
        gpt_use_perceiver_resampler=True, decoder_input_dim=32,
    )
    config = XttsConfig(model_args=arguments, languages=["en", "de"])
    model = Xtts(config)
    model.tokenizer = VoiceBpeTokenizer(vocab_file=str(folder / "vocab.json"))
    model.init_models()
    save(model, config, folder)


torch.manual_seed(1)
root = Path(sys.argv[1])
make_vits(root / "single", [])
make_vits(root / "made", ["anna", "bert"])
make_xtts(root / "imitator")
"""

RECORDING = Path(__file__).parents[1] / "speech" / "sense-0930.wav"

Engines = Callable[..., HostedEngine]


@pytest.fixture(scope="module")
def python() -> Path:
    found = coqui_python(None, Path(sys.prefix))
    assert found, coqui_reason(None)
    return found


@pytest.fixture(scope="module")
def data(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a model of one voice, one of two that was moved since it was made, one that
    imitates voices in two languages, and a recording of a voice."""
    folder = tmp_path_factory.mktemp("data")
    models = folder / "models"
    subprocess.run([python, "-c", MAKE_MODELS, models], check=True, capture_output=True)
    (models / "made").rename(models / "two")
    (folder / "voices").mkdir()
    (folder / "voices" / "reader.wav").write_bytes(RECORDING.read_bytes())
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


# Voices that are imitated


def test_a_recorded_voice_is_imitated_in_the_languages_of_the_model(opened: Engines) -> None:
    engine = opened("imitator", accepted_licences=frozenset({"cpml"}))

    english, german = engine.say([Utterance(TEXT, "reader", language) for language in ("en-us", "de")])

    assert [(voice.id, sorted(voice.languages)) for voice in engine.voices()] == [("reader", ["de", "en"])]
    assert english.sample_rate == 24_000
    assert english.samples.any()
    assert german.samples.any()


def test_a_language_that_the_model_lacks_is_refused_with_those_it_has(opened: Engines) -> None:
    engine = opened("imitator", accepted_licences=frozenset({"cpml"}))

    with pytest.raises(NoSuchLanguage, match=r"'fr'; it speaks (en, de|de, en)"):
        engine.say([Utterance(TEXT, "reader", "fr")])


def test_a_voice_without_a_recording_is_refused(opened: Engines) -> None:
    engine = opened("imitator", accepted_licences=frozenset({"cpml"}))

    with pytest.raises(NoSuchSpeaker, match="'carl'; it has reader"):
        say(engine, TEXT, "carl")


# What is asked before a model is loaded


def test_xtts_wants_its_licence_accepted_wherever_it_comes_from(opened: Engines, data: Path) -> None:
    (data / "models" / "copy").symlink_to(data / "models" / "imitator")

    with pytest.raises(LicenceNotAccepted, match="'cpml'"):
        opened("copy")


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
