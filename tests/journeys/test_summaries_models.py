"""Models that make summaries, as operators and users see them."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from stentor_common.errors import BadInput
from stentor_common.settings import Settings
from stentor_common.testing import eventually
from stentor_summarize.service import build_service
from stentor_summarize.settings import SummarizeSettings

PATH = "/v1/summaries"
WAIT = {"Prefer": "wait=20"}
TEXT = "The tide table hung beside the door. Nobody had looked at it since the harbour was closed."
TOKEN = "the operator's own token"
OPERATOR = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def changed_settings() -> dict[str, Any]:
    return {"admin_token": TOKEN}


@pytest.fixture
def scripted_summaries(tmp_path: Path, changed_summarize_settings: dict[str, Any]) -> SummarizeSettings:
    """Two models, of which the second picks sentences and is loaded at the start."""
    paths = [tmp_path / name for name in ("writes.json", "picks.json")]
    paths[0].write_text(json.dumps({"texts": ["Closed."]}))
    paths[1].write_text(json.dumps({"kind": "extractive"}))
    models = [f"scripted:{path}" for path in paths]
    return SummarizeSettings(models=models, preload=[models[1]], **changed_summarize_settings)


@pytest.fixture
def writes(tmp_path: Path) -> str:
    return str(tmp_path / "writes.json")


@pytest.fixture
def picks(tmp_path: Path) -> str:
    return str(tmp_path / "picks.json")


async def loaded(client: httpx2.AsyncClient, *names: str) -> dict[str, bool]:
    listed = (await client.get("/v1/models")).json()["data"]
    return {each["id"]: each["loaded"] for each in listed if each["id"] in names}


async def test_each_summary_is_made_by_the_model_that_was_asked_for(
    client: httpx2.AsyncClient, writes: str, picks: str
) -> None:
    for asked, kind in (
        ({}, "abstractive"),
        ({"model": writes}, "abstractive"),
        ({"model": picks}, "extractive"),
    ):
        found = (await client.post(PATH, json={"text": TEXT} | asked, headers=WAIT)).json()
        assert (found["status"], found["kind"]) == ("completed", kind)


async def test_a_model_that_is_to_be_there_from_the_start_is(
    client: httpx2.AsyncClient, writes: str, picks: str
) -> None:
    async def there() -> bool:
        return await loaded(client, writes, picks) == {writes: False, picks: True}

    await eventually(there)


async def test_the_operator_loads_and_unloads(client: httpx2.AsyncClient, writes: str) -> None:
    done = await client.post(f"/v1/models/{writes}/load", json={"pinned": True}, headers=OPERATOR)
    assert (done.status_code, done.json()["loaded"], done.json()["pinned"]) == (200, True, True)
    done = await client.post(f"/v1/models/{writes}/unload", headers=OPERATOR)
    assert (done.status_code, done.json()["loaded"]) == (200, False)


@pytest.mark.parametrize("changed_summarize_settings", [{"idle_unload_seconds": 0}])
async def test_an_idle_model_gives_its_memory_back(client: httpx2.AsyncClient, writes: str) -> None:
    await client.post(PATH, json={"text": TEXT}, headers=WAIT)

    async def gone() -> bool:
        return await loaded(client, writes) == {writes: False}

    await eventually(gone)


@pytest.mark.parametrize("changed_summarize_settings", [{"model_memory_mib": 900}])
async def test_models_make_room_for_each_other(client: httpx2.AsyncClient, writes: str, picks: str) -> None:
    for name in (writes, picks, writes):
        found = (await client.post(PATH, json={"text": TEXT, "model": name}, headers=WAIT)).json()
        assert found["status"] == "completed"
        assert await loaded(client, writes, picks) == {writes: name == writes, picks: name == picks}


@pytest.mark.parametrize(
    ("models", "said"),
    [
        (["facebook/bart-large-cnn"], "transformers:facebook/bart-large-cnn"),
        (["extractive", "minilm"], "more than once"),
        (["transformers:"], "write its engine before it"),
    ],
)
def test_models_that_cannot_be_served_are_told_at_the_start(models: list[str], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        build_service(Settings(), SummarizeSettings(models=models))


async def test_a_model_that_is_nowhere_says_how_to_get_it(tmp_path: Path) -> None:
    settings = SummarizeSettings(models=["transformers:nobody/nothing"], offline=True, model_dir=tmp_path)
    service = build_service(Settings(data_dir=tmp_path), settings)
    offer = next(each for each in service.offers() if each.model)
    assert (offer.available, offer.model) == (False, "nobody/nothing")
    assert "models/nobody/nothing" in offer.reason
    assert service.close
    await service.close()
