"""Routes that say which models and providers can be used here, and why others cannot."""

from typing import Literal

from fastapi import APIRouter

from stentor_common.catalog import Offer, OfferRepository
from stentor_common.requests import ReaderDep, RuntimeDep
from stentor_common.wire import Wire

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
    loaded: bool
    """Whether a worker holds it in memory."""
    reason: str
    """Why it is not available, and what to do."""


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


@router.get("/models")
async def list_models(runtime: RuntimeDep, _: ReaderDep) -> ModelList:
    """Every model this installation knows, available or not."""
    offers = await _known(runtime)
    return ModelList(object="list", data=[_model(offer) for offer in offers if offer.model])


@router.get("/providers")
async def list_providers(runtime: RuntimeDep, _: ReaderDep) -> ProviderList:
    """Engines here and vendors outside that `provider` may name."""
    offers = await _known(runtime)
    names = dict.fromkeys((offer.capability, offer.provider) for offer in offers)
    return ProviderList(object="list", data=[_provider(offers, *name) for name in names])


async def _known(runtime: RuntimeDep) -> list[Offer]:
    async with runtime.db.reading() as session:
        return list(await OfferRepository(session).known(runtime.clock.now()))


def _model(offer: Offer) -> ModelView:
    return ModelView(
        id=offer.model,
        object="model",
        created=0,
        owned_by=offer.provider,
        capability=offer.capability,
        available=offer.available,
        loaded=offer.loaded,
        reason=offer.reason,
    )


def _provider(offers: list[Offer], capability: str, provider: str) -> ProviderView:
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
