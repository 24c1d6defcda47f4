"""Which voices there are: what callers may name, and which model says it.

A voice is served when the settings list it. Callers name it by its id, by one of its aliases, or by one of
the names that programs written for OpenAI use, which are answered by a voice here of the same gender.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

from pydantic import BaseModel, ConfigDict, Field

from stentor_common.adapters import missing
from stentor_common.errors import BadInput
from stentor_tts.engines import ENGINES
from stentor_tts.voice_names import Gender, gender_of, languages_of, sample_of, sample_rate_of


@dataclass(frozen=True, slots=True)
class Voice:
    id: str
    """What callers name, and results tell."""

    engine: str
    """A name in ENGINES."""

    model: str
    """What the engine loads, see `stentor_tts.models`."""

    engine_voice: str
    """What the engine calls it; empty for the only, or the first, voice of the model."""

    languages: tuple[str, ...]
    """Those it speaks, the one it was made for first: `en-us`, `de`."""

    gender: Gender
    sample_rate: int
    """Of its sound as the model makes it, in Hz, as far as that is known before it has spoken."""

    sample_text: str
    """A sentence that lets it be heard."""

    licence: str
    """Under which its weights may be used; empty where nobody has said."""

    aliases: tuple[str, ...] = ()

    @property
    def language(self) -> str:
        return self.languages[0]

    def speaks(self, language: str, *, region: bool = False) -> bool:
        """Whether it speaks the language; with `region` that of the same region too."""
        wanted = plain_language(language)
        if region:
            return wanted in self.languages
        return primary(wanted) in {primary(each) for each in self.languages}


class VoiceSetting(BaseModel):
    """A voice as the settings describe it; what is left out is taken from the names, where they tell it."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    engine: str
    model: str
    voice: str = ""
    """What the engine calls it: a speaker of the model. Empty: the only one, or the first."""
    id: str = Field(default="", max_length=64)
    """What callers name; the default is the voice, or the model."""
    languages: list[str] = []
    gender: Gender | None = None
    sample_rate: int = Field(default=0, ge=0)
    sample_text: str = ""
    licence: str = ""
    aliases: list[str] = []


class HasVoices(Protocol):
    """The part of the settings that is read here."""

    @property
    def voices(self) -> Sequence[str | VoiceSetting]: ...


def _hibari(name: str, language: str, gender: Gender) -> Voice:
    sample = sample_of(language, name)
    return Voice(name, "hibari", name, name, (language,), gender, 24_000, sample, "Apache-2.0")


KNOWN = {
    voice.id: voice
    for voice in (
        _hibari("heart", "en-us", Gender.female),
        Voice(
            id="joe",
            engine="piper",
            model="en_US-joe-medium",
            engine_voice="",
            languages=("en-us",),
            gender=Gender.male,
            sample_rate=22_050,
            sample_text=sample_of("en-us", "Joe"),
            licence="CC0-1.0",
        ),
        _hibari("kore", "en-us", Gender.female),
        _hibari("fenrir", "en-us", Gender.male),
        _hibari("emma", "en-gb", Gender.female),
        _hibari("fable", "en-gb", Gender.male),
    )
}
"""Voices that the settings may list by their id alone."""

OPENAI = {
    "alloy": Gender.female,
    "ash": Gender.male,
    "ballad": Gender.male,
    "cedar": Gender.male,
    "coral": Gender.female,
    "echo": Gender.male,
    "fable": Gender.male,
    "marin": Gender.female,
    "nova": Gender.female,
    "onyx": Gender.male,
    "sage": Gender.female,
    "shimmer": Gender.female,
    "verse": Gender.male,
}
"""Names of voices in OpenAI's API, and as what they sound."""


class UnknownVoice(BadInput):
    code = "unknown_voice"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"there is no voice {name[:64]!r}; there are {', '.join(known)}", param="voice")


class LanguageNotSpoken(BadInput):
    """No voice, or not the one that is wanted, speaks the language."""

    code = "language_not_spoken"

    def __init__(self, language: str, voices: Sequence[Voice], *, wanted: Voice | None = None) -> None:
        who = f"voice {wanted.id!r} does not speak" if wanted else "no voice here speaks"
        fitting = [voice.id for voice in voices if voice.speaks(language)]
        spoken = sorted({each for voice in voices for each in voice.languages})
        rest = f"{', '.join(fitting)} would" if fitting else f"voices here speak {', '.join(spoken)}"
        super().__init__(f"{who} {language[:35]!r}; {rest}", param="language")


class WrongVoice(ValueError):
    """A voice in the settings that cannot be understood; the message says which, and what to write."""


class VoiceCatalog:
    """The voices that are served, in the order of the settings; the first is the default."""

    def __init__(self, voices: Iterable[Voice]) -> None:
        """Raises WrongVoice when two have the same name, or there is none."""
        self.voices = tuple(voices)
        self._named: dict[str, Voice] = {}
        for voice in self.voices:
            for name in (voice.id, *voice.aliases):
                if self._named.setdefault(name.casefold(), voice) is not voice:
                    raise WrongVoice(f"two voices are called {name!r}: give one of them another id or alias")
        if not self.voices:
            raise WrongVoice("list at least one voice")

    @classmethod
    def of(cls, settings: HasVoices) -> Self:
        """Raises WrongVoice."""
        return cls(voice_of(each) for each in settings.voices)

    def __iter__(self) -> Iterator[Voice]:
        return iter(self.voices)

    def choose(self, name: str | None = None, language: str | None = None) -> Voice:
        """The voice that is meant, or without a name the first that speaks the language, of its region if
        there is one. Raises UnknownVoice, LanguageNotSpoken."""
        if name:
            return self._named_one(name, language)
        return self._first(self.voices, language)

    def _named_one(self, name: str, language: str | None) -> Voice:
        asked = name.strip().casefold()
        if asked in self._named:
            voice = self._named[asked]
            if language and not voice.speaks(language):
                raise LanguageNotSpoken(language, self.voices, wanted=voice)
            return voice
        if asked not in OPENAI:
            raise UnknownVoice(name, (voice.id for voice in self.voices))
        # Any voice is better than none for a program that knows OpenAI's only.
        same = [voice for voice in self.voices if voice.gender == OPENAI[asked]]
        if language and not any(voice.speaks(language) for voice in same):
            same = list(self.voices)
        return self._first(same or self.voices, language)

    def _first(self, voices: Sequence[Voice], language: str | None) -> Voice:
        if not language:
            return voices[0]
        spoken = [voice for voice in voices if voice.speaks(language)]
        if not spoken:
            raise LanguageNotSpoken(language, self.voices)
        return next((voice for voice in spoken if voice.speaks(language, region=True)), spoken[0])


def voice_of(setting: str | VoiceSetting) -> Voice:
    """A voice from the settings: the id of a known one, `ENGINE:MODEL` or `ENGINE:MODEL#VOICE`, or a
    description. Raises WrongVoice."""
    if isinstance(setting, str):
        if setting in KNOWN:
            return KNOWN[setting]
        engine, colon, rest = setting.partition(":")
        model, _, speaker = rest.partition("#")
        if not colon or not model:
            raise WrongVoice(
                f"{setting!r} is no voice: write one of {', '.join(KNOWN)}, or ENGINE:MODEL, or "
                "ENGINE:MODEL#VOICE, or an object with these fields"
            )
        setting = VoiceSetting(engine=engine, model=model, voice=speaker)
    return _described(setting)


def plain_language(language: str) -> str:
    """`en_US`, `EN-us` and `en-us` are the same."""
    return language.strip().replace("_", "-").lower()


def primary(language: str) -> str:
    """The language without region or script: `en` of `en-us`."""
    return language.partition("-")[0]


def _described(setting: VoiceSetting) -> Voice:
    engine, model, speaker = setting.engine, setting.model, setting.voice
    if engine not in ENGINES:
        raise WrongVoice(f"a voice's engine is wrong: {missing(ENGINES, engine)}")
    name = setting.id or speaker or model.rstrip("/").rpartition("/")[2]
    languages = tuple(map(plain_language, setting.languages)) or languages_of(engine, model, speaker)
    if not languages:
        raise WrongVoice(f"say which languages voice {name!r} speaks: its names do not tell")
    voice = Voice(
        id=name,
        engine=engine,
        model=model,
        engine_voice=speaker,
        languages=languages,
        gender=setting.gender or gender_of(engine, speaker),
        sample_rate=setting.sample_rate or sample_rate_of(engine, model),
        sample_text=setting.sample_text or sample_of(languages[0], name),
        licence=setting.licence,
        aliases=tuple(setting.aliases),
    )
    known = next((each for each in KNOWN.values() if (each.engine, each.model) == (engine, model)), None)
    return replace(voice, licence=voice.licence or known.licence) if known else voice
