"""Words in sentences, sentences in paragraphs: the text laid out for a reader."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby

from stentor_stt.transcript import Transcript, Word

ENDS = (".", "?", "!", "…", "。", "？", "！", "।", "؟")  # noqa: RUF001  as other scripts write them
CLOSING = "\"'”’»)]」』"  # noqa: RUF001
PAUSE_MS = 1500
"""A pause this long after a sentence begins a new paragraph."""
SENTENCES = 5
"""Most sentences of a paragraph."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words up to a mark that ends a sentence, or up to where somebody else speaks."""

    words: tuple[Word, ...]
    separator: str

    @property
    def text(self) -> str:
        return self.separator.join(word.text for word in self.words)

    @property
    def start_ms(self) -> int:
        return self.words[0].start_ms

    @property
    def end_ms(self) -> int:
        return self.words[-1].end_ms

    @property
    def voice(self) -> tuple[str | None, int | None]:
        """Who speaks, and on which channel."""
        return self.words[0].speaker, self.words[0].channel


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Sentences of one speaker without a long pause."""

    sentences: list[Sentence] = field(default_factory=list)

    @property
    def start_ms(self) -> int:
        return self.sentences[0].start_ms

    @property
    def end_ms(self) -> int:
        return self.sentences[-1].end_ms

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for sentence in self.sentences for word in sentence.words)

    @property
    def text(self) -> str:
        separator = self.sentences[0].separator
        return separator.join(sentence.text for sentence in self.sentences)


def sentences(words: Iterable[Word], *, separator: str = " ") -> list[Sentence]:
    """The words in sentences. `separator` stands between words, as the language writes it."""
    found: list[Sentence] = []
    held: list[Word] = []
    for word in words:
        if held and (word.speaker, word.channel) != (held[-1].speaker, held[-1].channel):
            found.append(Sentence(tuple(held), separator))
            held = []
        held.append(word)
        if word.text.rstrip(CLOSING).endswith(ENDS):
            found.append(Sentence(tuple(held), separator))
            held = []
    return [*found, Sentence(tuple(held), separator)] if held else found


def paragraphs(words: Iterable[Word], *, separator: str = " ") -> list[Paragraph]:
    """The words in paragraphs: a new one where somebody else speaks, after a pause, and when one is long."""
    found: list[Paragraph] = []
    for sentence in sentences(words, separator=separator):
        if not found or _parts(found[-1], sentence):
            found.append(Paragraph())
        found[-1].sentences.append(sentence)
    return found


def turns(transcript: Transcript) -> str:
    """The text, a line for each turn that begins with who speaks, where several were told apart or heard on
    channels of their own."""
    found = groupby(transcript.utterances(), key=lambda each: (each.speaker, each.channel))
    lines = [(who, transcript.separator.join(each.text for each in said)) for who, said in found]
    if len({who for who, _ in lines}) <= 1:
        return transcript.text
    return "\n".join(f"{_name(*who)}: {text}" for who, text in lines)


def _name(speaker: str | None, channel: int | None) -> str:
    if speaker is not None:
        # Those nobody named have a letter.
        return f"Speaker {speaker}" if len(speaker) == 1 else speaker
    return "Somebody" if channel is None else f"Channel {channel + 1}"


def _parts(paragraph: Paragraph, sentence: Sentence) -> bool:
    last = paragraph.sentences[-1]
    return (
        last.voice != sentence.voice
        or sentence.start_ms - last.end_ms >= PAUSE_MS
        or len(paragraph.sentences) >= SENTENCES
    )
