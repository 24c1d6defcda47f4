"""Options of Deepgram's `POST /v1/listen`, by the names and in the forms its clients and those of AI/ML API
send them: what they mean here, how the answer is laid out, and what is not done."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from stentor_common.errors import BadInput
from stentor_common.jobs.table import Job
from stentor_stt.contracts.deepgram.shape import UTT_SPLIT_SECONDS, Facts, Layout, Warned, listen_body
from stentor_stt.fields import MOST_TERMS, Term
from stentor_stt.languages import language_code
from stentor_stt.options import HOTWORD_BOOST, Diarization, Hotword, Options, Spelling
from stentor_stt.transcript import Transcript
from stentor_stt.transcriptions import Transcription

ANY_LANGUAGE = ("", "auto", "multi")
NOTHING: tuple[Any, ...] = (None, "", "null", "None", "undefined")
"""How clients spell that they want nothing."""

LARGEST_BOOST = 1000


def _given(value: Any) -> Any:
    return False if value in NOTHING else value


def _detected(value: Any) -> Any:
    if isinstance(value, list):
        return bool(value)
    return True if isinstance(value, str) and language_code(value) else _given(value)


def _texts(value: Any) -> Any:
    """One text or several."""
    return value if isinstance(value, list) else [] if value in NOTHING else [value]


def _words(value: Any) -> Any:
    """The same; of a text with commas, its parts."""
    texts = _texts(value)
    if not all(isinstance(text, str) for text in texts):
        return texts
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]


def _split(value: Any) -> Any:
    return UTT_SPLIT_SECONDS if value in NOTHING else value


Switch = Annotated[bool, BeforeValidator(_given)]
Words = Annotated[list[Term], BeforeValidator(_words), Field(max_length=MOST_TERMS)]
Text = Annotated[str, Field(max_length=1000)]
Texts = Annotated[list[Text], BeforeValidator(_texts), Field(max_length=100)]
Seconds = Annotated[float, Field(gt=0, le=60), BeforeValidator(_split)]


class ListenOptions(BaseModel):
    """What is done, by name. What is not among the fields is noticed in `warnings`."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)

    language: str | None = Field(default=None, max_length=32)
    """BCP-47 tag of what is spoken; without it the model finds out."""
    detect_language: Annotated[bool, BeforeValidator(_detected)] = False
    """Find out what is spoken, and tell. Languages to choose among are taken as `true`."""
    diarize: Switch = False
    """Tell speakers apart; they are numbered from 0."""
    multichannel: Switch = Field(
        default=False, validation_alias=AliasChoices("multichannel", "multi_channel")
    )
    """Each channel by itself."""
    keywords: Words = Field(default=[])
    """Words to listen for: `word` or `word:boost`. A boost of 1 is the usual one, a negative one avoids."""
    keyterm: Words = Field(default=[])
    """The same."""
    punctuate: Switch = False
    """Capitals and punctuation in the transcript."""
    smart_format: Switch = False
    """Punctuation and paragraphs."""
    paragraphs: Switch = False
    utterances: Switch = False
    utt_split: Seconds = UTT_SPLIT_SECONDS
    """Seconds of a pause that ends an utterance."""
    search: Texts = Field(default=[])
    """Phrases whose places are listed."""
    replace: Texts = Field(default=[])
    """`heard:written`: how words are written; without the second part they are left out."""
    tag: Texts = Field(default=[])
    """Given back with the answer."""
    extra: Texts = Field(default=[])
    """`key:value`: given back with the answer."""

    def options(self) -> Options:
        """What is wanted of the recording. Raises BadInput for a language nobody knows."""
        return Options(
            language=self._language(),
            hotwords=tuple(_hotword(text) for text in (*self.keywords, *self.keyterm)),
            spelling=tuple(_spelling(text) for text in self.replace),
            split_channels=self.multichannel,
            diarization=Diarization() if self.diarize else None,
        )

    def notes(self) -> dict[str, Any]:
        """What is kept with the job for its answer, see `answer`."""
        return {
            "layout": {
                "punctuate": self.punctuate or self.smart_format,
                "paragraphs": self.paragraphs or self.smart_format,
                "utterances": self.utterances,
                "utt_split_seconds": self.utt_split,
                "detect_language": self.detect_language,
                "search": self.search,
            },
            "warnings": [[name, message] for name, message in self._not_done().items()],
            "tags": self.tag,
            "extra": {key: value for key, _, value in (text.partition(":") for text in self.extra)},
        }

    def _language(self) -> str | None:
        named = (self.language or "").strip()
        if self.detect_language or named.lower() in ANY_LANGUAGE:
            return None
        code = language_code(named)
        if code is None:
            raise BadInput(
                f"language: {named!r} is not known here; use a code such as `en`, or none to detect it",
                param="language",
            )
        return code

    def _not_done(self) -> dict[str, str]:
        sent = self.model_extra or {}
        return {
            name: f"{name} is not done by this installation; the transcript is what it is without"
            for name, value in sent.items()
            if value not in (*NOTHING, False, "false", "False", []) and name not in self.of_no_effect()
        }

    @classmethod
    def of_no_effect(cls) -> frozenset[str]:
        """Names of options that ask for what is the case anyway, or for nothing that shows."""
        return frozenset({"mip_opt_out", "version", "diarize_version", "encoding", "sample_rate", "channels"})


def answer(job: Job, transcript: Transcript, made_by: Mapping[str, Any]) -> dict[str, Any]:
    """The finished job in Deepgram's shape, laid out as its request asked, or plainly if that came by
    another contract."""
    asked = Transcription.of(job.request)
    notes = asked.notes
    facts = Facts(
        request_id=str(job.id),
        created=job.created_at,
        model=str(made_by["model"]),
        sha256=made_by.get("sha256", ""),
        warnings=[Warned(name, message) for name, message in notes.get("warnings", ())],
        tags=notes.get("tags", ()),
        extra=notes.get("extra") or None,
    )
    return listen_body(transcript, facts, Layout(**notes.get("layout", {})))


def _hotword(text: str) -> Hotword:
    word, _, factor = text.rpartition(":")
    try:
        boost = HOTWORD_BOOST * float(factor)
    except ValueError:
        return Hotword(text)
    return Hotword(word.strip() or text, max(-LARGEST_BOOST, min(boost, LARGEST_BOOST)))


def _spelling(text: str) -> Spelling:
    heard, _, written = text.partition(":")
    if not heard.strip():
        raise BadInput("replace: write it as `heard:written`", param="replace")
    return Spelling(heard.strip(), written.strip())
