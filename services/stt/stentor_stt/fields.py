"""Fields of request bodies: as JSON objects, or as the text that forms and query strings can hold."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from stentor_common.wire import Wire
from stentor_stt.options import HOTWORD_BOOST, Hotword, Spelling

MOST_SPEAKERS = 30


def hotword_field(value: Any) -> Any:
    """`Elinor:12.5` as an object; what is none of ours is left for the validation to refuse."""
    if not isinstance(value, str):
        return value
    text, colon, boost = value.rpartition(":")
    try:
        return {"text": text.strip(), "boost": float(boost)} if colon else {"text": value.strip()}
    except ValueError:
        return {"text": value.strip()}


def spelling_field(value: Any) -> Any:
    """`heard=written` as an object."""
    if not isinstance(value, str):
        return value
    heard, sign, written = value.partition("=")
    if not sign:
        raise ValueError("a spelling is written as heard=written")
    return {"heard": heard.strip(), "written": written.strip()}


def json_list(value: Any) -> Any:
    """A list that came as JSON text, because a form knows only text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError("this must be a JSON list") from None


Term = Annotated[str, Field(min_length=1, max_length=100)]
MOST_TERMS = 200


class HotwordField(Wire):
    """A word or a few to listen for; with a negative boost, to avoid. Case does not matter."""

    text: Term
    boost: float = Field(default=HOTWORD_BOOST, ge=-1000, le=1000)
    """Added to the log probability of a hypothesis for each time it holds the text."""


class SpellingField(Wire):
    """Whole words `heard`, in any case, are written as `written`."""

    heard: Term
    written: Annotated[str, Field(max_length=200)]


class KnownSpeakerField(Wire):
    """A voice to recognise, by an upload of 2 to 30 seconds in which nobody else speaks."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    upload_id: Annotated[str, Field(min_length=1, max_length=64)]


Hotwords = Annotated[
    list[Annotated[HotwordField, BeforeValidator(hotword_field)]], Field(max_length=MOST_TERMS)
]
"""Each an object, or text: `Elinor`, `Elinor:12.5`."""

Spellings = Annotated[
    list[Annotated[SpellingField, BeforeValidator(spelling_field)]], Field(max_length=MOST_TERMS)
]
"""Each an object, or text: `heard=written`."""


KnownSpeakers = Annotated[
    list[KnownSpeakerField], Field(max_length=MOST_SPEAKERS), BeforeValidator(json_list)
]


def hotwords_of(fields: Sequence[HotwordField]) -> tuple[Hotword, ...]:
    return tuple(Hotword(each.text, each.boost) for each in fields)


def spellings_of(fields: Sequence[SpellingField]) -> tuple[Spelling, ...]:
    return tuple(Spelling(each.heard, each.written) for each in fields)
