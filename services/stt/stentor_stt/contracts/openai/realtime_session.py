"""The configuration of a session of the OpenAI realtime contract: how it is sent, kept and shown.

Two shapes are read and shown: the one with `audio.input`, and the flat one of `transcription_session.update`
that was there before it. Of an update only the fields that are present change anything; what there is no use
for here is no error, because clients send it by habit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field

from stentor_common.errors import BadInput
from stentor_common.forms import checked
from stentor_stt.contracts.openai.form import LanguageCode
from stentor_stt.contracts.openai.request import STAND_INS
from stentor_stt.fields import MOST_TERMS, Term
from stentor_stt.live.wanted import (
    HIGHEST_RATE,
    LONGEST_PADDING_MS,
    LONGEST_SILENCE_MS,
    LOWEST_RATE,
    Encoding,
    Format,
    Turns,
    Wanted,
)
from stentor_stt.options import Hotword, Options
from stentor_stt.providers import choose_model
from stentor_stt.settings import SttSettings

LIVE_STAND_INS = STAND_INS | {"gpt-realtime-whisper", "gpt-live-transcribe"}
"""OpenAI's models for this; who asks for one gets the installation's default."""

RATE, TELEPHONE_RATE = 24_000, 8_000
SILENCE_MS = {"low": 1_000, "medium": 500, "high": 300, "auto": 500}
"""How long a pause ends a turn for each eagerness of `semantic_vad`, which looks at pauses only here."""

FORMATS = {
    "audio/pcm": Encoding.pcm16,
    "audio/pcmu": Encoding.mulaw,
    "audio/pcma": Encoding.alaw,
    "pcm16": Encoding.pcm16,
    "g711_ulaw": Encoding.mulaw,
    "g711_alaw": Encoding.alaw,
}
NEW_NAMES = {Encoding.pcm16: "audio/pcm", Encoding.mulaw: "audio/pcmu", Encoding.alaw: "audio/pcma"}
OLD_NAMES = {Encoding.pcm16: "pcm16", Encoding.mulaw: "g711_ulaw", Encoding.alaw: "g711_alaw"}

FLAT = {
    "format": "input_audio_format",
    "transcription": "input_audio_transcription",
    "turn_detection": "turn_detection",
    "noise_reduction": "input_audio_noise_reduction",
}
"""Fields by their names in the flat shape."""


class AudioFormat(BaseModel):
    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"] = "audio/pcm"
    rate: int = Field(default=RATE, ge=LOWEST_RATE, le=HIGHEST_RATE)


class Transcription(BaseModel):
    model: str | None = Field(default=None, max_length=200)
    language: Annotated[LanguageCode | None, BeforeValidator(lambda sent: sent or None)] = None
    prompt: str | None = Field(default=None, max_length=10_000)
    keywords: list[Term] | None = Field(default=None, max_length=MOST_TERMS)


class TurnDetection(BaseModel):
    type: Literal["server_vad", "semantic_vad"] = "server_vad"
    threshold: float = Field(default=0.5, ge=0, le=1)
    prefix_padding_ms: int = Field(default=300, ge=0, le=LONGEST_PADDING_MS)
    silence_duration_ms: int = Field(default=500, ge=200, le=LONGEST_SILENCE_MS)
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"

    def to_turns(self) -> Turns:
        semantic = self.type == "semantic_vad"
        silence_ms = SILENCE_MS[self.eagerness] if semantic else self.silence_duration_ms
        return Turns(True, silence_ms, self.prefix_padding_ms, self.threshold)

    def shown(self) -> dict[str, Any]:
        if self.type == "semantic_vad":
            return self.model_dump(include={"type", "eagerness"})
        return self.model_dump(exclude={"eagerness"})


class Changes(BaseModel):
    """The fields of an update, of either shape."""

    format: AudioFormat | Literal["pcm16", "g711_ulaw", "g711_alaw"] | None = None
    transcription: Transcription | None = None
    turn_detection: TurnDetection | None = None
    noise_reduction: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """What is in force."""

    transcription: Transcription = field(default_factory=Transcription)
    turn_detection: TurnDetection | None = field(default_factory=TurnDetection)
    format: Format = field(default_factory=lambda: Format(Encoding.pcm16, RATE))
    noise_reduction: dict[str, Any] | None = None
    """Shown as it was sent; models that were trained with noise need none."""

    @classmethod
    def of_address(cls, query: Mapping[str, str]) -> Self:
        """What the address of a connection asks for: perhaps a model. One for conversations names none for
        transcription."""
        model = query.get("model", "")
        if model.startswith("gpt-realtime") and model not in LIVE_STAND_INS:
            model = ""
        return cls(transcription=checked(Transcription, {"model": model or None}))

    def updated(self, session: Mapping[str, Any]) -> Self:
        """With what is present. Raises RequestValidationError; BadInput for a session that is not for
        transcription."""
        if session.get("type", "transcription") != "transcription":
            raise BadInput(
                "this server transcribes and does not converse: the type of a session is 'transcription'",
                param="session.type",
            )
        changes = checked(Changes, _present(session))
        changed: dict[str, Any] = {name: getattr(changes, name) for name in changes.model_fields_set}
        if "format" in changed:
            changed["format"] = _format(changes.format)
        if "transcription" in changed:
            sent = changes.transcription or Transcription()
            fields = sent.model_dump(exclude_unset=changes.transcription is not None)
            changed["transcription"] = self.transcription.model_copy(update=fields)
        return replace(self, **changed)

    def to_wanted(self, settings: SttSettings) -> Wanted:
        """The same for the core. Raises UnknownModel."""
        asked = self.transcription
        stands_in = (asked.model or "").lower() in LIVE_STAND_INS
        return Wanted(
            model=choose_model(None if stands_in else asked.model, settings),
            options=Options(
                language=asked.language,
                prompt=asked.prompt or None,
                hotwords=tuple(Hotword(word) for word in asked.keywords or ()),
            ),
            turns=self.turn_detection.to_turns() if self.turn_detection else Turns(by_pause=False),
            format=self.format,
        )

    def shown(self, id: str) -> dict[str, Any]:
        """A session as clients of today read it."""
        rate = {"rate": self.format.rate} if self.format.encoding is Encoding.pcm16 else {}
        fields = {**self._shown_fields(), "format": {"type": NEW_NAMES[self.format.encoding], **rate}}
        return {**_head(id), "type": "transcription", "audio": {"input": fields}}

    def shown_flat(self, id: str) -> dict[str, Any]:
        """The same as clients of `transcription_session.update` read it."""
        fields = {**self._shown_fields(), "format": OLD_NAMES[self.format.encoding]}
        return {**_head(id), **{FLAT[name]: value for name, value in fields.items()}}

    def _shown_fields(self) -> dict[str, Any]:
        asked, turns = self.transcription, self.turn_detection
        return {
            "transcription": asked.model_dump(exclude=None if asked.keywords else {"keywords"}),
            "turn_detection": turns.shown() if turns else None,
            "noise_reduction": self.noise_reduction,
        }


def _head(id: str) -> dict[str, Any]:
    return {"id": id, "object": "realtime.transcription_session", "include": None}


def _present(session: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of either shape, by one name."""
    audio = session.get("audio")
    nested = audio.get("input") if isinstance(audio, Mapping) else None
    found = {name: session[flat] for name, flat in FLAT.items() if flat in session}
    if isinstance(nested, Mapping):
        found |= {name: nested[name] for name in FLAT if name in nested}
    return found


def _format(sent: AudioFormat | str | None) -> Format:
    asked = sent or AudioFormat()
    encoding = FORMATS[asked if isinstance(asked, str) else asked.type]
    if encoding is not Encoding.pcm16:
        return Format(encoding, TELEPHONE_RATE)
    return Format(encoding, RATE if isinstance(asked, str) else asked.rate)
