"""The catalogue of voices: what the settings may list, and which voice a caller means."""

from pathlib import Path

import pytest

from stentor_tts.engines import ENGINES
from stentor_tts.settings import TtsSettings
from stentor_tts.voice_names import Gender
from stentor_tts.voices import (
    KNOWN,
    OPENAI,
    LanguageNotSpoken,
    UnknownVoice,
    VoiceCatalog,
    VoiceSetting,
    WrongVoice,
    voice_of,
)

ANNA = VoiceSetting(
    engine="scripted", model="a", id="anna", languages=["de-de"], gender=Gender.female, aliases=["Anne"]
)
BERT = VoiceSetting(engine="scripted", model="b", id="bert", languages=["en_GB", "cy"], gender=Gender.male)
CARL = VoiceSetting(engine="scripted", model="c", id="carl", languages=["en-US"], gender=Gender.male)


def catalog(*voices: str | VoiceSetting) -> VoiceCatalog:
    return VoiceCatalog(voice_of(each) for each in voices)


def test_out_of_the_box_there_are_a_womans_and_a_mans_voice() -> None:
    voices = VoiceCatalog.of(TtsSettings())

    assert [(voice.id, voice.gender) for voice in voices] == [("heart", "female"), ("joe", "male")]
    assert all(voice.licence and voice.sample_text for voice in voices)


def test_whoever_names_no_voice_gets_the_first() -> None:
    assert catalog(ANNA, BERT).choose().id == "anna"


@pytest.mark.parametrize("name", ["anna", "ANNA", " anna ", "anne"])
def test_a_voice_answers_to_its_id_and_its_aliases_however_they_are_written(name: str) -> None:
    assert catalog(BERT, ANNA).choose(name).id == "anna"


def test_an_unknown_voice_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownVoice, match="'zoe'; there are anna, bert") as caught:
        catalog(ANNA, BERT).choose("zoe")

    assert caught.value.param == "voice"


# Languages


@pytest.mark.parametrize(
    ("language", "expected"),
    [("en", "bert"), ("en-US", "carl"), ("en_gb", "bert"), ("en-au", "bert"), ("de", "anna"), ("CY", "bert")],
)
def test_without_a_name_the_language_decides_and_its_region_where_there_is_a_choice(
    language: str, expected: str
) -> None:
    assert catalog(ANNA, BERT, CARL).choose(language=language).id == expected


def test_a_language_nobody_speaks_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        LanguageNotSpoken, match="no voice here speaks 'fi'; voices here speak cy, de-de, en-gb"
    ):
        catalog(ANNA, BERT).choose(language="fi")


def test_a_voice_that_does_not_speak_the_language_is_refused_with_those_that_do() -> None:
    with pytest.raises(LanguageNotSpoken, match="'anna' does not speak 'en-us'; bert, carl would"):
        catalog(ANNA, BERT, CARL).choose("anna", "en-us")


# OpenAI's names


@pytest.mark.parametrize("name", OPENAI)
def test_every_name_of_openai_is_answered_by_a_voice_that_sounds_alike(name: str) -> None:
    assert catalog("heart", "joe").choose(name).gender == OPENAI[name]


def test_a_name_of_openai_is_answered_by_any_voice_where_none_sounds_alike() -> None:
    assert catalog(ANNA).choose("onyx").id == "anna"


def test_the_language_matters_more_than_the_sound_of_openais_voice() -> None:
    assert catalog(ANNA, BERT).choose("onyx", "de").id == "anna"


def test_a_voice_here_that_has_a_name_of_openai_comes_first() -> None:
    assert catalog("heart", "joe", "fable").choose("fable").engine_voice == "fable"


# What the settings may list


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_voice_is_listed_by_its_id_alone(name: str) -> None:
    voice = voice_of(name)

    assert voice.id == name
    assert voice.engine in ENGINES
    assert voice.languages


@pytest.mark.parametrize(
    ("written", "name", "language", "gender", "sample_rate"),
    [
        ("piper:en_GB-alba-medium", "en_GB-alba-medium", "en-gb", "neutral", 22_050),
        ("piper:/voices/de_DE-eva_k-x_low", "de_DE-eva_k-x_low", "de-de", "neutral", 16_000),
        ("kokoro:kokoro-v1.0#bm_george", "bm_george", "en-gb", "male", 24_000),
        ("coqui:tts_models/en/vctk/vits#p225", "p225", "en", "neutral", 22_050),
        ("coqui:xtts_v2#Ana Florence", "Ana Florence", "en", "neutral", 24_000),
    ],
)
def test_the_names_that_makers_give_their_models_tell_about_a_voice(
    written: str, name: str, language: str, gender: str, sample_rate: int
) -> None:
    voice = voice_of(written)

    assert (voice.id, voice.language, voice.gender) == (name, language, gender)
    assert voice.sample_rate == sample_rate
    assert f"{voice.engine}:{voice.model}" == written.partition("#")[0]


def test_what_is_said_about_a_voice_counts_more_than_its_names() -> None:
    setting = VoiceSetting(
        engine="kokoro",
        model="kokoro",
        voice="jf_alpha",
        id="alpha",
        languages=["en-US"],
        sample_rate=16_000,
        sample_text="Hi.",
        licence="Apache-2.0",
    )

    voice = voice_of(setting)

    assert (voice.id, voice.language, voice.gender) == ("alpha", "en-us", "female")
    assert (voice.sample_rate, voice.sample_text, voice.licence) == (16_000, "Hi.", "Apache-2.0")


def test_a_sample_is_in_the_language_of_the_voice() -> None:
    assert voice_of(ANNA).sample_text == "Guten Tag, ich bin Anna. So klingt meine Stimme."
    assert "Bert" in voice_of(BERT).sample_text


def test_a_voice_in_a_language_without_a_sample_says_its_name() -> None:
    assert (
        voice_of(VoiceSetting(engine="scripted", model="m", id="eino", languages=["fi"])).sample_text
        == "Eino."
    )


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("nobody", "write one of heart, joe"),
        ("festival:some-model", "'festival' is not one of coqui, hibari"),
        ("piper:", "ENGINE:MODEL"),
        ("piper:my-model", "say which languages"),
    ],
)
def test_a_voice_that_cannot_be_understood_is_told_with_what_to_write(written: str, advice: str) -> None:
    with pytest.raises(WrongVoice, match=advice):
        voice_of(written)


def test_two_voices_cannot_have_one_name() -> None:
    with pytest.raises(WrongVoice, match="'Anna'"):
        catalog(ANNA, VoiceSetting(engine="scripted", model="x", id="Anna", languages=["en"]))


def test_voices_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "STENTOR_TTS_VOICES",
        '["heart", {"engine": "piper", "model": "/m", "id": "eva", "languages": ["de"]}]',
    )

    voices = VoiceCatalog.of(TtsSettings())

    assert [(voice.id, voice.language) for voice in voices] == [("heart", "en-us"), ("eva", "de")]
    assert Path(voices.choose("eva").model) == Path("/m")
