"""Puts speech to text together: settings in, routes, handlers and upkeep out."""

from stentor_common.problems import ErrorStyle
from stentor_common.runtime import Runtime
from stentor_common.service import Service
from stentor_common.settings import Settings
from stentor_common.sweep import Sweep
from stentor_common.webhooks import CallbackStyle
from stentor_stt import api, callbacks, desk, pieces, vocabulary_api
from stentor_stt.audio import Decoder
from stentor_stt.contracts import octoai, slashml
from stentor_stt.contracts.aiml import api as aiml
from stentor_stt.contracts.assemblyai import api as assemblyai
from stentor_stt.contracts.deepgram import api as deepgram
from stentor_stt.contracts.deepgram import live as deepgram_live
from stentor_stt.contracts.deepspeech import api as deepspeech
from stentor_stt.contracts.deepspeech import mic as deepspeech_mic
from stentor_stt.contracts.openai import api as openai
from stentor_stt.contracts.openai import realtime as openai_realtime
from stentor_stt.hearing import Ears, LocalHearer
from stentor_stt.jobs import TranscribeHandler
from stentor_stt.live import api as live_api
from stentor_stt.live.desk import LiveDesk
from stentor_stt.providers import PROVIDERS, choose_model
from stentor_stt.serving import batchers, encoder_maker, offers, open_room
from stentor_stt.settings import SttSettings
from stentor_stt.transcriptions import KIND, queue_of

CONTRACTS = (
    api,
    live_api,
    vocabulary_api,
    slashml,
    openai,
    aiml,
    octoai,
    deepspeech,
    assemblyai,
    deepgram,
    deepgram_live,
    openai_realtime,
    deepspeech_mic,
)
"""Each has a `router`, a `file_router` for forms with a file, a `raw_router` for bodies that are one, or
several of them; one that has its own words for errors `ERROR_STYLES`, by path prefix; one that has its own
words for webhooks `CALLBACKS`, by style."""


def build_service(settings: Settings, stt: SttSettings, decoder: Decoder | None = None) -> Service:
    room = open_room(settings, stt)
    hearer = LocalHearer(batchers(room, stt))
    own_decoder = decoder or Decoder()
    handler = TranscribeHandler(stt, hearer, own_decoder, encoder_maker(settings, stt))

    async def start(runtime: Runtime) -> None:
        for batcher in hearer.batchers.values():
            batcher.tell(runtime.metrics)
        for model in stt.preload:
            await room.slots[choose_model(model, stt)].load()

    async def close() -> None:
        await hearer.close()
        await handler.close()
        if own_decoder is not decoder:
            await own_decoder.close()
        await room.close()

    return Service(
        name="stt",
        settings=stt,
        routers=[contract.router for contract in CONTRACTS if hasattr(contract, "router")],
        file_routers=[contract.file_router for contract in CONTRACTS if hasattr(contract, "file_router")],
        raw_routers=[contract.raw_router for contract in CONTRACTS if hasattr(contract, "raw_router")],
        handlers={KIND: handler},
        queues={queue_of(model): stt.jobs_at_once for model in room.slots},
        error_styles=_error_styles(),
        callbacks=_callbacks(),
        answers=octoai.ANSWERS,
        desk={**slashml.DESK, **desk.answers(stt)},
        sweeps=[Sweep("stt-pieces", 60, pieces.sweep)],
        offers=lambda: [
            *offers(settings, stt, room, hearer.batchers),
            *PROVIDERS.offers(stt.provider_aliases),
        ],
        model_name=lambda name: choose_model(name, stt),
        engines=room,
        answerers=hearer.answerers(),
        resources=[Ears(hearer, room), LiveDesk(stt)],
        start=start,
        close=close,
    )


def _callbacks() -> dict[str, CallbackStyle]:
    styles = dict(callbacks.CALLBACKS)
    for contract in CONTRACTS:
        styles |= getattr(contract, "CALLBACKS", {})
    return styles


def _error_styles() -> dict[str, ErrorStyle]:
    styles: dict[str, ErrorStyle] = {}
    for contract in CONTRACTS:
        styles |= getattr(contract, "ERROR_STYLES", {})
    return styles
