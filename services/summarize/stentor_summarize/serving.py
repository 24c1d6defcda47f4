"""The models that are served: how each is made and kept, and what is told about them."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from stentor_common.adapters import missing
from stentor_common.catalog import Offer
from stentor_common.engine_room import MIB, EngineRoom, status_of
from stentor_common.engines import Care
from stentor_common.hosting import measured
from stentor_common.settings import Settings
from stentor_summarize.engines import ENGINES, IN_PROCESS, Engine, EngineSettings, make_engine
from stentor_summarize.engines.hosted import HostedEngine
from stentor_summarize.models import advice, find
from stentor_summarize.providers import CAPABILITY, LOCAL, ServedModel
from stentor_summarize.settings import SummarizeSettings

BESIDE_WEIGHTS_BYTES = 500 * MIB
"""What an engine's process fills with libraries and with what it makes of a text. With MiniLM it was 663 MiB
after a text of three million characters; it is less after short ones."""


def open_room(settings: Settings, own: SummarizeSettings) -> EngineRoom[Engine]:
    """Every served model by its one name, none of them loaded. Raises BadInput."""
    room: EngineRoom[Engine] = EngineRoom(own.model_memory_mib * MIB)
    for served in ServedModel.all(own.models):
        care: Care[Engine] = Care(
            idle_seconds=own.idle_unload_seconds,
            estimate=partial(estimated_bytes, served, model_dir(settings, own)),
            measure=measured,
        )
        room.add(served.model, _maker(served, settings, own), care)
    return room


def estimated_bytes(served: ServedModel, folder: Path) -> int:
    """What a model fills once it is loaded: never less than its weights."""
    here = find(served.engine, served.model, folder)
    return BESIDE_WEIGHTS_BYTES + (here.size_bytes if here else 0)


def offers(
    settings: Settings, own: SummarizeSettings, room: EngineRoom[Engine], jobs: Mapping[str, int]
) -> list[Offer]:
    """What this process would do with each model, and does; `jobs` says how many each works for."""
    found = []
    for served in ServedModel.all(own.models):
        source, reason = _source(served, settings, own)
        status = status_of(room.slots[served.model], jobs[served.model], source)
        found.append(Offer(CAPABILITY, LOCAL, served.model, not reason, reason, status))
    return found


def model_dir(settings: Settings, own: SummarizeSettings) -> Path:
    return own.model_dir or settings.data_dir


def _source(served: ServedModel, settings: Settings, own: SummarizeSettings) -> tuple[str, str]:
    """Where the weights come from, and why they cannot be used."""
    if served.engine in IN_PROCESS:
        return "", ""
    folder = model_dir(settings, own)
    here = find(served.engine, served.model, folder)
    source = here.source.value if here else ("" if own.offline else "hub")
    reason = missing(ENGINES, served.engine)
    # Weights that are nowhere on this machine may still come from the hub.
    return source, reason or ("" if source else advice(served.engine, served.model, folder))


def _maker(served: ServedModel, settings: Settings, own: SummarizeSettings) -> Callable[[], Engine]:
    engine_settings = EngineSettings(
        model=served.model,
        data_dir=model_dir(settings, own),
        device=own.device,
        dtype=own.dtype,
        threads=own.threads,
        context_tokens=own.context_tokens,
        offline=own.offline,
    )

    def make() -> Engine:
        if served.engine in IN_PROCESS:
            return make_engine(served.engine, engine_settings)
        return HostedEngine(served.engine, engine_settings)

    return make
