"""Words laid out for a reader."""

from stentor_stt.paragraphs import PAUSE_MS, SENTENCES, paragraphs, sentences, turns
from stentor_stt.transcript import Segment, Transcript, Word


def words(text: str, start_ms: int = 0, speaker: str | None = None) -> list[Word]:
    """One word a second, without a pause."""
    return [
        Word(each, start_ms + 1000 * at, start_ms + 1000 * (at + 1), 0.9, speaker)
        for at, each in enumerate(text.split())
    ]


def texts(found: list[Word], separator: str = " ") -> list[str]:
    return [each.text for each in sentences(found, separator=separator)]


def test_a_sentence_ends_with_a_mark_of_its_script() -> None:
    assert texts(words("I came. Did he? 'Yes!' He did")) == ["I came.", "Did he?", "'Yes!'", "He did"]
    assert texts(words("你好。 世界。 好"), separator="") == ["你好。", "世界。", "好"]


def test_a_sentence_ends_where_somebody_else_speaks() -> None:
    assert texts([*words("well I", speaker="A"), *words("no you", 2000, "B")]) == ["well I", "no you"]


def test_nothing_said_has_neither_sentences_nor_paragraphs() -> None:
    assert sentences([]) == []
    assert paragraphs([]) == []


def test_times_are_those_of_the_first_and_last_word() -> None:
    (found,) = paragraphs(words("One two. Three."))
    assert (found.start_ms, found.end_ms) == (0, 3000)
    assert [(each.start_ms, each.end_ms) for each in found.sentences] == [(0, 2000), (2000, 3000)]
    assert (found.text, len(found.words)) == ("One two. Three.", 3)


def test_a_paragraph_ends_with_a_long_pause() -> None:
    short, long = 1000 + PAUSE_MS - 1, 1000 + PAUSE_MS
    assert len(paragraphs([*words("One."), *words("Two.", short)])) == 1
    assert len(paragraphs([*words("One."), *words("Two.", long)])) == 2


def test_a_paragraph_ends_where_somebody_else_speaks() -> None:
    found = paragraphs([*words("One. Two.", speaker="A"), *words("Three.", 2000, "B")])
    assert [each.text for each in found] == ["One. Two.", "Three."]


def test_a_paragraph_does_not_grow_for_ever() -> None:
    found = paragraphs(words("Word. " * (2 * SENTENCES + 1)))
    assert [len(each.sentences) for each in found] == [SENTENCES, SENTENCES, 1]


def segment(text: str, speaker: str | None = None, channel: int | None = None) -> Segment:
    return Segment(0, 1000, text, (), -0.2, 0.1, 1.0, 0.0, speaker=speaker, channel=channel)


def transcript(*segments: Segment) -> Transcript:
    return Transcript(" ".join(each.text for each in segments), "en", 1.0, 1000, segments)


def test_turns_begin_with_who_speaks() -> None:
    found = transcript(segment("Hello.", "A"), segment("How are you?", "A"), segment("Well.", "Mary Ann"))
    assert turns(found) == "Speaker A: Hello. How are you?\nMary Ann: Well."


def test_turns_on_channels_begin_with_the_channel() -> None:
    assert turns(transcript(segment("Hello.", channel=0), segment("Yes?", channel=1))) == (
        "Channel 1: Hello.\nChannel 2: Yes?"
    )


def test_of_one_voice_it_is_not_said_whose_it_is() -> None:
    assert turns(transcript(segment("Hello.", "A"), segment("Bye.", "A"))) == "Hello. Bye."
