"""A transcript in the shape of Deepgram's answers."""

from datetime import UTC, datetime
from typing import Any

from stentor_stt.contracts.deepgram.shape import Facts, Layout, Warned, listen_body
from stentor_stt.transcript import Segment, Transcript, Word, joined

FACTS = Facts(
    request_id="r-1",
    created=datetime(2026, 1, 2, 3, 4, 5, 678_900, UTC),
    model="whisper-base",
    sha256="ab" * 32,
)


def segment(start_ms: int, *texts: str, speaker: str | None = None, channel: int | None = None) -> Segment:
    """A word each 100 ms."""
    words = tuple(
        Word(text, start_ms + 100 * at, start_ms + 100 * (at + 1), 0.5 + at / 10, speaker, channel)
        for at, text in enumerate(texts)
    )
    return Segment(
        start_ms,
        words[-1].end_ms,
        " ".join(texts),
        words,
        -0.1,
        0.0,
        1.0,
        0.0,
        speaker=speaker,
        channel=channel,
    )


def transcript(*segments: Segment, language: str = "en") -> Transcript:
    return joined([(0, segments)], duration_ms=12_345, language=language, language_confidence=0.75)


def channels(said: Transcript, layout: Layout | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = listen_body(said, FACTS, layout)["results"]["channels"]
    return found


def alternative(said: Transcript, layout: Layout | None = None) -> dict[str, Any]:
    found: dict[str, Any] = channels(said, layout)[0]["alternatives"][0]
    return found


def test_the_metadata_tell_what_was_done_and_by_what() -> None:
    told = listen_body(transcript(segment(0, "Yes.")), FACTS)["metadata"]
    (model,) = told["models"]
    assert told == {
        "transaction_key": "deprecated",
        "request_id": "r-1",
        "sha256": "ab" * 32,
        "created": "2026-01-02T03:04:05.678Z",
        "duration": 12.345,
        "channels": 1,
        "models": [model],
        "model_info": {model: {"name": "whisper-base", "version": "1", "arch": "whisper"}},
    }


def test_the_same_model_has_the_same_id_each_time() -> None:
    first, second = (listen_body(transcript(segment(0, each)), FACTS) for each in ("One", "Two"))
    assert first["metadata"]["models"] == second["metadata"]["models"]


def test_warnings_tags_and_extra_fields_are_told_when_there_are_any() -> None:
    facts = Facts(
        request_id="r",
        created=FACTS.created,
        model="m",
        warnings=[Warned("numerals", "is not done")],
        tags=["a"],
        extra={"order": "7"},
    )
    told = listen_body(transcript(segment(0, "Yes.")), facts)["metadata"]
    assert told["warnings"] == [
        {"parameter": "numerals", "type": "unsupported_parameter", "message": "is not done"}
    ]
    assert (told["tags"], told["extra"]) == (["a"], {"order": "7"})


def test_words_are_plain_and_have_their_punctuation_beside() -> None:
    told = alternative(transcript(segment(1000, "Well,", "it's", "3.5!")))
    assert told["transcript"] == "well it's 3.5"
    assert told["words"][0] == {
        "word": "well",
        "start": 1.0,
        "end": 1.1,
        "confidence": 0.5,
        "punctuated_word": "Well,",
    }
    assert [word["word"] for word in told["words"]] == ["well", "it's", "3.5"]
    assert told["confidence"] == 0.6


def test_a_word_that_is_only_a_mark_stays_what_it_is() -> None:
    assert alternative(transcript(segment(0, "Yes", "…")))["words"][1]["word"] == "…"


def test_transcripts_are_punctuated_when_that_is_asked_for() -> None:
    said = transcript(segment(0, "Well,", "yes."), segment(500, "No."))
    assert alternative(said, Layout(punctuate=True))["transcript"] == "Well, yes. No."


def test_speakers_are_numbered_in_the_order_in_which_they_are_heard() -> None:
    said = transcript(
        segment(0, "Hello.", speaker="Elinor"),
        segment(500, "Hi.", speaker="A"),
        segment(900, "So?", speaker="Elinor"),
    )
    told = alternative(said, Layout(paragraphs=True))
    assert [word["speaker"] for word in told["words"]] == [0, 1, 0]
    assert [each["speaker"] for each in told["paragraphs"]["paragraphs"]] == [0, 1, 0]
    assert told["paragraphs"]["transcript"] == "\nSpeaker 0: Hello.\n\nSpeaker 1: Hi.\n\nSpeaker 0: So?\n"


def test_each_channel_is_told_by_itself_also_one_on_which_nobody_speaks() -> None:
    said = transcript(
        segment(0, "Left.", channel=0), segment(100, "Right.", channel=2), segment(300, "Again.", channel=0)
    )
    assert listen_body(said, FACTS)["metadata"]["channels"] == 3
    told = [channel["alternatives"][0] for channel in channels(said)]
    assert [each["transcript"] for each in told] == ["left again", "", "right"]
    assert told[1] == {"transcript": "", "confidence": 0.0, "words": []}


def test_utterances_end_with_pauses_of_the_length_asked_for() -> None:
    said = transcript(segment(0, "One."), segment(600, "Two."), segment(2000, "Three."))
    by_default = listen_body(said, FACTS, Layout(utterances=True))["results"]["utterances"]
    assert [each["transcript"] for each in by_default] == ["one two", "three"]
    assert [(each["start"], each["end"]) for each in by_default] == [(0.0, 0.7), (2.0, 2.1)]
    short = listen_body(said, FACTS, Layout(utterances=True, utt_split_seconds=0.3))["results"]["utterances"]
    assert [each["transcript"] for each in short] == ["one", "two", "three"]
    assert len({each["id"] for each in short}) == 3


def test_the_language_is_told_when_it_was_to_be_detected() -> None:
    (told,) = channels(transcript(segment(0, "Sí."), language="es"), Layout(detect_language=True))
    assert (told["detected_language"], told["language_confidence"]) == ("es", 0.75)


def test_phrases_are_found_word_for_word_wherever_they_are() -> None:
    said = transcript(segment(0, "My", "dear", "Sir,", "my"), segment(1000, "dear!"))
    (told,) = channels(said, Layout(search=("my DEAR", "sir my dear madam", "?")))
    first, second, third = told["search"]
    assert [(hit["start"], hit["end"], hit["snippet"]) for hit in first["hits"]] == [
        (0.0, 0.2, "my dear"),
        (0.3, 1.1, "my dear"),
    ]
    assert (second["hits"], third["hits"]) == ([], [])


def test_where_nobody_speaks_there_is_an_empty_transcript() -> None:
    said = Transcript("", None, None, 1000, ())
    assert alternative(said, Layout(paragraphs=True, utterances=True)) == {
        "transcript": "",
        "confidence": 0.0,
        "words": [],
        "paragraphs": {"transcript": "", "paragraphs": []},
    }
