"""A model is deployed, called, changed and deleted over the native contract."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from stentor_common.clock import ManualClock
from stentor_common.service import Service
from stentor_common.testing import eventually
from stentor_deploy.place import Opened
from stentor_deploy.settings import DeploySettings
from stentor_deploy.testing_place import package

Headers = dict[str, str]
SignUp = Callable[[str], Awaitable[Headers]]

BASE = "/v1/deployments"
RAISING = """
class Model:
    def load(self):
        raise RuntimeError("no weights")
    def predict(self, model_input): ...
"""
TELLING = """
class Model:
    def predict(self, model_input):
        return {"said": model_input}
"""
PICKING = """
class Model:
    def predict(self, model_input):
        return model_input["a"]
"""
COUNTING = """
class Model:
    def predict(self, model_input):
        return [len(model_input)] * len(model_input)
"""


@pytest.fixture
def services(installed: list[Service]) -> list[Service]:
    return installed


@pytest.fixture
async def owner(sign_up: SignUp) -> Headers:
    return await sign_up("ada")


async def deploy(
    client: httpx2.AsyncClient, headers: Headers, code: str = "", path: str = BASE, **fields: Any
) -> httpx2.Response:
    packed = package(*([code] if code else []))
    return await client.post(
        path, headers=headers, files={"archive": ("doubler.tar.gz", packed)}, data=fields
    )


async def settled(client: httpx2.AsyncClient, headers: Headers, name: str, number: int = 1) -> dict[str, Any]:
    """The revision, once its build is over."""
    path = f"{BASE}/{name}/revisions/{number}"
    await ended(client, headers, (await client.get(path, headers=headers)).json()["job_id"])
    found: dict[str, Any] = (await client.get(path, headers=headers)).json()
    return found


async def ended(client: httpx2.AsyncClient, headers: Headers, job_id: str) -> dict[str, Any]:
    """The job, once it is over: then its events are."""
    await client.get(f"/v1/jobs/{job_id}/events", headers=headers)
    found: dict[str, Any] = (await client.get(f"/v1/jobs/{job_id}", headers=headers)).json()
    return found


async def ready(client: httpx2.AsyncClient, headers: Headers, name: str, number: int = 1) -> dict[str, Any]:
    found = await settled(client, headers, name, number)
    assert found["status"] == "ready", found["reason"]
    return found


async def test_an_uploaded_package_becomes_a_model_that_answers(
    client: httpx2.AsyncClient, owner: Headers
) -> None:
    made = await deploy(client, owner, description="Doubles numbers.")
    assert made.status_code == 202
    assert made.headers["location"].endswith("/v1/deployments/doubler")
    assert made.json()["latest"]["status"] == "queued"
    revision = await ready(client, owner, "doubler")
    assert [each["status"] for each in revision["history"]] == ["queued", "building", "loading", "ready"]
    shown = (await client.get(f"{BASE}/doubler", headers=owner)).json()
    assert (shown["status"], shown["traffic"]) == ("ready", {"1": 100})
    answer = await client.post(f"{BASE}/doubler/predict", headers=owner, json=[1, 2])
    assert (answer.status_code, answer.json()) == (200, [2, 4])
    assert answer.headers["x-stentor-revision"] == "1"


async def test_what_a_model_was_tried_with_answers_its_calls(
    client: httpx2.AsyncClient, owner: Headers, opened: Opened
) -> None:
    """It is not loaded again for the first of them."""
    driver: Any = opened.driver
    await deploy(client, owner)
    await ready(client, owner, "doubler")
    assert (await client.post(f"{BASE}/doubler/predict", headers=owner, json=[1])).json() == [2]
    (fleet,) = driver.fleets
    assert not fleet.closed
    # A revision that gets no calls is not kept awake.
    await deploy(client, owner, path=f"{BASE}/doubler/revisions", promote="false")
    await ready(client, owner, "doubler", 2)
    assert [each.closed for each in driver.fleets] == [False, True]


async def test_weights_and_what_belongs_beside_them_come_as_files(
    client: httpx2.AsyncClient, owner: Headers
) -> None:
    packed = package("""
class Model:
    def __init__(self, data_dir):
        self.words = (data_dir / "words.txt").read_text()
    def predict(self, model_input):
        return self.words
""")
    files = [("archive", ("speaker.tgz", packed)), ("files", ("data/words.txt", b"Hello"))]
    assert (await client.post(BASE, headers=owner, files=files)).status_code == 202
    await ready(client, owner, "speaker")
    assert (await client.post(f"{BASE}/speaker/predict", headers=owner, json=0)).json() == "Hello"


async def test_examples_are_tried_before_it_is_ready_and_shown_to_callers(
    client: httpx2.AsyncClient, owner: Headers
) -> None:
    await deploy(client, owner, examples="[[1], [2, 3]]", expected="[[2]]")
    revision = await ready(client, owner, "doubler")
    assert (revision["batch"], revision["batching"]) == (32, "proved")
    examples = (await client.get(f"{BASE}/doubler/examples", headers=owner)).json()["data"]
    assert [(each["input"], each["output"], each["expected"]) for each in examples] == [
        ([1], [2], True),
        ([2, 3], [4, 6], None),
    ]


async def test_calls_are_not_joined_of_a_model_that_answers_otherwise_then(
    client: httpx2.AsyncClient, owner: Headers
) -> None:
    await deploy(client, owner, COUNTING, examples="[[1], [2]]")
    revision = await ready(client, owner, "doubler")
    assert (revision["batch"], revision["batching"]) == (1, "unlike")


async def test_another_answer_than_the_expected_one_is_a_failure_unless_it_is_allowed(
    client: httpx2.AsyncClient, owner: Headers
) -> None:
    wrong = {"examples": "[[1]]", "expected": "[[3]]"}
    await deploy(client, owner, **wrong)
    revision = await settled(client, owner, "doubler")
    assert (revision["status"], revision["reason"]["code"]) == ("load_failed", "unexpected_answer")
    assert "answered with [2]" in revision["reason"]["message"]
    await deploy(client, owner, path=f"{BASE}/doubler/revisions", allow_mismatch="true", **wrong)
    revision = await ready(client, owner, "doubler", 2)
    assert [note["code"] for note in revision["notes"]] == ["unexpected_answer"]


@pytest.mark.parametrize(
    ("fields", "code", "status", "said"),
    [
        ({"requirements": "unknown-library"}, TELLING, "build_failed", "unknown-library"),
        ({"requirements": '["unknown-library"]'}, TELLING, "build_failed", "unknown-library"),
        ({}, RAISING, "load_failed", "no weights"),
        (
            {"examples": "[1]"},
            "class Model:\n    def predict(self, x):\n        return x['a']",
            "load_failed",
            "example 1",
        ),
    ],
)
async def test_a_build_that_fails_says_why(
    client: httpx2.AsyncClient, owner: Headers, fields: dict[str, str], code: str, status: str, said: str
) -> None:
    made = (await deploy(client, owner, code, **fields)).json()
    revision = await settled(client, owner, "doubler")
    assert revision["status"] == status
    assert said in revision["reason"]["message"]
    job = await ended(client, owner, made["latest"]["job_id"])
    assert (job["status"], job["error"]["code"]) == ("failed", revision["reason"]["code"])
    refused = await client.post(f"{BASE}/doubler/predict", headers=owner, json=1)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "model_not_ready")


async def test_what_is_no_package_is_told_in_the_revision(client: httpx2.AsyncClient, owner: Headers) -> None:
    await client.post(BASE, headers=owner, files={"archive": ("x.tar.gz", b"not an archive")})
    revision = await settled(client, owner, "x")
    assert revision["status"] == "build_failed"
    assert revision["reason"]["message"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "Not A Name"}, "'not-a-name' would do"),
        ({"name": "whisper"}, "used for something else"),
        ({"max_replicas": "99"}, "max_replicas can be 4"),
        ({"predict_seconds": "99999"}, "predict_seconds can be 3600"),
        ({"examples": "{"}, "must be JSON"),
        ({"expected": "[1]"}, "more expected answers than examples"),
        ({"network": "true"}, "STENTOR_DEPLOY_ALLOW_NETWORK"),
        ({"secrets": '{"no name": "x"}'}, "no name of a secret"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_request_that_cannot_be_is_refused_at_once(
    client: httpx2.AsyncClient, owner: Headers, fields: dict[str, str], said: str
) -> None:
    refused = await deploy(client, owner, **fields)
    assert refused.status_code == 400
    assert said in refused.json()["error"]["message"]
    assert (await client.get(BASE, headers=owner)).json()["data"] == []


async def test_one_package_comes_with_a_request(client: httpx2.AsyncClient, owner: Headers) -> None:
    nothing = await client.post(BASE, headers=owner, json={"name": "empty"})
    both = await deploy(client, owner, git_url="https://example.com/model.git")
    assert (nothing.status_code, both.status_code) == (400, 400)
    assert "git_url" in nothing.json()["error"]["message"]


async def test_deploying_needs_an_account(client: httpx2.AsyncClient) -> None:
    refused = await deploy(client, {})
    assert refused.status_code == 401
    assert "POST /v1/users" in refused.json()["error"]["message"]


@pytest.fixture
def installed_settings() -> DeploySettings:
    return DeploySettings(max_package_bytes=100_000)


async def test_a_package_beyond_the_limit_is_refused(client: httpx2.AsyncClient, owner: Headers) -> None:
    large = {"archive": ("large.tar", b"0" * 100_001)}
    refused = await client.post(BASE, headers=owner, files=large)
    assert refused.status_code == 413
    assert "100000 bytes" in refused.json()["error"]["message"]


async def test_a_name_is_given_once_for_all_owners(
    client: httpx2.AsyncClient, owner: Headers, sign_up: SignUp
) -> None:
    await deploy(client, owner)
    for headers in (owner, await sign_up("grace")):
        refused = await deploy(client, headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "name_taken")


async def test_a_request_that_is_repeated_makes_one_deployment(
    client: httpx2.AsyncClient, owner: Headers
) -> None:
    keyed = {**owner, "Idempotency-Key": "once"}
    first, second = await deploy(client, keyed), await deploy(client, keyed)
    assert (first.status_code, second.status_code) == (202, 202)
    assert second.json()["id"] == first.json()["id"]
    assert second.headers["idempotency-replayed"] == "true"
    other = await deploy(client, keyed, TELLING)
    assert other.json()["error"]["code"] == "idempotency_key_reused"


async def test_others_see_nothing_of_it_and_call_it_only_when_it_is_public(
    client: httpx2.AsyncClient, owner: Headers, sign_up: SignUp
) -> None:
    await deploy(client, owner)
    await ready(client, owner, "doubler")
    other = await sign_up("grace")
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/logs"), ("POST", "/predict")):
        answer = await client.request(method, f"{BASE}/doubler{path}", headers=other, json={})
        assert answer.status_code == 404, path
    assert (await client.get(BASE, headers=other)).json()["data"] == []
    await client.patch(f"{BASE}/doubler", headers=owner, json={"public": True})
    for headers in (other, {}):
        answer = await client.post(f"{BASE}/doubler/predict", headers=headers, json=[3])
        assert answer.json() == [6]
    assert (await client.get(f"{BASE}/doubler", headers=other)).status_code == 404


async def test_what_is_set_is_kept_and_goes_back_to_the_default(
    client: httpx2.AsyncClient, owner: Headers
) -> None:
    made = (await deploy(client, owner, max_replicas="2", idle_seconds="60")).json()
    assert (made["max_replicas"], made["idle_seconds"], made["min_replicas"]) == (2, 60, None)
    changed = await client.patch(
        f"{BASE}/doubler", headers=owner, json={"max_replicas": None, "min_replicas": 1}
    )
    found = changed.json()
    assert (found["max_replicas"], found["idle_seconds"], found["min_replicas"]) == (None, 60, 1)
    refused = await client.patch(
        f"{BASE}/doubler", headers=owner, json={"min_replicas": 3, "max_replicas": 2}
    )
    assert refused.status_code == 400


async def test_deployments_are_listed_page_by_page(
    client: httpx2.AsyncClient, owner: Headers, clock: ManualClock
) -> None:
    for name in ("one", "two", "three"):
        await deploy(client, owner, name=name)
        clock.advance(seconds=1)
    first = (await client.get(BASE, headers=owner, params={"limit": 2})).json()
    assert [each["name"] for each in first["data"]] == ["three", "two"]
    assert first["has_more"]
    rest = (await client.get(BASE, headers=owner, params={"after": first["next_after"]})).json()
    assert ([each["name"] for each in rest["data"]], rest["has_more"]) == (["one"], False)


async def test_a_deleted_deployment_ends_and_its_name_is_free(
    client: httpx2.AsyncClient, owner: Headers, opened: Opened, settings: Any
) -> None:
    await deploy(client, owner)
    await ready(client, owner, "doubler")
    await client.post(f"{BASE}/doubler/predict", headers=owner, json=[1])
    assert (await client.delete(f"{BASE}/doubler", headers=owner)).status_code == 204
    assert (await client.post(f"{BASE}/doubler/predict", headers=owner, json=[1])).status_code == 404
    driver: Any = opened.driver

    async def ended() -> bool:
        return all(fleet.closed for fleet in driver.fleets)

    await eventually(ended)
    left = [
        path for path in settings.data_dir.rglob("*") if path.is_file() and path.suffix in (".tar", ".py")
    ]
    assert left == []
    assert (await deploy(client, owner)).status_code == 202


async def test_a_deployment_is_deleted_while_it_is_built(
    client: httpx2.AsyncClient, owner: Headers, opened: Opened
) -> None:
    environments: Any = opened.environments
    environments.gate.clear()
    await deploy(client, owner)

    async def building() -> bool:
        found = (await client.get(f"{BASE}/doubler", headers=owner)).json()
        return bool(found["latest"]["status"] == "building")

    await eventually(building)
    assert (await client.delete(f"{BASE}/doubler", headers=owner)).status_code == 204
    assert (await client.get(f"{BASE}/doubler", headers=owner)).status_code == 404
