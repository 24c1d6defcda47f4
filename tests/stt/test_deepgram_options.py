"""Options as clients of Deepgram and of AI/ML API send them, and what they mean here."""

from typing import Any

import pytest
from pydantic import ValidationError

from stentor_common.errors import BadInput
from stentor_stt.contracts.aiml.options import AimlOptions, AimlRequest, Family, family_of, served_model
from stentor_stt.contracts.deepgram.options import ListenOptions
from stentor_stt.options import HOTWORD_BOOST, Diarization, Hotword, Options, Spelling
from stentor_stt.settings import SttSettings


def listened(**sent: Any) -> ListenOptions:
    return ListenOptions.model_validate(sent)


def asked(**sent: Any) -> Options:
    return AimlOptions.model_validate({"model": "whisper-base", **sent}).options()


def test_nothing_asked_for_is_the_usual_transcript() -> None:
    assert listened().options() == Options()
    assert listened().notes() == {
        "layout": {
            "punctuate": False,
            "paragraphs": False,
            "utterances": False,
            "utt_split_seconds": 0.8,
            "detect_language": False,
            "search": [],
        },
        "warnings": [],
        "tags": [],
        "extra": {},
    }


@pytest.mark.parametrize("nothing", [None, "", "null", "None", "undefined"])
def test_nothing_has_many_spellings(nothing: object) -> None:
    sent = dict.fromkeys(
        ("diarize", "utt_split", "keywords", "tag", "search", "numerals", "punctuate"), nothing
    )
    assert listened(**sent).options() == Options()
    assert listened(**sent).notes() == listened().notes()


@pytest.mark.parametrize(
    ("named", "code"), [("en", "en"), ("pt-BR", "pt"), ("en_us", "en"), ("multi", None), ("", None)]
)
def test_a_language_is_named_by_a_tag(named: str, code: str | None) -> None:
    assert listened(language=named).options().language == code


@pytest.mark.parametrize("detect", [True, "true", ["en", "fr"], "fr"])
def test_detection_wins_over_a_hint(detect: object) -> None:
    found = listened(language="de", detect_language=detect)
    assert (found.options().language, found.notes()["layout"]["detect_language"]) == (None, True)


def test_an_unknown_language_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match="klingon"):
        listened(language="klingon").options()


def test_keywords_may_be_one_text_or_many_each_with_a_factor() -> None:
    found = listened(keywords="Elinor:2, Dashwood", keyterm=["Mrs. Jennings", "12:30", "Norland:-1", "x:1e9"])
    assert found.options().hotwords == (
        Hotword("Elinor", 2 * HOTWORD_BOOST),
        Hotword("Dashwood"),
        Hotword("Mrs. Jennings"),
        Hotword("12", 30 * HOTWORD_BOOST),
        Hotword("Norland", -HOTWORD_BOOST),
        Hotword("x", 1000),
    )


def test_replacements_are_spellings() -> None:
    found = listened(replace=["norland:Norland Park", "uhm"]).options()
    assert found.spelling == (Spelling("norland", "Norland Park"), Spelling("uhm", ""))
    with pytest.raises(BadInput, match="heard:written"):
        listened(replace=":x").options()


@pytest.mark.parametrize("name", ["multichannel", "multi_channel"])
def test_channels_are_parted(name: str) -> None:
    assert listened(**{name: "True"}).options().split_channels


def test_smart_format_is_punctuation_and_paragraphs() -> None:
    layout = listened(smart_format=True).notes()["layout"]
    assert (layout["punctuate"], layout["paragraphs"]) == (True, True)


def test_what_cannot_be_done_is_named_and_what_is_the_case_anyway_is_not() -> None:
    found = listened(sentiment=True, topics=False, redact=["pci"], numerals="true", mip_opt_out=True, new=1)
    assert [name for name, _ in found.notes()["warnings"]] == ["sentiment", "redact", "numerals", "new"]


@pytest.mark.parametrize(
    "sent", [{"diarize": "maybe"}, {"utt_split": -1}, {"keywords": "x" * 101}, {"search": ["a"] * 101}]
)
def test_values_out_of_range_are_refused(sent: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        listened(**sent)


def test_options_of_assembly_models_mean_the_same_as_their_like() -> None:
    found = asked(
        language_code="en_us",
        speaker_labels=True,
        speakers_expected=2,
        word_boost=["Elinor"],
        keyterms_prompt=["Dashwood"],
        custom_spelling=[{"from": ["norland", "norlan"], "to": "Norland"}, {"from": "x", "to": "y"}],
        audio_start_from=1000,
        audio_end_at=5000,
    )
    assert found == Options(
        language="en",
        hotwords=(Hotword("Dashwood"), Hotword("Elinor")),
        spelling=(Spelling("norland", "Norland"), Spelling("norlan", "Norland"), Spelling("x", "y")),
        clip_start_ms=1000,
        clip_end_ms=5000,
        diarization=Diarization(speakers=2),
    )
    assert asked(language="de", language_detection="true").language is None
    assert asked(custom_spelling='[{"from": "x", "to": "y"}]').spelling == (Spelling("x", "y"),)


def test_options_of_openai_models_reach_the_engine() -> None:
    found = asked(prompt="A novel.", temperature="0.4")
    assert (found.prompt, found.temperature) == ("A novel.", 0.4)
    assert asked(temperature=0).temperature is None


@pytest.mark.parametrize(
    "sent",
    [{"audio_start_from": 5, "audio_end_at": 5}, {"temperature": 2}, {"speakers_expected": 0}, {"model": ""}],
)
def test_values_that_make_no_sense_are_refused(sent: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        asked(**sent)


def test_a_recording_elsewhere_needs_its_url() -> None:
    with pytest.raises(ValidationError):
        AimlRequest.model_validate({"model": "whisper-base"})
    assert AimlRequest.model_validate({"model": "x", "audio_url": "http://a/b"}).url == "http://a/b"


@pytest.mark.parametrize(
    ("name", "family"),
    [("#g1_whisper-base", Family.deepgram), ("aai/slam-1", Family.assembly), ("openai/x", Family.openai)],
)
def test_a_model_belongs_to_a_family(name: str, family: Family) -> None:
    assert family_of(name) is family


SETTINGS = SttSettings(models=["whisper-base", "small", "large-v3"])


@pytest.mark.parametrize(
    ("name", "served"),
    [
        ("#g1_whisper-base", "whisper-base"),
        ("whisper-base", "whisper-base"),
        ("#g1_whisper-small", "Systran/faster-whisper-small"),
        ("#g1_whisper-large", "Systran/faster-whisper-large-v3"),
        ("Systran/faster-whisper-small", "Systran/faster-whisper-small"),
    ],
)
def test_a_size_that_is_served_does_the_work(name: str, served: str) -> None:
    assert served_model(name, SETTINGS) == (served, True)


@pytest.mark.parametrize(
    "name",
    ["#g1_whisper-medium", "#g1_nova-2-general", "nova-3", "aai/universal", "openai/gpt-4o-transcribe"],
)
def test_for_others_the_default_does_it(name: str) -> None:
    assert served_model(name, SETTINGS) == ("whisper-base", False)


def test_a_name_nobody_knows_is_refused_with_those_that_are_served() -> None:
    with pytest.raises(BadInput, match=r"'gpt-2' is not known.*whisper-base"):
        served_model("gpt-2", SETTINGS)
