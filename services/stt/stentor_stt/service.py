"""Puts speech to text together: settings in, routes, handlers and upkeep out."""

import os
from collections.abc import Mapping
from pathlib import Path

from stentor_common.adapters import missing, resolve
from stentor_common.catalog import Offer
from stentor_common.engines import EngineSlot
from stentor_common.problems import ErrorStyle
from stentor_common.service import Service
from stentor_common.settings import Settings
from stentor_common.sweep import Sweep
from stentor_stt import api, uploads
from stentor_stt.contracts import slashml
from stentor_stt.engines import ENGINES, Engine, EngineSettings
from stentor_stt.jobs import TranscribeHandler
from stentor_stt.models import ModelShelf, canonical, hub_cache_folder
from stentor_stt.providers import CAPABILITY, LOCAL, vendor_offers
from stentor_stt.settings import SttSettings
from stentor_stt.transcriptions import KIND, queue_of

CONTRACTS = (api, slashml)
"""Each has a `router`; one whose requests may carry files a `file_router`; one that has its own words for
errors `ERROR_STYLES`, by path prefix."""


def build_service(settings: Settings, stt: SttSettings) -> Service:
    slots = {canonical(model): _slot(model, settings, stt) for model in stt.models}
    handler = TranscribeHandler(stt, slots)

    async def start() -> None:
        if stt.preload:
            await next(iter(slots.values())).load()

    return Service(
        name="stt",
        settings=stt,
        routers=[contract.router for contract in CONTRACTS],
        file_routers=[contract.file_router for contract in CONTRACTS if hasattr(contract, "file_router")],
        handlers={KIND: handler},
        queues={queue_of(model): stt.jobs_at_once for model in slots},
        error_styles=_error_styles(),
        sweeps=[Sweep("stt-uploads", 60, uploads.sweep)],
        offers=lambda: [*_offers(settings, stt, slots), *vendor_offers(stt.provider_aliases)],
        start=start,
        close=handler.close,
    )


def _error_styles() -> dict[str, ErrorStyle]:
    styles: dict[str, ErrorStyle] = {}
    for contract in CONTRACTS:
        styles |= getattr(contract, "ERROR_STYLES", {})
    return styles


def _slot(model: str, settings: Settings, stt: SttSettings) -> EngineSlot[Engine]:
    engine_settings = EngineSettings(
        model=model,
        data_dir=_model_dir(settings, stt),
        device=stt.device,
        compute_type=stt.compute_type,
        threads=stt.threads,
        beam_size=stt.beam_size,
        offline=stt.offline,
    )

    def make() -> Engine:
        engine: Engine = resolve(ENGINES, stt.engine)(engine_settings)
        return engine

    return EngineSlot(make, idle_seconds=stt.idle_unload_seconds)


def _offers(settings: Settings, stt: SttSettings, slots: Mapping[str, EngineSlot[Engine]]) -> list[Offer]:
    shelf = ModelShelf(_model_dir(settings, stt), hub_cache=hub_cache_folder(os.environ))
    offers = []
    for name, slot in slots.items():
        reason = missing(ENGINES, stt.engine) or _missing_weights(shelf, stt, name)
        offers.append(Offer(CAPABILITY, LOCAL, name, not reason, reason, slot.loaded))
    return offers


def _missing_weights(shelf: ModelShelf, stt: SttSettings, name: str) -> str:
    """Why a model cannot be loaded here; empty when it can."""
    if stt.engine != "faster-whisper" or not stt.offline:
        # Weights that are nowhere on this machine may still come from the hub.
        return ""
    return "" if shelf.has(name) else shelf.advice(name)


def _model_dir(settings: Settings, stt: SttSettings) -> Path:
    return stt.model_dir or settings.data_dir
