"""Revisions of a deployment: calls move between them; builds wait, stop, go on, and say what they do."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from stentor_common.clock import ManualClock
from stentor_common.runtime import Runtime
from stentor_common.service import Service
from stentor_common.settings import Settings
from stentor_common.sweep import sweep_jobs
from stentor_common.testing import eventually
from stentor_deploy.jobs import settle, tidy
from stentor_deploy.package_files import PackageFiles
from stentor_deploy.place import Opened, Place
from stentor_deploy.repository import RevisionRepository
from stentor_deploy.settings import DeploySettings
from stentor_deploy.testing_place import package

Headers = dict[str, str]
SignUp = Callable[[str], Awaitable[Headers]]

DEPLOYMENTS = "/v1/deployments"
BASE = f"{DEPLOYMENTS}/model"
ASKING = """
class Model:
    def __init__(self, secrets):
        self.secrets = secrets
    def predict(self, model_input):
        return self.secrets["API_KEY"]
"""
CONFIG = "secrets:\n  API_KEY: null\nresources: {}\n"


def saying(word: str) -> str:
    return (
        f"class Model:\n    def predict(self, model_input):\n        print('asked')\n        return '{word}'"
    )


@pytest.fixture
def services(installed: list[Service]) -> list[Service]:
    return installed


@pytest.fixture
async def owner(sign_up: SignUp) -> Headers:
    return await sign_up("ada")


class Owner:
    """Deploys under the name `model`."""

    def __init__(self, client: httpx2.AsyncClient, headers: Headers) -> None:
        self.client, self.headers = client, headers
        self.number = 0

    async def add(
        self, code: str, *, until: str = "ready", files: Any = None, **fields: Any
    ) -> dict[str, Any]:
        """Another revision, once it is in that state."""
        self.number += 1
        path = DEPLOYMENTS if self.number == 1 else f"{BASE}/revisions"
        packed = package(code, **(files or {}))
        data = fields | ({"name": "model"} if self.number == 1 else {})
        headers = self.headers | ({} if until == "building" else {"Prefer": "wait=30"})
        made = await self.client.post(
            path, headers=headers, files={"archive": ("model.tgz", packed)}, data=data
        )
        assert made.status_code == 202, made.text
        return await self.until(until, self.number)

    async def until(self, status: str, number: int = 1) -> dict[str, Any]:
        over = ("ready", "needs_secrets", "build_failed", "load_failed", "stopped")

        async def look() -> dict[str, Any] | None:
            found = await self.get(f"revisions/{number}")
            return found if found["status"] == status or found["status"] in over else None

        found = await eventually(look)
        assert found
        assert found["status"] == status, found["reason"]
        return found

    async def get(self, path: str = "", **given: Any) -> dict[str, Any]:
        answer = await self.client.get(f"{BASE}/{path}".rstrip("/"), headers=self.headers, **given)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def send(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        return await self.client.request(method, f"{BASE}/{path}", headers=self.headers, json=body)

    async def said(self, revision: str = "") -> Any:
        answer = await self.client.post(
            f"{BASE}/predict", headers=self.headers, json=0, params={"revision": revision} if revision else {}
        )
        return answer.json()


@pytest.fixture
def model(client: httpx2.AsyncClient, owner: Headers) -> Owner:
    return Owner(client, owner)


@pytest.fixture
async def held(opened: Opened) -> asyncio.Event:
    """Builds stand still until it is set."""
    environments: Any = opened.environments
    environments.gate.clear()
    gate: asyncio.Event = environments.gate
    return gate


async def test_a_new_revision_gets_all_calls_once_it_is_ready(model: Owner) -> None:
    await model.add(saying("one"))
    assert await model.said() == "one"
    second = await model.add(saying("two"))
    assert (second["number"], second["percent"]) == (2, 100)
    assert await model.said() == "two"
    assert await model.said("1") == "one"
    assert [each["percent"] for each in (await model.get("revisions"))["data"]] == [0, 100]


async def test_one_that_is_not_promoted_is_called_by_its_number_alone(model: Owner) -> None:
    first = await model.add(saying("one"))
    await model.add(saying("two"), promote="false")
    assert (await model.said(), await model.said("2"), await model.said(first["id"])) == ("one", "two", "one")


async def test_one_that_fails_leaves_the_calls_where_they_are(model: Owner) -> None:
    await model.add(saying("one"))
    await model.add("class Model: ...", until="load_failed")
    assert await model.said() == "one"
    assert (await model.get())["latest"]["status"] == "load_failed"
    assert (await model.get())["status"] in ("idle", "ready")


async def test_calls_move_by_promotion_and_back_by_rollback(model: Owner) -> None:
    await model.add(saying("one"))
    await model.add(saying("two"), promote="false")
    assert (await model.send("POST", "promote", {"revision": 2})).json()["traffic"] == {"2": 100}
    assert await model.said() == "two"
    assert (await model.send("POST", "rollback")).json()["traffic"] == {"1": 100}
    assert await model.said() == "one"


async def test_calls_are_shared_by_percent(model: Owner) -> None:
    await model.add(saying("one"))
    await model.add(saying("two"), promote="false")
    shared = await model.send("PUT", "traffic", {"traffic": {"1": 50, "2": 50}})
    assert shared.json()["traffic"] == {"1": 50, "2": 50}
    assert {await model.said() for _ in range(20)} == {"one", "two"}


@pytest.mark.parametrize(
    ("traffic", "status", "said"),
    [
        ({"1": 90}, 400, "together must be 100"),
        ({"1": 50, "7": 50}, 404, "no revision '7'"),
        ({"1": 50, "2": 50}, 409, "build_failed"),
        ({}, 400, "traffic"),
    ],
)
async def test_calls_go_only_where_they_can_be_answered(
    model: Owner, traffic: dict[str, int], status: int, said: str
) -> None:
    await model.add(saying("one"))
    await model.add(saying("two"), requirements="unknown-library", until="build_failed")
    refused = await model.send("PUT", "traffic", {"traffic": traffic})
    assert refused.status_code == status
    assert said in refused.json()["error"]["message"]


async def test_there_is_nothing_to_roll_back_after_the_first(model: Owner) -> None:
    await model.add(saying("one"))
    assert (await model.send("POST", "rollback")).status_code == 409


async def test_one_without_calls_can_be_deleted(model: Owner) -> None:
    await model.add(saying("one"))
    await model.add(saying("two"))
    assert (await model.send("DELETE", "revisions/2")).status_code == 409
    assert (await model.send("DELETE", "revisions/1")).status_code == 204
    assert (await model.send("GET", "revisions/1")).status_code == 404
    assert (await model.said("1"))["error"]["code"] == "not_found"
    assert await model.said() == "two"


async def test_a_build_waits_for_secrets_and_goes_on_with_them(model: Owner) -> None:
    waiting = await model.add(ASKING, files={"config.yaml": CONFIG}, until="needs_secrets")
    assert "API_KEY" in waiting["reason"]["message"]
    assert (await model.get("secrets"))["missing"] == ["API_KEY"]
    listed = (await model.send("PUT", "secrets", {"API_KEY": "first"})).json()
    assert ([each["name"] for each in listed["data"]], listed["missing"]) == (["API_KEY"], [])
    assert "first" not in json.dumps(listed)
    await model.until("ready")
    assert await model.said() == "first"


async def test_changed_secrets_reach_a_model_that_runs(model: Owner) -> None:
    await model.add(ASKING, files={"config.yaml": CONFIG}, secrets='{"API_KEY": "first"}')
    assert await model.said() == "first"
    await model.send("PUT", "secrets", {"API_KEY": "second"})

    async def restarted() -> bool:
        return bool(await model.said() == "second")

    await eventually(restarted)


async def test_a_build_is_stopped_and_begun_again(model: Owner, held: asyncio.Event) -> None:
    await model.add(saying("one"), until="building")
    assert (await model.send("POST", "revisions/1/cancel")).json()["status"] == "stopped"
    assert (await model.send("POST", "revisions/1/cancel")).status_code == 409
    held.set()
    assert (await model.send("POST", "revisions/1/retry")).json()["status"] == "queued"
    again = await model.until("ready")
    assert [each["status"] for each in again["history"]] == [
        *("queued", "building", "stopped", "queued", "building", "loading", "ready")
    ]
    assert (await model.send("POST", "revisions/1/retry")).status_code == 409


async def test_a_build_whose_job_is_cancelled_is_stopped(model: Owner, held: asyncio.Event) -> None:
    building = await model.add(saying("one"), until="building")
    await model.client.post(f"/v1/jobs/{building['job_id']}/cancel", headers=model.headers)
    await model.until("stopped")


async def test_a_revision_whose_job_was_cancelled_before_it_began_is_settled(
    api: httpx2.AsyncClient, runtime: Runtime, sign_up: SignUp
) -> None:
    headers = await sign_up("grace")
    files = {"archive": ("model.tgz", package())}
    made = (await api.post(DEPLOYMENTS, headers=headers, files=files)).json()
    await api.post(f"/v1/jobs/{made['latest']['job_id']}/cancel", headers=headers)
    await settle(runtime)
    found = (await api.get(f"{BASE}/revisions/1", headers=headers)).json()
    assert [each["status"] for each in found["history"]] == ["queued", "stopped"]


async def test_a_build_that_a_defect_has_ended_is_tried_again_from_where_it_was(
    model: Owner, opened: Opened, runtime: Runtime, clock: ManualClock
) -> None:
    environments: Any = opened.environments
    environments.crashes = 1
    adding = asyncio.create_task(model.add(saying("one")))

    async def waits() -> bool:
        answer = await model.client.get(BASE, headers=model.headers)
        if answer.status_code != 200:
            return False
        job = await model.client.get(f"/v1/jobs/{answer.json()['latest']['job_id']}", headers=model.headers)
        return bool(job.json()["attempts"] == 1 and job.json()["status"] == "queued")

    await eventually(waits)
    clock.advance(minutes=1)
    await sweep_jobs(runtime)
    assert [each["status"] for each in (await adding)["history"]] == [
        *("queued", "building", "building", "loading", "ready")
    ]
    lines = [each["line"] for each in (await model.get("logs", params={"kind": "build"}))["data"]]
    assert "the package was read before" in lines


async def test_an_older_revision_takes_no_calls_from_a_newer_one(model: Owner, held: asyncio.Event) -> None:
    first = asyncio.create_task(model.add(saying("one")))

    async def building() -> bool:
        return (await model.client.get(f"{BASE}/revisions/1", headers=model.headers)).status_code == 200

    await eventually(building)
    await model.until("building")
    stopped = await model.send("POST", "revisions/1/cancel")
    assert stopped.status_code == 200
    held.set()
    with pytest.raises(AssertionError, match="cancelled"):
        await first
    await model.add(saying("two"))
    await model.send("POST", "revisions/1/retry")
    await model.until("ready")
    assert (await model.said(), await model.said("1")) == ("two", "one")


async def test_what_no_revision_needs_is_cleared_away(
    model: Owner, opened: Opened, runtime: Runtime, settings: Settings
) -> None:
    environments: Any = opened.environments
    await model.add(saying("one"))
    files, place = (
        PackageFiles(settings.data_dir / "deploy" / "packages"),
        Place(DeploySettings(), Path(), opened),
    )
    await place.open(runtime)
    [kept] = await files.known()
    left = files.of(uuid.uuid4())
    left.mkdir()
    await tidy(runtime, files, place)
    assert await files.known() == {kept}
    async with runtime.db.reading() as session:
        needed = await RevisionRepository(session).environments()
    assert environments.removed == [needed]
    assert len(needed) == 1


async def test_what_a_build_and_a_model_say_can_be_read(model: Owner) -> None:
    await model.add(saying("one"))
    built = (await model.get("logs", params={"kind": "build"}))["data"]
    assert built[-1]["line"] == "it is ready"
    assert any("loaded in" in each["line"] for each in built)
    await model.said()

    async def printed() -> list[str]:
        return [each["line"] for each in (await model.get("logs"))["data"] if each["stream"] == "stdout"]

    assert await eventually(printed) == ["asked"]
    plain = await model.client.get(
        f"{BASE}/logs", params={"kind": "build", "tail": 1}, headers={**model.headers, "accept": "text/plain"}
    )
    assert plain.text == "it is ready\n"


async def test_a_build_is_followed_to_its_end(model: Owner) -> None:
    await model.add(saying("one"))
    followed = await model.client.get(
        f"{BASE}/logs", params={"kind": "build", "follow": "true"}, headers=model.headers
    )
    assert followed.headers["content-type"].startswith("text/event-stream")
    events = [event.split("\n") for event in followed.text.strip().split("\n\n")]
    assert {event[1] for event in events[:-1]} == {"event: line"}
    assert events[-1] == ["event: end", 'data: {"status": "ready"}']
