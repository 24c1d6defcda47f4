"""What the names that makers give their models and voices tell about them.

Kokoro calls voices `af_heart`: American, female. Piper calls models `en_US-joe-medium`: locale, voice,
quality. Coqui calls models `tts_models/en/vctk/vits`: kind, language, data, architecture.
"""

import re
from enum import StrEnum


class Gender(StrEnum):
    female = "female"
    male = "male"
    neutral = "neutral"
    """Or unknown."""


KOKORO_NAME = re.compile(r"(?P<language>[abefhijpz])(?P<gender>[fm])_\w+")
KOKORO_LANGUAGES = {
    "a": "en-us",
    "b": "en-gb",
    "e": "es",
    "f": "fr-fr",
    "h": "hi",
    "i": "it",
    "j": "ja",
    "p": "pt-br",
    "z": "zh",
}
PIPER_NAME = re.compile(r"(?P<language>[a-z]{2,3})_(?P<region>[A-Z]{2})-[^-]+-(?P<quality>\w+)")
COQUI_NAME = re.compile(r"tts_models/(?P<language>[a-z]{2,3}(-[a-z]{2})?)/[^/]+/[\w.-]+", re.IGNORECASE)
XTTS_LANGUAGES = (
    *(
        "en",
        "es",
        "fr",
        "de",
        "it",
        "pt",
        "pl",
        "tr",
        "ru",
        "nl",
        "cs",
        "ar",
        "zh-cn",
        "hu",
        "ko",
        "ja",
        "hi",
    ),
)

SAMPLES = {
    "de": "Guten Tag, ich bin {name}. So klingt meine Stimme.",
    "en": "Hello, I am {name}. This is what my voice sounds like.",
    "es": "Hola, soy {name}. Así suena mi voz.",
    "fr": "Bonjour, je suis {name}. Voici le son de ma voix.",
    "it": "Ciao, sono {name}. Ecco come suona la mia voce.",
    "nl": "Hallo, ik ben {name}. Zo klinkt mijn stem.",
    "pl": "Dzień dobry, jestem {name}. Tak brzmi mój głos.",
    "pt": "Olá, eu sou {name}. É assim que soa a minha voz.",
    "ru": "Здравствуйте, я {name}. Вот как звучит мой голос.",
    "tr": "Merhaba, ben {name}. Sesim böyle.",
    "uk": "Добрий день, я {name}. Ось як звучить мій голос.",
    "ja": "こんにちは。これが私の声です。",
    "zh": "你好，这是我的声音。",
}
"""A greeting by language. One that is not here has the voice say its name."""


def languages_of(engine: str, model: str, speaker: str) -> tuple[str, ...]:
    """The languages of a voice, as `en-us`; none where the names do not tell."""
    if engine == "kokoro" and (name := KOKORO_NAME.fullmatch(speaker)):
        return (KOKORO_LANGUAGES[name["language"]],)
    if engine == "piper" and (name := PIPER_NAME.fullmatch(_last(model))):
        return (f"{name['language']}-{name['region'].lower()}",)
    if engine == "coqui" and "xtts" in model.lower():
        return XTTS_LANGUAGES
    if engine == "coqui" and (name := COQUI_NAME.fullmatch(model)):
        return (name["language"].lower(),)
    return ("en",) if engine in ("hibari", "scripted") else ()


def gender_of(engine: str, speaker: str) -> Gender:
    if engine == "kokoro" and (name := KOKORO_NAME.fullmatch(speaker)):
        return Gender.female if name["gender"] == "f" else Gender.male
    return Gender.neutral


def sample_rate_of(engine: str, model: str) -> int:
    """What such models usually make, in Hz."""
    if engine == "piper" and (name := PIPER_NAME.fullmatch(_last(model))):
        return 16_000 if name["quality"] in ("x_low", "low") else 22_050
    if engine == "scripted":
        return 8_000
    return 24_000 if engine in ("hibari", "kokoro") or "xtts" in model.lower() else 22_050


def sample_of(language: str, name: str) -> str:
    """A sentence in which a voice of the language says its name."""
    sample = SAMPLES.get(language.partition("-")[0], "{name}.")
    return sample.format(name=name.replace("_", " ").capitalize())


def _last(model: str) -> str:
    return model.rstrip("/").rpartition("/")[2]
