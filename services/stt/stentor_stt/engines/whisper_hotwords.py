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
from stentor_stt.engines.whisper_decoding import Decoded, Take, question
from stentor_stt.engines.whisper_model import Question, Reading, Tokens, WhisperModel
from stentor_stt.transcript import separator_of

HYPOTHESES = 5
"""Texts by a decoder that knows the hot-words in which they are looked for."""
WAYS_ROUND = 3
"""How often the decoder is asked for something else than what is to be avoided."""
ROUNDS = 3
"""Changes beside each other may make up what is to be avoided; then there is another round."""
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
    """An edit of one of the drafts."""

    draft: Draft
    edit: Edit
    written: tuple[Written, ...]
    """What comes in place of the words."""

    def words(self) -> tuple[Written, ...]:
        words = self.draft.words
        return (*words[: self.edit.first], *self.written, *words[self.edit.last :])


def revised(model: WhisperModel, parts: Sequence[Decoded], wishes: Sequence[Wishes]) -> list[Decoded]:
    """Each part as its wishes want it; those without wishes as they are."""
    found = list(parts)
    waiting = [place for place, each in enumerate(wishes) if each]
    for _ in range(ROUNDS):
        drafts = [_draft(model, found[place], wishes[place]) for place in waiting]
        if not drafts:
            break
        for place, part in zip(waiting, _changed(model, drafts), strict=True):
            found[place] = part
        waiting = [
            place
            for place in waiting
            if wishes[place].avoided(_draft(model, found[place], wishes[place]).texts)
        ]
    return found


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


def _changed(model: WhisperModel, drafts: Sequence[Draft]) -> list[Decoded]:
    changes = [change for draft in drafts for change in _changes(model, draft)]
    readings = [_reading(draft, draft.words) for draft in drafts]
    readings += [_reading(change.draft, change.words()) for change in changes]
    logprobs = _logprobs(model, readings)
    before = dict(zip(map(id, drafts), logprobs, strict=False))
    gained: dict[int, list[tuple[float, Change]]] = {id(draft): [] for draft in drafts}
    for change, logprob in zip(changes, logprobs[len(drafts) :], strict=True):
        gained[id(change.draft)].append((logprob - before[id(change.draft)], change))
    return [_with_best(draft, gained[id(draft)]) for draft in drafts]


def _changes(model: WhisperModel, draft: Draft) -> list[Change]:
    """Every edit that brings what is wished, once."""
    edits = [*_hinted(model, draft), *_ways_round(model, draft), *draft.wishes.alike(draft.texts)]
    return [
        Change(draft, edit, _written(model, draft, edit))
        for edit in dict.fromkeys(edits)
        if draft.wishes.better(draft.texts, edit) > 0
    ]


def _hinted(model: WhisperModel, draft: Draft) -> list[Edit]:
    """What the decoder writes otherwise when it is told the hot-words."""
    if not draft.wishes.wanted:
        return []
    (answer,) = model.generate([draft.asked], hypotheses=HYPOTHESES)
    return [
        edit for hypothesis in answer.hypotheses for edit in _differences(model, draft, hypothesis.tokens)
    ]


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


def _logprobs(model: WhisperModel, readings: Sequence[Reading]) -> list[float]:
    """Of each text. To say nothing is certain, to say too much impossible."""
    possible = [each for each in readings if each.text and model.fits(each)]
    aligned = {id(each): found for each, found in zip(possible, model.align(possible), strict=True)}
    return [
        sum(math.log(max(each, IMPOSSIBLE)) for each in aligned[id(reading)].probabilities)
        if id(reading) in aligned
        else (-math.inf if reading.text else 0.0)
        for reading in readings
    ]


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
