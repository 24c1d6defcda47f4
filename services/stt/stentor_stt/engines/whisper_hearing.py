"""Pieces of sound to what they say: the steps of Whisper, each for all pieces at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stentor_stt.engines import Heard, Piece
from stentor_stt.engines.hotwords import Wishes
from stentor_stt.engines.whisper_decoding import Decoded, Phrase, Take, decode, encode, speech
from stentor_stt.engines.whisper_hotwords import revised
from stentor_stt.engines.whisper_model import Tokens, WhisperModel
from stentor_stt.engines.whisper_words import word_times
from stentor_stt.options import Options
from stentor_stt.sound import SAMPLE_RATE, Sound, milliseconds
from stentor_stt.transcript import Segment, Word, separator_of

PIECES_AT_ONCE = 32
"""Bounds the memory that holds what was encoded, 3 to 8 MB for half a minute."""

LEAST_SOUND = SAMPLE_RATE // 50
"""There is nothing to hear in less."""
AROUND_SPEECH = round(0.3 * SAMPLE_RATE)
"""Sound kept before and after speech: its edges are not found to the sample."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The part of a piece that is heard. Spans of speech count from the piece's begin."""

    piece: int
    start: int
    sound: Sound
    options: Options


@dataclass(frozen=True, slots=True)
class Part:
    """What was decoded, and with which sample of the piece it begins."""

    piece: int
    start: int
    decoded: Decoded


def hear(model: WhisperModel, pieces: Sequence[Piece]) -> list[Heard]:
    """What each piece says, in order. The model must know its language and task."""
    found: list[Heard] = []
    for first in range(0, len(pieces), PIECES_AT_ONCE):
        found += _hear(model, pieces[first : first + PIECES_AT_ONCE])
    return found


def _hear(model: WhisperModel, pieces: Sequence[Piece]) -> list[Heard]:
    spans = [speech(piece.sound) if piece.find_speech else [] for piece in pieces]
    stretches = [
        stretch for place, piece in enumerate(pieces) if (stretch := _stretch(place, piece, spans[place]))
    ]
    takes, languages = _takes(model, stretches)
    parts = [
        Part(stretch.piece, stretch.start + start, decoded)
        for stretch, found in zip(stretches, decode(model, takes), strict=True)
        for start, decoded in found
        if not decoded.silent
    ]
    segments = _segments(model, pieces, _revised(model, pieces, parts))
    return [_heard(languages.get(place), segments[place], spans[place]) for place in range(len(pieces))]


def _stretch(place: int, piece: Piece, spans: Sequence[tuple[int, int]]) -> Stretch | None:
    start, end = 0, len(piece.sound)
    if piece.find_speech:
        if not spans:
            return None
        start, end = max(0, spans[0][0] - AROUND_SPEECH), spans[-1][1] + AROUND_SPEECH
    sound = piece.sound[start:end]
    return Stretch(place, start, sound, piece.options) if len(sound) >= LEAST_SOUND else None


def _takes(
    model: WhisperModel, stretches: Sequence[Stretch]
) -> tuple[list[Take], dict[int, tuple[str, float]]]:
    encoded = encode(model, [stretch.sound for stretch in stretches])
    unknown = [place for place, stretch in enumerate(stretches) if stretch.options.language is None]
    detected = dict(zip(unknown, model.detect([encoded[place] for place in unknown]), strict=True))
    takes: list[Take] = []
    languages: dict[int, tuple[str, float]] = {}
    for place, stretch in enumerate(stretches):
        options = stretch.options
        language, confidence = detected.get(place) or (options.language or "en", 1.0)
        languages[stretch.piece] = language, confidence
        before = _before(model, language, options)
        takes.append(Take(stretch.sound, encoded[place], language, options.task, before, options.temperature))
    return takes, languages


def _before(model: WhisperModel, language: str, options: Options) -> Tokens:
    """The caller's prompt, or the end of it, as text that was written just before."""
    if not options.prompt or not options.prompt.strip():
        return ()
    vocabulary = model.vocabulary(language, options.task)
    text = vocabulary.encode(f" {options.prompt.strip()}")
    return (vocabulary.sot_prev, *text[1 - model.most_tokens :])


def _revised(model: WhisperModel, pieces: Sequence[Piece], parts: Sequence[Part]) -> list[Part]:
    """With the hot-words each piece asks for."""
    wishes = [
        Wishes(pieces[part.piece].options.hotwords, spaced=bool(separator_of(part.decoded.take.written_in)))
        for part in parts
    ]
    decoded = revised(model, [part.decoded for part in parts], wishes)
    return [replace(part, decoded=found) for part, found in zip(parts, decoded, strict=True)]


def _segments(model: WhisperModel, pieces: Sequence[Piece], parts: Sequence[Part]) -> list[list[Segment]]:
    found: list[list[Segment]] = [[] for _ in pieces]
    timed = [place for place, part in enumerate(parts) if pieces[part.piece].options.word_times]
    words = dict(zip(timed, word_times(model, [parts[place].decoded for place in timed]), strict=True))
    for place, part in enumerate(parts):
        end_ms = milliseconds(len(pieces[part.piece].sound))
        by_phrase = words.get(place) or [[] for _ in part.decoded.phrases]
        for phrase, own in zip(part.decoded.phrases, by_phrase, strict=True):
            segment = _segment(model, part, phrase, own)
            if segment.text:
                earliest_ms = found[part.piece][-1].end_ms if found[part.piece] else 0
                found[part.piece].append(segment.within(earliest_ms, end_ms))
    return found


def _segment(model: WhisperModel, part: Part, phrase: Phrase, words: Sequence[Word]) -> Segment:
    decoded = part.decoded
    vocabulary = model.vocabulary(decoded.take.language, decoded.take.task)
    segment = Segment(
        # The words know better than the phrase.
        start_ms=words[0].start_ms if words else milliseconds(phrase.start),
        end_ms=words[-1].end_ms if words else milliseconds(phrase.end),
        text=vocabulary.decode(phrase.tokens).strip(),
        words=tuple(words),
        avg_logprob=decoded.avg_logprob,
        no_speech_probability=decoded.no_speech_probability,
        compression_ratio=decoded.compression_ratio,
        temperature=decoded.temperature,
        tokens=phrase.tokens,
        flags=decoded.flags,
    )
    return segment.shifted(milliseconds(part.start))


def _heard(
    language: tuple[str, float] | None, segments: Sequence[Segment], spans: Sequence[tuple[int, int]]
) -> Heard:
    code, confidence = language if segments and language else (None, None)
    speech_ms = tuple((milliseconds(first), milliseconds(last)) for first, last in spans)
    return Heard(code, confidence, tuple(segments), speech_ms)
