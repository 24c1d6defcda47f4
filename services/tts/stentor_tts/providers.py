"""Who may be asked to speak: voices and models here, vendors outside, under the names clients use."""

from stentor_common.catalog import UnknownModel
from stentor_common.errors import BadInput
from stentor_common.queue.naming import queue_of_model
from stentor_common.vendors import Providers
from stentor_tts.voices import Voice, VoiceCatalog

CAPABILITY = "text-to-speech"
LOCAL = "stentor"
"""The provider that is this installation's own voices."""

VENDORS = ("aws", "google")
"""Outside providers that clients of the published contracts name."""

STAND_INS = frozenset({"tts-1", "tts-1-1106", "tts-1-hd", "tts-1-hd-1106", "gpt-4o-mini-tts"})
"""OpenAI's models. Who asks for one gets the voice that is named, whatever model has it, so that programs
move here by a change of their URL."""


PROVIDERS = Providers(CAPABILITY, LOCAL, VENDORS)


class VoiceOfOtherModel(BadInput):
    code = "voice_of_other_model"

    def __init__(self, voice: Voice, model: str, fitting: list[str]) -> None:
        super().__init__(
            f"voice {voice.id!r} belongs to {model_of(voice)}; {model} has {', '.join(fitting)}",
            param="voice",
        )


def model_of(voice: Voice) -> str:
    """What callers and operators call the model of a voice: `hibari:heart`."""
    return f"{voice.engine}:{voice.model}"


def models_in(catalog: VoiceCatalog) -> list[str]:
    """Every model once, in the order of its first voice."""
    return list(dict.fromkeys(map(model_of, catalog)))


def queue_of(model: str) -> str:
    """The queue that workers holding this model consume."""
    return queue_of_model("tts", model)


def choose_model(name: str, catalog: VoiceCatalog) -> str:
    """The model of that name, with or without its engine, or that of the voice of that name. Raises
    UnknownModel."""
    for voice in catalog:
        if name.casefold() in (model_of(voice).casefold(), voice.model.casefold(), voice.id.casefold()):
            return model_of(voice)
    raise UnknownModel(name, models_in(catalog))


def choose_voice(
    catalog: VoiceCatalog, voice: str | None, model: str | None = None, language: str | None = None
) -> Voice:
    """The voice that is meant: by its name, by its model, by the language it speaks, or the default.

    Raises UnknownVoice, UnknownModel, LanguageNotSpoken, VoiceOfOtherModel.
    """
    if not model or model.lower() in STAND_INS:
        return catalog.choose(voice, language)
    named = choose_model(model, catalog)
    own = VoiceCatalog(each for each in catalog if model_of(each) == named)
    if not voice:
        return own.choose(None, language)
    found = catalog.choose(voice, language)
    if model_of(found) == named:
        return found
    if is_exact(catalog, voice):
        raise VoiceOfOtherModel(found, named, [each.id for each in own])
    # A name of OpenAI's, which any voice may answer.
    return own.choose(voice, language)


def is_exact(catalog: VoiceCatalog, name: str) -> bool:
    """Whether it is the name of one voice here, and not one that stands for any."""
    asked = name.strip().casefold()
    return any(asked in (each.casefold() for each in (voice.id, *voice.aliases)) for voice in catalog)
