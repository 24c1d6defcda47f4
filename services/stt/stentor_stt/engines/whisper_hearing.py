"""Pieces of sound to what they say: the steps of Whisper, each for all pieces at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stentor_stt.engines import Heard, Piece
from stentor_stt.engines.hotwords import Wishes
from stentor_stt.engines.whisper_coverage import Part, decode_through
from stentor_stt.engines.whisper_decoding import Take, encode, speech
from stentor_stt.engines.whisper_hotwords import revised
from stentor_stt.engines.whisper_model import Tokens, WhisperModel
from stentor_stt.options import Options
from stentor_stt.sound import SAMPLE_RATE, Sound, milliseconds
from stentor_stt.transcript import Segment, separator_of

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
        (stretch.piece, replace(part, start=stretch.start + part.start))
        for stretch, found in zip(stretches, decode_through(model, takes), strict=True)
        for part in found
        if not part.decoded.silent
    ]
    wishes = [_wishes(part, pieces[piece].options) for piece, part in parts]
    segments: list[list[Segment]] = [[] for _ in pieces]
    for (piece, _), part in zip(parts, revised(model, [part for _, part in parts], wishes), strict=True):
        segments[piece] += _segments(model, part, pieces[piece].options)
    return [
        _heard(languages.get(place), _in_order(segments[place], piece), spans[place])
        for place, piece in enumerate(pieces)
    ]


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


def _wishes(part: Part, options: Options) -> Wishes:
    return Wishes(options.hotwords, spaced=bool(separator_of(part.decoded.take.written_in)))


def _segments(model: WhisperModel, part: Part, options: Options) -> list[Segment]:
    decoded = part.decoded
    vocabulary = model.vocabulary(decoded.take.language, decoded.take.task)
    return [
        Segment(
            # The words know better than the phrase.
            start_ms=words[0].start_ms if words else milliseconds(phrase.start),
            end_ms=words[-1].end_ms if words else milliseconds(phrase.end),
            text=vocabulary.decode(phrase.tokens).strip(),
            words=tuple(words) if options.word_times else (),
            avg_logprob=decoded.avg_logprob,
            no_speech_probability=decoded.no_speech_probability,
            compression_ratio=decoded.compression_ratio,
            temperature=decoded.temperature,
            tokens=phrase.tokens,
            flags=decoded.flags,
        ).shifted(milliseconds(part.start))
        for phrase, words in zip(decoded.phrases, part.words, strict=True)
    ]


def _in_order(segments: Sequence[Segment], piece: Piece) -> list[Segment]:
    """As they were said, none into another or beyond the sound."""
    end_ms = milliseconds(len(piece.sound))
    found: list[Segment] = []
    for segment in sorted(segments, key=lambda each: each.start_ms):
        placed = segment.within(found[-1].end_ms if found else 0, end_ms)
        # What takes no time was made up.
        if placed.text and placed.end_ms > placed.start_ms:
            found.append(placed)
    return found


def _heard(
    language: tuple[str, float] | None, segments: Sequence[Segment], spans: Sequence[tuple[int, int]]
) -> Heard:
    code, confidence = language if segments and language else (None, None)
    speech_ms = tuple((milliseconds(first), milliseconds(last)) for first, last in spans)
    return Heard(code, confidence, tuple(segments), speech_ms)
