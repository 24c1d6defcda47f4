"""Routes that tell which voices there are, and let them be heard."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from stentor_common.catalog_api import CatalogDep
from stentor_common.errors import NotFound
from stentor_common.requests import ReaderDep, WriterDep, public_base
from stentor_tts.api import SOUND, RepertoireDep
from stentor_tts.schemas import VoiceList, VoiceNames, VoiceView
from stentor_tts.script import Markup
from stentor_tts.speeches import Repertoire, Wish
from stentor_tts.streaming import StageDep, StreamResponse, open_stream
from stentor_tts.views import voice_view

router = APIRouter(prefix="/v1", tags=["text to speech"])


@router.get("/voices")
async def list_voices(
    request: Request,
    repertoire: RepertoireDep,
    catalog: CatalogDep,
    _: ReaderDep,
    language: Annotated[str | None, Query(max_length=35)] = None,
) -> VoiceList:
    """Every voice, the default first; with `language` those that speak it."""
    views = await _views(request, repertoire, catalog)
    spoken = [voice.id for voice in repertoire.catalog if not language or voice.speaks(language)]
    return VoiceList(object="list", data=[view for view in views if view.id in spoken])


@router.get("/audio/voices")
async def list_voice_names(
    request: Request, repertoire: RepertoireDep, catalog: CatalogDep, _: ReaderDep
) -> VoiceNames:
    """The same, where and as programs look for it that speak OpenAI's contract to other servers."""
    return VoiceNames(voices=list(await _views(request, repertoire, catalog)))


@router.get("/voices/{voice_id}")
async def read_voice(
    voice_id: str, request: Request, repertoire: RepertoireDep, catalog: CatalogDep, _: ReaderDep
) -> VoiceView:
    """One voice, by its id."""
    for view in await _views(request, repertoire, catalog):
        if view.id == voice_id:
            return view
    raise NotFound(_no_voice(voice_id, repertoire))


@router.get("/voices/{voice_id}/sample", response_class=StreamingResponse, responses=SOUND)
async def read_sample(
    voice_id: str,
    request: Request,
    stage: StageDep,
    caller: WriterDep,
    format: Annotated[str, Query(max_length=16)] = "mp3",
) -> Response:
    """A sentence in which the voice says its name."""
    voice = next((each for each in stage.repertoire.catalog if each.id == voice_id), None)
    if voice is None:
        raise NotFound(_no_voice(voice_id, stage.repertoire))
    wish = Wish(voice=voice.id, markup=Markup.text, format=format)
    sound = await open_stream(stage, request, caller, voice.sample_text, wish, shared=True)
    return StreamResponse(sound, sound.headers)


async def _views(request: Request, repertoire: Repertoire, catalog: CatalogDep) -> Sequence[VoiceView]:
    offers = await catalog.offers()
    return [voice_view(voice, offers, public_base(request)) for voice in repertoire.catalog]


def _no_voice(name: str, repertoire: Repertoire) -> str:
    known = ", ".join(voice.id for voice in repertoire.catalog)
    return f"there is no voice {name[:64]!r}; there are {known}"
