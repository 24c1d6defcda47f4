"""What can be used: told by every process, read as one list."""

import uuid
from dataclasses import replace

import httpx2

from stentor_common.catalog import FORGET, FRESH, ModelStatus, Offer, OfferRepository
from stentor_common.clock import ManualClock
from stentor_common.engines import EngineState
from stentor_common.runtime import Runtime
from stentor_common.serve import background
from stentor_common.service import Service
from stentor_common.testing import eventually

HERE = Offer("speech-to-text", "whisper", "base", available=True, reason="")
WITHOUT = Offer("speech-to-text", "whisper", "base", available=False, reason="needs faster_whisper")
LOADED = Offer(
    *("speech-to-text", "whisper", "base"),
    available=True,
    reason="",
    status=ModelStatus(EngineState.loaded, copies=1, memory_bytes=100, jobs=2, source="package"),
)
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


async def test_a_model_has_the_status_of_all_who_hold_it_together(
    runtime: Runtime, clock: ManualClock
) -> None:
    used = clock.now()
    other = ModelStatus(EngineState.loading, pinned=True, jobs=1, last_used=used)
    await report(runtime, LOADED)
    await report(runtime, LOADED)
    await report(runtime, replace(HERE, status=other))
    (found,) = await known(runtime)
    assert found.status == ModelStatus(
        EngineState.loaded,
        pinned=True,
        copies=2,
        memory_bytes=200,
        jobs=5,
        last_used=used,
        source="package",
    )


async def test_a_process_that_fell_silent_holds_nothing(runtime: Runtime, clock: ManualClock) -> None:
    await report(runtime, LOADED)
    clock.advance(seconds=FRESH.total_seconds() + 1)
    (found,) = await known(runtime)
    assert found.status == ModelStatus(source="package")


async def test_what_a_process_says_now_counts_more_than_its_report(runtime: Runtime) -> None:
    process_id = await report(runtime, LOADED)
    async with runtime.db.reading() as session:
        found = await OfferRepository(session).known(runtime.clock.now(), [HERE], process_id)
    assert found == [HERE]


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
    (base,) = (model for model in models["data"] if model["id"] == "base")
    assert base == {
        "id": "base",
        "object": "model",
        "created": 0,
        "owned_by": "whisper",
        "capability": "speech-to-text",
        "available": True,
        "reason": "",
        "loaded": True,
        "status": "loaded",
        "pinned": False,
        "copies": 1,
        "memory_bytes": 100,
        "jobs": 2,
        "last_used": None,
        "source": "package",
    }
    providers = {each["id"]: each for each in (await api.get("/v1/providers")).json()["data"]}
    assert "base" in providers["whisper"]["models"]
    assert (providers["aws"]["available"], providers["aws"]["reason"]) == (
        False,
        "needs credentials that this installation does not have",
    )
