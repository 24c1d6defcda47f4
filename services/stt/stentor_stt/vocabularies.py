"""Named vocabularies: hot-words and spellings that a user saves once and names in requests."""

import uuid
from collections.abc import Sequence
from dataclasses import asdict, replace

from stentor_common.auth import Caller
from stentor_common.errors import BadInput, NotFound
from stentor_common.runtime import Runtime
from stentor_stt.options import Hotword, Options, Spelling
from stentor_stt.repository import VocabularyRepository
from stentor_stt.tables import Vocabulary

MOST = 100
"""Vocabularies of one user."""


class UnknownVocabulary(NotFound):
    code = "vocabulary_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"you have no vocabulary {name[:64]!r}; make it with PUT /v1/vocabularies/{{name}}",
            param="vocabulary",
        )


async def save(
    runtime: Runtime, caller: Caller, name: str, hotwords: Sequence[Hotword], spelling: Sequence[Spelling]
) -> Vocabulary:
    """Make a vocabulary, or replace what it holds. Raises Unauthenticated, BadInput."""
    owner_id, now = caller.need_user(), runtime.clock.now()
    async with runtime.begin() as work:
        vocabularies = VocabularyRepository(work.session)
        found = await vocabularies.find(owner_id, name)
        if found is None:
            if len(await vocabularies.listed(owner_id)) >= MOST:
                raise BadInput(f"you have {MOST} vocabularies, which is the limit; delete one first")
            found = Vocabulary(id=uuid.uuid4(), owner_id=owner_id, name=name, created_at=now)
            vocabularies.add(found)
        found.hotwords = [asdict(hotword) for hotword in hotwords]
        found.spelling = [asdict(each) for each in spelling]
        found.modified_at = now
    return found


async def get(runtime: Runtime, caller: Caller, name: str) -> Vocabulary:
    """Raises Unauthenticated, UnknownVocabulary."""
    owner_id = caller.need_user()
    async with runtime.db.reading() as session:
        found = await VocabularyRepository(session).find(owner_id, name)
    if found is None:
        raise UnknownVocabulary(name)
    return found


async def listed(runtime: Runtime, caller: Caller) -> Sequence[Vocabulary]:
    """By name. Raises Unauthenticated."""
    owner_id = caller.need_user()
    async with runtime.db.reading() as session:
        return await VocabularyRepository(session).listed(owner_id)


async def delete(runtime: Runtime, caller: Caller, name: str) -> None:
    """Raises Unauthenticated, UnknownVocabulary."""
    found = await get(runtime, caller, name)
    async with runtime.begin() as work:
        await VocabularyRepository(work.session).delete(found)


async def with_vocabulary(runtime: Runtime, caller: Caller, name: str | None, options: Options) -> Options:
    """The same options with what the vocabulary of that name holds; the request's own entries win.

    Raises Unauthenticated, UnknownVocabulary.
    """
    if name is None:
        return options
    found = await get(runtime, caller, name)
    named = {hotword.text.lower() for hotword in options.hotwords}
    spelled = {each.heard.lower() for each in options.spelling}
    saved_hotwords = (Hotword(**each) for each in found.hotwords)
    saved_spelling = (Spelling(**each) for each in found.spelling)
    return replace(
        options,
        hotwords=(*options.hotwords, *(each for each in saved_hotwords if each.text.lower() not in named)),
        spelling=(*options.spelling, *(each for each in saved_spelling if each.heard.lower() not in spelled)),
    )
