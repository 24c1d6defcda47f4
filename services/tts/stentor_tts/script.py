"""A text as it is going to be spoken: sentences and the pauses between them.

Pauses are all there, those that stand for the end of a sentence too: two sentences with none between them
follow each other at once, as the parts do of a sentence that is said in two manners.
"""

from dataclasses import dataclass
from enum import StrEnum

from stentor_tts.passages import Pause, Prosody

__all__ = ["Markup", "Pause", "Prosody", "Script", "Sentence"]


class Markup(StrEnum):
    """How a text is written."""

    text = "text"
    markdown = "markdown"
    ssml = "ssml"
    auto = "auto"
    """SSML where the text is a <speak> document, plain text otherwise."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, or as much of one as a voice says in one breath."""

    text: str
    """As it is written."""
    spoken: str
    """Words to say, numbers and signs spelled out."""
    prosody: Prosody = Prosody()


Script = tuple[Sentence | Pause, ...]
