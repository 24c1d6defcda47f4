"""Text with what its markup says about it: what every reader of markup (text, Markdown, SSML) hands over."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prosody:
    """How a stretch of text is to be said, beside the voice's own manner."""

    rate: float = 1.0
    """Times the voice's own speed."""
    pitch_semitones: float = 0.0
    volume_db: float = 0.0


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence between two sentences."""

    ms: int
    fixed: bool = False
    """As long as it says at any rate of speech: an author asked for it."""


@dataclass(frozen=True, slots=True)
class Run:
    """Text of one manner within a passage."""

    text: str
    spoken: str | None = None
    """The words to say for it, where the markup tells; the text is read otherwise."""
    prosody: Prosody = Prosody()


@dataclass(frozen=True, slots=True)
class Passage:
    """Runs that belong together, such as a paragraph, a heading or an item of a list."""

    runs: tuple[Run, ...]
    rest: Pause = Pause(700)
    """What follows it, unless its author asked for another pause."""
    whole: bool = False
    """One sentence, whatever marks stand in it: the markup says so."""
