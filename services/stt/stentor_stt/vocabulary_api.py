"""Routes of the native contract: /v1/vocabularies."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from stentor_common.requests import ReaderDep, RuntimeDep, WriterDep
from stentor_stt import vocabularies
from stentor_stt.fields import hotwords_of, spellings_of
from stentor_stt.schemas import VocabularyList, VocabularyRequest, VocabularyView
from stentor_stt.tables import Vocabulary

router = APIRouter(prefix="/v1/vocabularies", tags=["speech to text"])

NameDep = Annotated[str, Path(pattern=r"^[\w.-]{1,64}$")]


@router.put("/{name}")
async def save_vocabulary(
    name: NameDep, wanted: VocabularyRequest, runtime: RuntimeDep, caller: WriterDep
) -> VocabularyView:
    """Save hot-words and spellings under a name, or replace them; `vocabulary` in a request names it."""
    hotwords, spelling = hotwords_of(wanted.hotwords), spellings_of(wanted.spelling)
    return _view(await vocabularies.save(runtime, caller, name, hotwords, spelling))


@router.get("")
async def list_vocabularies(runtime: RuntimeDep, caller: ReaderDep) -> VocabularyList:
    """Your vocabularies, by name."""
    found = await vocabularies.listed(runtime, caller)
    return VocabularyList(object="list", data=[_view(vocabulary) for vocabulary in found])


@router.get("/{name}")
async def read_vocabulary(name: NameDep, runtime: RuntimeDep, caller: ReaderDep) -> VocabularyView:
    return _view(await vocabularies.get(runtime, caller, name))


@router.delete("/{name}", status_code=204, response_class=Response)
async def delete_vocabulary(name: NameDep, runtime: RuntimeDep, caller: WriterDep) -> None:
    """Delete a vocabulary. Transcriptions that named it keep what it held."""
    await vocabularies.delete(runtime, caller, name)


def _view(vocabulary: Vocabulary) -> VocabularyView:
    fields = {name: getattr(vocabulary, name) for name in VocabularyView.model_fields if name != "object"}
    return VocabularyView.model_validate({"object": "vocabulary", **fields})
