"""Text changed towards the words that a request listens for, and away from those it avoids.

Every change is a few words of what was decoded, replaced. It is made when the log probability that the text
gains by it, which is mostly a loss, and the boosts of the hot-words it brings or takes away are above zero
together. Changes come from what else the decoder might have written, from what sounds like a hot-word, and,
for a word that is to be avoided, from leaving it out.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from stentor_stt.engines.hotwords import Edit, Wishes, differences
from stentor_stt.engines.whisper_coverage import Part
from stentor_stt.engines.whisper_decoding import Decoded, Take, question
from stentor_stt.engines.whisper_model import Question, Reading, Tokens, WhisperModel
from stentor_stt.engines.whisper_words import word_times
from stentor_stt.transcript import separator_of

HYPOTHESES = 5
"""Texts by a decoder that knows the hot-words in which they are looked for."""
WAYS_ROUND = 3
"""How often the decoder is asked for something else than what is to be avoided."""
MOST_ROUNDS = 3
"""Changes beside each other may make up what is to be avoided; then it is gone through again."""
MOST_TOLD = 100
"""Tokens of hot-words, and of the caller's prompt after them, that the decoder is told."""

SENTENCE_END = re.compile(r"[.!?]\W*$")
IMPOSSIBLE = 1e-10
"""Least probability of a token that is told from nothing."""


@dataclass(frozen=True, slots=True)
class Written:
    """A word as it stands in the text, and which phrase it belongs to."""

    text: str
    tokens: Tokens
    phrase: int


@dataclass(frozen=True, slots=True)
class Draft:
    """What was decoded, word by word, and what is wished."""

    part: Decoded
    words: tuple[Written, ...]
    wishes: Wishes
    asked: Question
    """What the decoder is given when it is told the hot-words."""

    @property
    def texts(self) -> list[str]:
        return [word.text for word in self.words]

    @property
    def space(self) -> str:
        return separator_of(self.part.take.written_in)


@dataclass(frozen=True, slots=True)
class Change:
    """An edit that brings what is wished."""

    edit: Edit
    written: tuple[Written, ...]
    """What comes in place of the words."""

    def made(self, words: Sequence[Written]) -> tuple[Written, ...]:
        return (*words[: self.edit.first], *self.written, *words[self.edit.last :])


def revised(model: WhisperModel, parts: Sequence[Part], wishes: Sequence[Wishes]) -> list[Part]:
    """Each part as its wishes want it; those without wishes as they are."""
    found = list(parts)
    waiting = [place for place, part in enumerate(parts) if wishes[place] and part.decoded.phrases]
    drafts = [_draft(model, parts[place].decoded, wishes[place]) for place in waiting]
    hinted = _hinted(model, drafts)
    decoded = [_rounds(model, draft, hints) for draft, hints in zip(drafts, hinted, strict=True)]
    for place, part, words in zip(waiting, decoded, word_times(model, decoded), strict=True):
        found[place] = Part(parts[place].start, part, words)
    return found


def _rounds(model: WhisperModel, draft: Draft, hints: Sequence[Edit]) -> Decoded:
    for _ in range(MOST_ROUNDS):
        part = _changed(model, draft, hints)
        if part is draft.part:
            break
        draft, hints = _draft(model, part, draft.wishes), ()
        if not draft.wishes.avoided(draft.texts):
            break
    return draft.part


def _draft(model: WhisperModel, part: Decoded, wishes: Wishes) -> Draft:
    words = tuple(
        Written(text, tokens, number)
        for number, phrase in enumerate(part.phrases)
        for text, tokens in _words(model, part.take, phrase.tokens)
    )
    return Draft(part, words, wishes, question(model, _told(model, part.take, wishes)))


def _told(model: WhisperModel, take: Take, wishes: Wishes) -> Take:
    """The take whose decoder is to believe that it has just written all the hot-words."""
    if not wishes.wanted:
        return take
    vocabulary = model.vocabulary(take.language, take.task)
    hotwords = vocabulary.encode(" " + ", ".join(wishes.wanted))[:MOST_TOLD]
    return replace(take, before=(vocabulary.sot_prev, *hotwords, *take.before[1:][-MOST_TOLD:]))


def _words(model: WhisperModel, take: Take, tokens: Sequence[int]) -> list[tuple[str, Tokens]]:
    """The text by word; in languages without spaces, by character."""
    vocabulary = model.vocabulary(take.written_in, take.task)
    words: list[tuple[str, Tokens]] = []
    for text, own in zip(*vocabulary.split_to_word_tokens(list(tokens)), strict=True):
        if words and separator_of(take.written_in) and not text.startswith(" "):
            before, earlier = words.pop()
            text, own = before + text, [*earlier, *own]
        words.append((text.strip(), tuple(own)))
    return words


def _hinted(model: WhisperModel, drafts: Sequence[Draft]) -> list[list[Edit]]:
    """What the decoder writes otherwise when it is told the hot-words."""
    hinted = [place for place, draft in enumerate(drafts) if draft.wishes.wanted]
    answers = model.generate([drafts[place].asked for place in hinted], hypotheses=HYPOTHESES)
    found: list[list[Edit]] = [[] for _ in drafts]
    for place, answer in zip(hinted, answers, strict=True):
        for hypothesis in answer.hypotheses:
            found[place] += _differences(model, drafts[place], hypothesis.tokens)
    return found


def _changed(model: WhisperModel, draft: Draft, hints: Sequence[Edit]) -> Decoded:
    edits = [*hints, *_ways_round(model, draft), *draft.wishes.alike(draft.texts)]
    changes = [
        Change(edit, _written(model, draft, edit))
        for edit in dict.fromkeys(edits)
        if draft.wishes.better(draft.texts, edit) > 0
    ]
    return _with_best(draft, list(zip(_gains(model, draft, changes), changes, strict=True)))


def _ways_round(model: WhisperModel, draft: Draft) -> list[Edit]:
    """What the decoder writes when it may not write what is to be avoided, and the same left out."""
    words: Sequence[tuple[str, Tokens]] = [(word.text, word.tokens) for word in draft.words]
    edits = [Edit(first, last, "") for first, last in draft.wishes.avoided(draft.texts)]
    suppressed: set[int] = set()
    for _ in range(WAYS_ROUND):
        avoided = draft.wishes.avoided([text for text, _ in words])
        if not avoided:
            break
        # Without the token it begins with; it may come back in other tokens.
        suppressed |= {words[first][1][0] for first, _ in avoided}
        (answer,) = model.generate([draft.asked], suppressed=tuple(suppressed))
        edits += _differences(model, draft, answer.hypotheses[0].tokens)
        words = _words(model, draft.part.take, _text(model, draft, answer.hypotheses[0].tokens))
    return edits


def _differences(model: WhisperModel, draft: Draft, tokens: Tokens) -> list[Edit]:
    others = _words(model, draft.part.take, _text(model, draft, tokens))
    return differences(draft.texts, [text for text, _ in others], draft.space)


def _text(model: WhisperModel, draft: Draft, tokens: Tokens) -> list[int]:
    end = model.vocabulary(draft.part.take.language, draft.part.take.task).eot
    return [token for token in tokens if token < end]


def _written(model: WhisperModel, draft: Draft, edit: Edit) -> tuple[Written, ...]:
    """The edit's text as it fits in: with the mark after the words it replaces, and a capital for theirs."""
    if not edit.text:
        return ()
    replaced = draft.words[edit.first : edit.last]
    before = draft.words[: edit.first]
    text = edit.text
    if replaced:
        if text.islower() and replaced[0].text[:1].isupper() and _begins_sentence(before):
            text = text[:1].upper() + text[1:]
        text += "" if _marks_after(text) else _marks_after(replaced[-1].text)
    take = draft.part.take
    tokens = model.vocabulary(take.language, take.task).encode(draft.space + text)
    beside = (*replaced, *before[-1:], *draft.words)[0]
    return (Written(text, tuple(tokens), beside.phrase),)


def _marks_after(text: str) -> str:
    return re.sub(r"^.*\w", "", text)


def _begins_sentence(before: Sequence[Written]) -> bool:
    return not before or bool(SENTENCE_END.search(before[-1].text))


def _reading(draft: Draft, words: Iterable[Written]) -> Reading:
    text = tuple(token for word in words for token in word.tokens)
    return Reading(draft.asked.encoded, draft.part.take.frames, draft.asked.prompt, text)


def _gains(model: WhisperModel, draft: Draft, changes: Sequence[Change]) -> list[float]:
    """What each change adds to the log probability of the text."""
    before = _reading(draft, draft.words)
    after = [_reading(draft, change.made(draft.words)) for change in changes]
    now, *then = _logprobs(model, [before, *after])
    gains = [each - now for each in then]
    # A shorter text is always more probable, unless one asks how probable its end is.
    last = [place for place, change in enumerate(changes) if change.edit.last == len(draft.words)]
    if last:
        end, *ends = model.endings([before, *(after[place] for place in last)])
        for place, each in zip(last, ends, strict=True):
            gains[place] += each - end
    return gains


def _logprobs(model: WhisperModel, readings: Sequence[Reading]) -> list[float]:
    """Of each text. To say nothing is certain, to say too much impossible."""
    said = [reading for reading in readings if reading.text and model.fits(reading)]
    aligned = iter(model.align(said))
    found: list[float] = []
    for reading in readings:
        if not reading.text:
            found.append(0.0)
        elif model.fits(reading):
            found.append(sum(math.log(max(each, IMPOSSIBLE)) for each in next(aligned).probabilities))
        else:
            found.append(-math.inf)
    return found


def _with_best(draft: Draft, gained: Sequence[tuple[float, Change]]) -> Decoded:
    """With the changes made that are worth most and do not touch each other."""
    worth = [
        (logprob + draft.wishes.better(draft.texts, change.edit), logprob, change)
        for logprob, change in gained
    ]
    chosen: list[tuple[float, Change]] = []
    for total, logprob, change in sorted(worth, key=lambda each: -each[0]):
        if total > 0 and not any(change.edit.overlaps(other.edit) for _, other in chosen):
            chosen.append((logprob, change))
    words = list(draft.words)
    # From the end, so that places before it still count.
    for _, change in sorted(chosen, key=lambda each: -each[1].edit.first):
        words[change.edit.first : change.edit.last] = change.written
    return _rewritten(draft.part, words, sum(logprob for logprob, _ in chosen)) if chosen else draft.part


def _rewritten(part: Decoded, words: Sequence[Written], gained: float) -> Decoded:
    phrases = [
        replace(
            phrase, tokens=tuple(token for word in words if word.phrase == number for token in word.tokens)
        )
        for number, phrase in enumerate(part.phrases)
    ]
    count = sum(len(phrase.tokens) for phrase in part.phrases)
    return replace(
        part,
        phrases=tuple(phrase for phrase in phrases if phrase.tokens),
        avg_logprob=part.avg_logprob + gained / (count + 1),
    )
