"""What can be used: told by every process, read as one list."""

import uuid

import httpx2

from stentor_common.catalog import FORGET, FRESH, Offer, OfferRepository
from stentor_common.clock import ManualClock
from stentor_common.runtime import Runtime
from stentor_common.serve import background
from stentor_common.service import Service
from stentor_common.testing import eventually

HERE = Offer("speech-to-text", "whisper", "base", available=True, reason="")
WITHOUT = Offer("speech-to-text", "whisper", "base", available=False, reason="needs faster_whisper")
LOADED = Offer("speech-to-text", "whisper", "base", available=True, reason="", loaded=True)
VENDOR = Offer("speech-to-text", "aws", "", available=False, reason="not set up")


async def report(runtime: Runtime, *offers: Offer, process_id: uuid.UUID | None = None) -> uuid.UUID:
    process_id = process_id or uuid.uuid4()
    async with runtime.begin() as work:
        await OfferRepository(work.session).report(process_id, offers, runtime.clock.now())
    return process_id


async def known(runtime: Runtime) -> list[Offer]:
    async with runtime.db.reading() as session:
        return list(await OfferRepository(session).known(runtime.clock.now()))


async def test_each_offer_is_told_once_in_the_best_light(runtime: Runtime) -> None:
    for offer in (HERE, LOADED, WITHOUT):
        await report(runtime, offer, VENDOR)
    assert await known(runtime) == [VENDOR, LOADED]


async def test_a_process_replaces_what_it_said(runtime: Runtime) -> None:
    process_id = await report(runtime, LOADED)
    await report(runtime, WITHOUT, process_id=process_id)
    assert await known(runtime) == [WITHOUT]


async def test_what_nobody_has_reported_for_long_is_not_available(
    runtime: Runtime, clock: ManualClock
) -> None:
    await report(runtime, HERE)
    clock.advance(seconds=FRESH.total_seconds() + 1)
    (found,) = await known(runtime)
    assert not found.available
    assert "no worker has reported it since" in found.reason


async def test_what_is_long_gone_is_forgotten(runtime: Runtime, clock: ManualClock) -> None:
    await report(runtime, HERE)
    clock.advance(seconds=FORGET.total_seconds() + 1)
    await report(runtime, VENDOR)
    assert await known(runtime) == [VENDOR]


async def test_a_process_that_ends_takes_its_offers_back(runtime: Runtime, clock: ManualClock) -> None:
    service = Service(name="test", offers=lambda: [LOADED])

    async def told() -> bool:
        return bool(await known(runtime))

    async with background(runtime, [service]):
        await eventually(told)
        assert await known(runtime) == [LOADED]
    clock.advance(seconds=1)
    (found,) = await known(runtime)
    assert (found.available, found.loaded) == (False, False)


async def test_models_and_providers_are_listed_with_reasons(
    api: httpx2.AsyncClient, runtime: Runtime
) -> None:
    await report(runtime, LOADED, VENDOR)
    models = (await api.get("/v1/models")).json()
    assert models["object"] == "list"
    assert [(model["id"], model["owned_by"], model["loaded"]) for model in models["data"]] == [
        ("base", "whisper", True)
    ]
    providers = {each["id"]: each for each in (await api.get("/v1/providers")).json()["data"]}
    assert providers["whisper"]["models"] == ["base"]
    assert (providers["aws"]["available"], providers["aws"]["reason"]) == (False, "not set up")
