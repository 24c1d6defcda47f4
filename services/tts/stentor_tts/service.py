"""Puts text to speech together: settings in, routes, handlers and upkeep out."""

from typing import Any

from stentor_common.errors import BadInput
from stentor_common.runtime import Runtime
from stentor_common.service import Service
from stentor_common.settings import Settings
from stentor_tts import api, callbacks, desk, voice_api
from stentor_tts.contracts import aiml, slashml
from stentor_tts.contracts.openai import api as openai
from stentor_tts.jobs import SpeakHandler
from stentor_tts.providers import PROVIDERS, choose_model, queue_of
from stentor_tts.serving import batchers, offers, open_room
from stentor_tts.settings import TtsSettings
from stentor_tts.sounds import sweep_of
from stentor_tts.speaking import LocalSpeaker, Mouths
from stentor_tts.speeches import KIND, Repertoire
from stentor_tts.streaming import StreamPlaces
from stentor_tts.voices import VoiceCatalog, WrongVoice

CONTRACTS = (api, voice_api, openai, aiml, slashml)
"""Each has a `router`, a `raw_router` for bodies with long texts, or both; one that has its own words for
errors `ERROR_STYLES`, by path prefix."""


def build_service(settings: Settings, tts: TtsSettings) -> Service:
    """Raises BadInput when a voice in the settings cannot be understood."""
    try:
        catalog = VoiceCatalog.of(tts)
    except WrongVoice as error:
        raise BadInput(f"STENTOR_TTS_VOICES: {error}") from error
    repertoire = Repertoire(tts, catalog)
    room = open_room(settings, tts, catalog)
    speaker = LocalSpeaker(batchers(room))

    async def start(runtime: Runtime) -> None:
        for batcher in speaker.batchers.values():
            batcher.tell(runtime.metrics)
        for name in tts.preload:
            await room.slots[choose_model(name, catalog)].load()

    async def close() -> None:
        await speaker.close()
        await room.close()

    return Service(
        name="tts",
        settings=tts,
        routers=_each("router"),
        raw_routers=_each("raw_router"),
        handlers={KIND: SpeakHandler(repertoire, speaker)},
        queues={queue_of(model): tts.jobs_at_once for model in room.slots},
        error_styles={prefix: style for each in _each("ERROR_STYLES") for prefix, style in each.items()},
        callbacks=callbacks.CALLBACKS,
        answers=desk.LATER,
        desk=desk.answers(repertoire),
        sweeps=[sweep_of(tts)],
        offers=lambda: [
            *offers(settings, tts, catalog, room, speaker.batchers),
            *PROVIDERS.offers(tts.provider_aliases),
        ],
        model_name=lambda name: choose_model(name, catalog),
        engines=room,
        answerers=speaker.answerers(),
        resources=[repertoire, Mouths(speaker, room), StreamPlaces(tts)],
        start=start,
        close=close,
    )


def _each(name: str) -> list[Any]:
    return [getattr(contract, name) for contract in CONTRACTS if hasattr(contract, name)]
