"""Which voice speaks, by whatever a request names."""

import pytest

from stentor_common.catalog import UnknownModel
from stentor_common.vendors import ProviderNotConfigured, UnknownProvider
from stentor_tts.providers import (
    PROVIDERS,
    VoiceOfOtherModel,
    choose_model,
    choose_voice,
)
from stentor_tts.voices import LanguageNotSpoken, UnknownVoice, VoiceCatalog, voice_of

CATALOG = VoiceCatalog(map(voice_of, ("heart", "joe", "emma", "piper:de_DE-anna-medium")))


@pytest.mark.parametrize(
    ("named", "voice"),
    [
        ({}, "heart"),
        ({"voice": "joe"}, "joe"),
        ({"model": "piper:en_US-joe-medium"}, "joe"),
        ({"model": "en_US-joe-medium"}, "joe"),
        ({"model": "EMMA"}, "emma"),
        ({"language": "de"}, "de_DE-anna-medium"),
        ({"language": "en-gb"}, "emma"),
        ({"voice": "onyx"}, "joe"),
        ({"voice": "nova", "model": "tts-1"}, "heart"),
        ({"voice": "joe", "model": "TTS-1-HD"}, "joe"),
        ({"voice": "joe", "model": "piper:en_US-joe-medium"}, "joe"),
        # A name that stands for any voice is answered by the model that is named.
        ({"voice": "nova", "model": "piper:en_US-joe-medium"}, "joe"),
    ],
)
def test_the_voice_that_is_meant_speaks(named: dict[str, str], voice: str) -> None:
    chosen = choose_voice(CATALOG, named.get("voice"), named.get("model"), named.get("language"))
    assert chosen.id == voice


@pytest.mark.parametrize(
    ("named", "error", "said"),
    [
        ({"voice": "homer"}, UnknownVoice, "heart, joe"),
        ({"model": "tts-9"}, UnknownModel, "hibari:heart, piper:en_US-joe-medium"),
        ({"voice": "heart", "model": "piper:en_US-joe-medium"}, VoiceOfOtherModel, "has joe"),
        ({"language": "ja"}, LanguageNotSpoken, "en-us"),
        ({"voice": "joe", "language": "de"}, LanguageNotSpoken, "de_DE-anna-medium would"),
    ],
)
def test_what_nobody_here_can_do_is_told_with_what_they_can(
    named: dict[str, str], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        choose_voice(CATALOG, named.get("voice"), named.get("model"), named.get("language"))


def test_a_model_has_one_name_for_operators() -> None:
    assert choose_model("joe", CATALOG) == choose_model("en_us-JOE-medium", CATALOG)


@pytest.mark.parametrize("name", [None, "", "stentor", " Stentor "])
def test_the_provider_is_this_installation(name: str | None) -> None:
    assert PROVIDERS.choose(name, {}) == "stentor"


def test_a_vendor_needs_credentials_unless_somebody_answers_for_it() -> None:
    with pytest.raises(ProviderNotConfigured, match=r"'google' needs credentials .* use 'stentor'"):
        PROVIDERS.choose("google", {"aws": "stentor"})
    assert PROVIDERS.choose("AWS", {"aws": "stentor"}) == "stentor"
    with pytest.raises(UnknownProvider, match="known are stentor, aws, google"):
        PROVIDERS.choose("ibm", {})


def test_vendors_are_listed_with_what_they_lack() -> None:
    google, aws = sorted(PROVIDERS.offers({"aws": "stentor"}), key=lambda offer: offer.available)
    assert (google.provider, google.available, google.reason[:17]) == ("google", False, "needs credentials")
    assert (aws.provider, aws.available, aws.reason) == ("aws", True, "answered by stentor")
