"""The models that are served: how each is made and kept, and what is told about them."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from stentor_common.adapters import missing, resolve
from stentor_common.batching import BatchLimits
from stentor_common.catalog import Offer
from stentor_common.engine_room import MIB, EngineRoom, status_of
from stentor_common.engines import Care
from stentor_common.hosting import measured
from stentor_common.settings import Settings
from stentor_common.shelf import ModelShelf, hub_cache_folder
from stentor_stt.batching import Batcher
from stentor_stt.engines import ENGINES, IN_PROCESS, Engine, EngineSettings, make_engine
from stentor_stt.engines.hosted import HostedEngine
from stentor_stt.models import canonical, whisper_shelf
from stentor_stt.providers import CAPABILITY, LOCAL
from stentor_stt.settings import SttSettings
from stentor_stt.voices import ENCODERS, Encoder

VOICE_ENCODER = "ge2e"

BESIDE_WEIGHTS_BYTES = 250 * MIB
"""What an engine's process fills with libraries and with what it makes of sound. With whisper-base, whose
weights are 139 MiB, it filled 335 MiB after one piece and 540 after a batch of eight."""


def open_room(settings: Settings, stt: SttSettings) -> EngineRoom[Engine]:
    """Every served model by its one name, none of them loaded."""
    room: EngineRoom[Engine] = EngineRoom(stt.model_memory_mib * MIB)
    shelf = shelf_of(settings, stt)
    for model in stt.models:
        name = canonical(model)
        care: Care[Engine] = Care(
            idle_seconds=stt.idle_unload_seconds,
            estimate=partial(estimated_bytes, shelf, name),
            measure=measured,
        )
        room.add(name, _maker(model, settings, stt), care)
    return room


def batchers(room: EngineRoom[Engine], stt: SttSettings) -> dict[str, Batcher]:
    limits = BatchLimits(stt.batch, stt.batch_seconds)
    return {name: Batcher(slot, limits) for name, slot in room.slots.items()}


def encoder_maker(settings: Settings, stt: SttSettings) -> Callable[[], Encoder]:
    """Makes what tells voices apart, not loaded."""
    name = "scripted" if stt.engine in IN_PROCESS else VOICE_ENCODER

    def make() -> Encoder:
        encoder: Encoder = resolve(ENCODERS, name)(_model_dir(settings, stt))
        return encoder

    return make


def estimated_bytes(shelf: ModelShelf, name: str) -> int:
    """What a model fills once it is loaded: never less than its weights, whatever number format they
    become."""
    here = shelf.find(name)
    return BESIDE_WEIGHTS_BYTES + (here.size_bytes if here else 0)


def offers(
    settings: Settings, stt: SttSettings, room: EngineRoom[Engine], hearing: Mapping[str, Batcher]
) -> list[Offer]:
    """What this process would do with each model, and does."""
    shelf = shelf_of(settings, stt)
    found = []
    for name, slot in room.slots.items():
        here = shelf.find(name)
        source = here.source.value if here else ("" if stt.offline else "hub")
        reason = missing(ENGINES, stt.engine)
        # Weights that are nowhere on this machine may still come from the hub.
        if not reason and stt.engine not in IN_PROCESS and not source:
            reason = shelf.advice(name)
        status = status_of(slot, hearing[name].jobs, source)
        found.append(Offer(CAPABILITY, LOCAL, name, not reason, reason, status))
    return found


def shelf_of(settings: Settings, stt: SttSettings) -> ModelShelf:
    return whisper_shelf(_model_dir(settings, stt), hub_cache_folder(os.environ))


def _maker(model: str, settings: Settings, stt: SttSettings) -> Callable[[], Engine]:
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
        if stt.engine not in IN_PROCESS:
            return HostedEngine(stt.engine, engine_settings)
        return make_engine(stt.engine, engine_settings)

    return make


def _model_dir(settings: Settings, stt: SttSettings) -> Path:
    return stt.model_dir or settings.data_dir
