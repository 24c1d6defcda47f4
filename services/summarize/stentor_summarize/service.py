"""Puts summaries together: settings in, routes, handlers and upkeep out."""

from stentor_common.problems import ErrorStyle
from stentor_common.runtime import Runtime
from stentor_common.service import Service
from stentor_common.settings import Settings
from stentor_common.sweep import Sweep
from stentor_summarize import api, callbacks, inputs, parts
from stentor_summarize.answering import desk
from stentor_summarize.contracts import slashml
from stentor_summarize.jobs import SummarizeHandler
from stentor_summarize.providers import PROVIDERS, choose_model
from stentor_summarize.serving import offers, open_room
from stentor_summarize.settings import SummarizeSettings
from stentor_summarize.summaries import KIND, queue_of

CONTRACTS = (api, slashml)
"""Each has a `router`, and a `raw_router` for bodies that hold a text or a file; one that has its own words
for errors `ERROR_STYLES`, by path prefix."""


def build_service(settings: Settings, own: SummarizeSettings) -> Service:
    """Raises BadInput for models that cannot be served."""
    room = open_room(settings, own)
    handler = SummarizeHandler(own, room)

    async def start(_: Runtime) -> None:
        for model in own.preload:
            await room.slots[choose_model(model, own.models)].load()

    async def close() -> None:
        await handler.close()
        await room.close()

    return Service(
        name="summarize",
        settings=own,
        routers=[contract.router for contract in CONTRACTS],
        raw_routers=[contract.raw_router for contract in CONTRACTS],
        handlers={KIND: handler},
        queues={queue_of(model): own.jobs_at_once for model in room.slots},
        error_styles=_error_styles(),
        callbacks=callbacks.CALLBACKS,
        desk=desk(own),
        sweeps=[
            Sweep("summarize-inputs", inputs.SWEEP_SECONDS, inputs.sweep),
            Sweep("summarize-parts", 60, parts.sweep),
        ],
        offers=lambda: [
            *offers(settings, own, room, handler.jobs),
            *PROVIDERS.offers(own.provider_aliases),
        ],
        model_name=lambda name: choose_model(name, own.models),
        engines=room,
        start=start,
        close=close,
    )


def _error_styles() -> dict[str, ErrorStyle]:
    styles: dict[str, ErrorStyle] = {}
    for contract in CONTRACTS:
        styles |= getattr(contract, "ERROR_STYLES", {})
    return styles
