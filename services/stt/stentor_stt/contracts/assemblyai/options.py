"""Options of AssemblyAI's `POST /v2/transcript`, by the names its clients send: what they mean here, and what
is not done."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from stentor_common.errors import BadInput
from stentor_common.webhooks import Callback
from stentor_stt.contracts.aiml.options import CustomSpelling
from stentor_stt.fields import MOST_SPEAKERS, MOST_TERMS, Term
from stentor_stt.languages import language_code
from stentor_stt.models import canonical
from stentor_stt.options import HOTWORD_BOOST, Diarization, Hotword, Options, Spelling
from stentor_stt.settings import SttSettings

STYLE = "assemblyai"
BOOSTS = {"low": HOTWORD_BOOST / 2, "default": HOTWORD_BOOST, "high": HOTWORD_BOOST * 2}
THEIRS = re.compile(r"(best|nano|slam|conformer|universal)\b", re.IGNORECASE)
"""AssemblyAI's models. Who asks for one gets the installation's default."""

PROTECTIVE = ("redact_pii", "redact_pii_audio", "filter_profanity")
"""Options that are refused rather than left undone: who sends them counts on what they take out."""

OF_NO_EFFECT = frozenset(
    {
        "redact_pii_policies",
        "redact_pii_sub",
        "redact_pii_audio_quality",
        "redact_pii_audio_options",
        "redact_pii_return_unredacted",
        "boost_param",
        "content_safety_confidence",
        "summary_model",
        "summary_type",
        "keyterms_prompt_options",
    }
)
"""Details of other options, which say themselves what becomes of them."""


def _several(value: Any) -> Any:
    return [] if value is None else [value] if isinstance(value, str) else value


Terms = Annotated[list[Term], BeforeValidator(_several), Field(max_length=MOST_TERMS)]
Names = Annotated[
    list[Annotated[str, Field(max_length=200)]], BeforeValidator(_several), Field(max_length=20)
]
Fraction = Annotated[float | None, Field(ge=0, le=1)]
Speakers = Annotated[int | None, Field(ge=1, le=MOST_SPEAKERS)]


class SpeakerOptions(BaseModel):
    min_speakers_expected: Speakers = None
    max_speakers_expected: Speakers = None


class TranscriptRequest(BaseModel):
    """What is done, by name. What is not among the fields is told in `metadata.warnings`."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)

    audio_url: str = Field(min_length=1, max_length=4096)
    """A public http(s) URL of audio or video, or the URL of an upload."""
    language_code: str | None = Field(default=None, max_length=64)
    """What is spoken, such as `en_us`; without it the model finds out."""
    language_codes: Names = Field(default=[])
    """Of several, the model finds out which it is."""
    language_detection: bool | None = None
    language_confidence_threshold: Fraction = None
    """Below this certainty of the language that was found the transcript is an error."""
    speech_threshold: Fraction = None
    """Below this part of speech in the recording the transcript is an error."""
    speech_model: str | None = Field(default=None, max_length=200)
    speech_models: Names = Field(default=[])
    """The first one that is served here; for AssemblyAI's own the default does the work."""
    speaker_labels: bool | None = None
    speakers_expected: Speakers = None
    speaker_options: SpeakerOptions | None = None
    multichannel: bool | None = None
    dual_channel: bool | None = None
    keyterms_prompt: Terms = Field(default=[])
    word_boost: Terms = Field(default=[])
    boost_param: Literal["low", "default", "high"] | None = None
    custom_spelling: Annotated[
        list[CustomSpelling], BeforeValidator(_several), Field(max_length=MOST_TERMS)
    ] = Field(default=[])
    punctuate: bool | None = None
    format_text: bool | None = None
    """`false` leaves out capitals."""
    audio_start_from: int | None = Field(default=None, ge=0)
    """In milliseconds."""
    audio_end_at: int | None = Field(default=None, gt=0)
    prompt: str | None = Field(default=None, max_length=10_000)
    temperature: Fraction = None
    webhook_url: str | None = Field(default=None, max_length=2048)
    webhook_auth_header_name: str | None = Field(default=None, max_length=100)
    webhook_auth_header_value: str | None = Field(default=None, max_length=4096)

    @model_validator(mode="after")
    def consistent(self) -> Self:
        if self.audio_end_at is not None and self.audio_end_at <= (self.audio_start_from or 0):
            raise ValueError("audio_end_at must be after audio_start_from")
        if bool(self.webhook_auth_header_name) != bool(self.webhook_auth_header_value):
            raise ValueError("webhook_auth_header_name and webhook_auth_header_value belong together")
        return self

    def options(self) -> Options:
        """Raises BadInput for a language nobody knows, and for what must not be left undone."""
        for name in PROTECTIVE:
            if self.sent.get(name):
                raise BadInput(
                    f"{name} is not done by this installation: nothing would be taken out of the transcript",
                    param=name,
                )
        words = (*self.keyterms_prompt, *self.word_boost)
        boost = BOOSTS[self.boost_param or "default"]
        return Options(
            language=self._language(),
            prompt=self.prompt or None,
            temperature=self.temperature or None,
            hotwords=tuple(Hotword(word, boost) for word in words),
            spelling=tuple(Spelling(heard, each.to) for each in self.custom_spelling for heard in each.from_),
            clip_start_ms=self.audio_start_from or 0,
            clip_end_ms=self.audio_end_at,
            split_channels=bool(self.multichannel or self.dual_channel),
            diarization=self._diarization(),
        )

    def callback(self) -> Callback | None:
        if not self.webhook_url:
            return None
        name, value = self.webhook_auth_header_name, self.webhook_auth_header_value
        headers = {name: value} if name and value else {}
        return Callback(self.webhook_url, style=STYLE, headers=headers, signed=False)

    def model(self, settings: SttSettings) -> str | None:
        """The served model that is meant; None for the default. Raises BadInput for a name nobody knows."""
        names = [*self.speech_models, *([self.speech_model] if self.speech_model else [])]
        served = {canonical(model) for model in settings.models}
        for name in names:
            if canonical(name) in served:
                return name
        if names and not any(map(THEIRS.match, names)):
            raise BadInput(
                f"speech_models: {names[0]!r} is not served here; served are {', '.join(sorted(served))}",
                param="speech_models",
            )
        return None

    def notes(self) -> dict[str, Any]:
        """What is kept with the job for its answers: what was sent, without secrets, and what is not done."""
        kept = set(type(self).model_fields) - {"audio_url", "webhook_url", "webhook_auth_header_value"}
        known = self.model_dump(mode="json", by_alias=True, exclude_unset=True, include=kept)
        return {"sent": known, "warnings": self._not_done()}

    @property
    def sent(self) -> dict[str, Any]:
        """What is not among the fields."""
        return self.model_extra or {}

    def _not_done(self) -> list[str]:
        told = [
            f"{name} is not done by this installation; the transcript is what it is without"
            for name, value in self.sent.items()
            if value not in (None, False, "", [], {}) and name not in OF_NO_EFFECT
        ]
        if len(self.language_codes) > 1:
            told.append("language_codes: one language is found out for the whole recording")
        return told

    def _language(self) -> str | None:
        only = self.language_codes[0] if len(self.language_codes) == 1 else None
        named = self.language_code or only
        if self.language_detection or len(self.language_codes) > 1 or not named:
            return None
        code = language_code(named)
        if code is None:
            raise BadInput(
                f"language_code: {named!r} is not known here; use a code such as `en`, or language_detection",
                param="language_code",
            )
        return code

    def _diarization(self) -> Diarization | None:
        if not self.speaker_labels:
            return None
        asked = self.speaker_options or SpeakerOptions()
        at_least = asked.min_speakers_expected or 1
        at_most = asked.max_speakers_expected or max(10, at_least)
        if at_most < at_least:
            raise BadInput("min_speakers_expected must not be above max_speakers_expected")
        return Diarization(self.speakers_expected, at_least, at_most)
