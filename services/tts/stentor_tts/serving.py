"""The models that are served: how each is made and kept, and what is told about them."""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from stentor_common.adapters import missing
from stentor_common.batching import Batcher, BatchLimits
from stentor_common.catalog import Offer
from stentor_common.engine_room import MIB, EngineRoom, status_of
from stentor_common.engines import Care
from stentor_common.hosting import measured
from stentor_common.settings import Settings
from stentor_tts.engines import ENGINES, IN_PROCESS, Engine, EngineSettings, make_engine
from stentor_tts.engines.hosted import HostedEngine
from stentor_tts.models import advice, can_be_fetched, coqui_python, coqui_reason, find
from stentor_tts.providers import CAPABILITY, LOCAL, model_of
from stentor_tts.settings import TtsSettings
from stentor_tts.speaking import SPEAKING, EngineBatcher
from stentor_tts.voices import Voice, VoiceCatalog

BESIDE_WEIGHTS_BYTES = 330 * MIB
"""What an engine's process fills beside its weights, at most: with hibari, whose weights are 8 MiB, it filled
241 MiB after ten sentences, with a voice of Piper of 60 MiB 386."""

ONE_BY_ONE = BatchLimits(pieces=1)
"""Sentences are said one after the other: engines gain nothing from several at once, and whoever comes new
waits for one sentence at most."""


def open_room(settings: Settings, tts: TtsSettings, catalog: VoiceCatalog) -> EngineRoom[Engine]:
    """The model of every voice, none of them loaded."""
    room: EngineRoom[Engine] = EngineRoom(tts.model_memory_mib * MIB)
    for name, voice in _by_model(catalog).items():
        care: Care[Engine] = Care(
            idle_seconds=tts.idle_unload_seconds,
            estimate=partial(estimated_bytes, voice, model_dir(settings, tts)),
            measure=measured,
        )
        room.add(name, _maker(voice, settings, tts), care)
    return room


def batchers(room: EngineRoom[Engine]) -> dict[str, EngineBatcher]:
    return {name: Batcher(slot, SPEAKING, ONE_BY_ONE) for name, slot in room.slots.items()}


def estimated_bytes(voice: Voice, folder: Path) -> int:
    """What the model of a voice fills once it is loaded."""
    here = find(voice.engine, voice.model, folder)
    return BESIDE_WEIGHTS_BYTES + (here.size_bytes if here else 0)


def offers(
    settings: Settings,
    tts: TtsSettings,
    catalog: VoiceCatalog,
    room: EngineRoom[Engine],
    speaking: Mapping[str, EngineBatcher],
) -> list[Offer]:
    """What this process would do with each model, and does."""
    found = []
    for name, voice in _by_model(catalog).items():
        source, reason = _found(voice, settings, tts)
        status = status_of(room.slots[name], speaking[name].jobs, source)
        found.append(Offer(CAPABILITY, LOCAL, name, not reason, reason, status))
    return found


def model_dir(settings: Settings, tts: TtsSettings) -> Path:
    return tts.model_dir or settings.data_dir


def _found(voice: Voice, settings: Settings, tts: TtsSettings) -> tuple[str, str]:
    """Where a voice's model comes from, and why it cannot be used."""
    if voice.engine in IN_PROCESS:
        return "", ""
    here = find(voice.engine, voice.model, model_dir(settings, tts))
    source = here.source.value if here else ""
    if not source and not tts.offline and can_be_fetched(voice.engine, voice.model):
        source = "hub"
    reason = coqui_reason(tts.coqui_python) if voice.engine == "coqui" else missing(ENGINES, voice.engine)
    if not reason and not source:
        reason = advice(voice.engine, voice.model)
    return source, reason


def _by_model(catalog: VoiceCatalog) -> dict[str, Voice]:
    """The first voice of each model, by the model's name."""
    found: dict[str, Voice] = {}
    for voice in catalog:
        found.setdefault(model_of(voice), voice)
    return found


def _maker(voice: Voice, settings: Settings, tts: TtsSettings) -> Callable[[], Engine]:
    own_python = coqui_python(tts.coqui_python, Path(sys.prefix)) if voice.engine == "coqui" else None
    engine_settings = EngineSettings(
        model=voice.model,
        data_dir=model_dir(settings, tts),
        device=tts.device,
        threads=tts.threads,
        offline=tts.offline,
        python=own_python,
        accepted_licences=frozenset(tts.accepted_licences),
    )

    def make() -> Engine:
        if voice.engine not in IN_PROCESS:
            return HostedEngine(voice.engine, engine_settings)
        return make_engine(voice.engine, engine_settings)

    return make
