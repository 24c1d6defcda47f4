"""Routes that say which models and providers can be used here and why others cannot, and that let the
operator load and unload models."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Response
from starlette.requests import HTTPConnection

from stentor_common.catalog import Offer, OfferRepository, UnknownModel
from stentor_common.engines import EngineInUse, EngineSlot, EngineState
from stentor_common.errors import NotFound
from stentor_common.requests import ReaderDep, RuntimeDep, need_operator
from stentor_common.runtime import Runtime
from stentor_common.service import Service
from stentor_common.wire import Wire
from stentor_common.wishes import MODELS_CHANGED, WishRepository, slots_of

router = APIRouter(prefix="/v1", tags=["catalog"])


class ModelView(Wire):
    id: str
    object: Literal["model"]
    created: int
    """Always 0: models here have no date of their own."""
    owned_by: str
    """The provider that runs it."""
    capability: str
    available: bool
    reason: str
    """Why it is not available, and what to do."""
    loaded: bool
    """Whether a worker holds it in memory."""
    status: EngineState
    """`idle` is loaded by its next use."""
    pinned: bool
    """Whether it stays in memory without being used."""
    copies: int
    """How many workers hold it."""
    memory_bytes: int | None
    """What it fills in all of them; null when nobody can tell."""
    jobs: int
    """Jobs and live sessions it works for now."""
    last_used: datetime | None
    source: str
    """Where its weights come from: `package`, `folder`, `hub cache`, `hub`."""


class ModelList(Wire):
    object: Literal["list"]
    data: list[ModelView]


class ProviderView(Wire):
    id: str
    object: Literal["provider"]
    capability: str
    available: bool
    reason: str
    """Why it is not available, and what to do."""
    models: list[str]


class ProviderList(Wire):
    object: Literal["list"]
    data: list[ProviderView]


class LoadRequest(Wire):
    pinned: bool | None = None
    """True keeps the model in memory from now on, over restarts too; false lets it go when it is idle."""


class Catalog:
    """What all processes offer, with this one as it is at the moment."""

    def __init__(self, runtime: Runtime, services: Sequence[Service]) -> None:
        self._runtime = runtime
        self._services = services
        holding = [s for s in services if s.engines and (runtime.settings.embedded or s.engines.at_work)]
        self.slots: dict[str, EngineSlot[Any]] = slots_of(holding)
        """The models that this process itself holds, or would."""

    async def offers(self) -> Sequence[Offer]:
        own = [offer for service in self._services for offer in await asyncio.to_thread(service.offers)]
        async with self._runtime.db.reading() as session:
            known = OfferRepository(session).known
            return await known(self._runtime.clock.now(), own, self._runtime.process_id)

    async def model(self, asked: str) -> Offer:
        """The model of that name, or of one that callers may use for it. Raises UnknownModel."""
        models = {offer.model: offer for offer in await self.offers() if offer.model}
        for name in (asked, *self._own_names(asked)):
            if name in models:
                return models[name]
        raise UnknownModel(asked, sorted(models))

    def _own_names(self, asked: str) -> list[str]:
        names = []
        for service in self._services:
            try:
                names += [service.model_name(asked)] if service.model_name else []
            except NotFound:
                continue
        return names


async def get_catalog(connection: HTTPConnection, runtime: RuntimeDep) -> Catalog:
    return Catalog(runtime, connection.app.state.services)


CatalogDep = Annotated[Catalog, Depends(get_catalog)]


@router.get("/models")
async def list_models(catalog: CatalogDep, _: ReaderDep) -> ModelList:
    """Every model this installation knows, available or not, and what it does now."""
    offers = await catalog.offers()
    return ModelList(object="list", data=[_model(offer) for offer in offers if offer.model])


@router.get("/models/{model:path}")
async def read_model(model: str, catalog: CatalogDep, _: ReaderDep) -> ModelView:
    """One model, by its name or another name for it."""
    return _model(await catalog.model(model))


@router.post("/models/{model:path}/load", dependencies=[Depends(need_operator)])
async def load_model(
    model: str, response: Response, runtime: RuntimeDep, catalog: CatalogDep, body: LoadRequest | None = None
) -> ModelView:
    """Bring a model into memory before it is needed. For the operator.

    Where this process holds it, answers 200 once it is loaded. Otherwise 202: the workers do it now.
    """
    name = (await catalog.model(model)).model
    pin = body.pinned if body else None
    if name in catalog.slots:
        await catalog.slots[name].load(pin=pin)
    async with runtime.begin() as work:
        await WishRepository(work.session).load(name, runtime.clock.now(), pin=pin)
        work.announce(MODELS_CHANGED)
    return await _told(name, response, catalog)


@router.post("/models/{model:path}/unload", dependencies=[Depends(need_operator)])
async def unload_model(model: str, response: Response, runtime: RuntimeDep, catalog: CatalogDep) -> ModelView:
    """Give a model's memory back, and unpin it. For the operator. Its next use loads it again.

    A model in use stays, and the answer is 409. Where other processes hold it the answer is 202, and one
    that has begun to use it meanwhile keeps it.
    """
    found = await catalog.model(model)
    if found.status.jobs:
        raise EngineInUse(found.model)
    if found.model in catalog.slots:
        await catalog.slots[found.model].unload()
    async with runtime.begin() as work:
        await WishRepository(work.session).unload(found.model, runtime.clock.now())
        work.announce(MODELS_CHANGED)
    return await _told(found.model, response, catalog)


@router.get("/providers")
async def list_providers(catalog: CatalogDep, _: ReaderDep) -> ProviderList:
    """Engines here and vendors outside that `provider` may name."""
    offers = await catalog.offers()
    names = dict.fromkeys((offer.capability, offer.provider) for offer in offers)
    return ProviderList(object="list", data=[_provider(offers, *name) for name in names])


async def _told(name: str, response: Response, catalog: Catalog) -> ModelView:
    if name not in catalog.slots:
        response.status_code = 202
    return _model(await catalog.model(name))


def _model(offer: Offer) -> ModelView:
    status = offer.status
    return ModelView(
        id=offer.model,
        object="model",
        created=0,
        owned_by=offer.provider,
        capability=offer.capability,
        available=offer.available,
        reason=offer.reason,
        loaded=offer.loaded,
        status=status.state,
        pinned=status.pinned,
        copies=status.copies,
        memory_bytes=status.memory_bytes,
        jobs=status.jobs,
        last_used=status.last_used,
        source=status.source,
    )


def _provider(offers: Sequence[Offer], capability: str, provider: str) -> ProviderView:
    its = [offer for offer in offers if (offer.capability, offer.provider) == (capability, provider)]
    available = any(offer.available for offer in its)
    return ProviderView(
        id=provider,
        object="provider",
        capability=capability,
        available=available,
        reason="" if available else its[0].reason,
        models=[offer.model for offer in its if offer.model],
    )
