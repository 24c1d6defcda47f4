"""What goes over the wire for summaries, in the native contract."""

import json
import uuid
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from stentor_common.jobs.schemas import JobError, JobProgress
from stentor_common.jobs.table import JobState
from stentor_common.wire import Wire
from stentor_summarize.documents.wire import Form
from stentor_summarize.engines import Kind, Length, Style, Unit, Wanted
from stentor_summarize.sources import SourceKind

WORDS = {"short": 2, "medium": 5, "long": 12}
"""Lengths that have a name, in sentences."""

PARAGRAPH = "\n\n"


class LengthField(Wire):
    """About how long: exactly one of these."""

    sentences: int | None = Field(default=None, ge=1, le=200)
    words: int | None = Field(default=None, ge=5, le=20_000)
    ratio: float | None = Field(default=None, gt=0, lt=1)
    """Part of the text's own words: 0.2 is a fifth."""

    @model_validator(mode="after")
    def one_unit(self) -> Self:
        if len(self.model_fields_set) != 1 or None in (getattr(self, n) for n in self.model_fields_set):
            raise ValueError('give exactly one of sentences, words and ratio, as in {"sentences": 3}')
        return self

    def to_length(self) -> Length:
        (name,) = self.model_fields_set
        return Length(Unit(name), getattr(self, name))


def length_field(value: Any) -> Any:
    """`short`, `medium` and `long` as an object; in a form the object is JSON text."""
    if not isinstance(value, str):
        return value
    if (word := value.strip().lower()) in WORDS:
        return {"sentences": WORDS[word]}
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValueError('this must be short, medium, long, or an object as in {"sentences": 3}')
    return found


def joined_text(value: Any) -> Any:
    """A list of texts as one, a paragraph each; what is none of ours is left for the validation to refuse."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return PARAGRAPH.join(value)
    return value


def lower(value: str) -> str:
    return value.lower()


WRITTEN_LENGTH = WithJsonSchema(
    {"anyOf": [LengthField.model_json_schema(), {"type": "string", "enum": list(WORDS)}]}
)
WRITTEN_TEXT = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})


class SummaryOptions(Wire):
    """What a summary is to be like."""

    length: Annotated[LengthField, BeforeValidator(length_field), WRITTEN_LENGTH] = LengthField(
        sentences=WORDS["medium"]
    )
    """`{"sentences": 3}`, `{"words": 100}` or `{"ratio": 0.2}`; or `short`, `medium`, `long`, which are 2, 5
    and 12 sentences. A headline is one line, whatever its length."""
    style: Style = Style.paragraph
    """`minutes` say what was decided and who does what."""
    language: Annotated[str, AfterValidator(lower)] | None = Field(
        default=None, min_length=2, max_length=16, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]+)*$"
    )
    """What the text is written in, as a code such as `en`; without it that is found out."""
    model: str | None = Field(default=None, max_length=200)
    """One of GET /v1/models; without it the installation's default."""
    provider: str | None = Field(default=None, max_length=64)
    """One of GET /v1/providers; without it the models here."""
    instructions: str = Field(default="", max_length=4000)
    """Wishes in words, for models that write in their own."""
    webhook_url: str | None = Field(default=None, min_length=1, max_length=2048)
    """Told when the summary is there, see GET /v1/jobs/{id}/webhooks."""
    stream: bool = False
    """Whether the answer is server-sent events with the text as it is written, as with
    `Accept: text/event-stream`."""

    def to_wanted(self) -> Wanted:
        return Wanted(self.length.to_length(), self.style, self.language, self.instructions)


class SummaryRequest(SummaryOptions):
    """A text to be summarized: exactly one of `text`, `upload_id`, `url` and `transcript_id` says which."""

    text: Annotated[str | None, BeforeValidator(joined_text), WRITTEN_TEXT] = None
    """The text itself; a list is read as its paragraphs."""
    upload_id: str | None = Field(default=None, min_length=1, max_length=64)
    """Id of an earlier upload: txt, md, html, pdf or docx."""
    url: str | None = Field(default=None, min_length=1, max_length=4096)
    """A public http(s) URL of a page or document, or the URL of an upload."""
    transcript_id: str | None = Field(default=None, min_length=1, max_length=64)
    """Id of a transcription of yours that is completed."""

    @model_validator(mode="after")
    def one_source(self) -> Self:
        given = (self.text, self.upload_id, self.url, self.transcript_id)
        if sum(each is not None for each in given) != 1:
            raise ValueError(
                "give exactly one of text, upload_id, url and transcript_id, or send the file as multipart"
            )
        return self


class SourceView(Wire):
    """What was summarized. The text itself is not kept."""

    kind: SourceKind
    name: str | None
    """Of a file; or the id of a transcription."""
    url: str | None
    form: Form | None
    """What kind of document it is, by its content."""
    pages: int | None
    characters: int | None
    """Of the text, once it was read."""
    words: int | None


class WarningView(Wire):
    code: str
    """`not_in_source`: the summary names what the text does not. `note`: something could not be done as
    wanted."""
    message: str
    found: list[str]
    """The words it is about."""


class SummaryView(Wire):
    id: uuid.UUID
    object: Literal["summary"]
    status: JobState
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime
    """When the summary is deleted."""
    progress: JobProgress | None
    """While it waits or runs."""
    error: JobError | None
    """Once it has failed."""
    provider: str
    model: str
    engine: str | None
    """What did the work, once it is done."""
    kind: Kind | None
    """`extractive`: sentences of the text, word for word; `abstractive`: the model's own words, which may be
    wrong."""
    style: Style
    length: LengthField
    language: str | None
    """Of the text: as given, or as it looks; null before that is known."""
    source: SourceView
    text: str | None
    """The summary."""
    bullets: list[str] | None
    """Its points, with `style` `bullets`."""
    headline: str | None
    """With `style` `headline`."""
    action_items: list[str] | None
    """Who does what until when, with `style` `minutes`."""
    decisions: list[str] | None
    """What was decided, with `style` `minutes`."""
    words: int | None
    """Of the summary."""
    passages: int | None
    """In how many parts the text was read."""
    warnings: list[WarningView] | None
    webhook_url: str | None


class SummaryList(Wire):
    object: Literal["list"]
    data: list[SummaryView]
    """Newest first; without the summaries themselves."""
    has_more: bool
    next_after: uuid.UUID | None
    """Give it as `after` for the next page."""


class DeltaView(Wire):
    """A piece of a summary, as it is written."""

    text: str
    """Comes after the pieces before it."""


class ResetView(Wire):
    """The pieces so far are void: the summary is written anew."""

    reason: Literal["rewritten"]
