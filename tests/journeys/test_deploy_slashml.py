"""Model deployment by SlashML's contract, as its documents print it and its client speaks it."""

import io
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from stentor_common.service import Service
from stentor_common.testing import eventually
from stentor_deploy.testing_place import package

Headers = dict[str, str]
SignUp = Callable[[str], Awaitable[Headers]]

BASE = "/model-deployment/v1/models"
CLASSIFIER = """
class Model:
    def predict(self, model_input):
        if not isinstance(model_input, list):
            raise TypeError("rows are wanted")
        return {"predictions": [1 for _ in model_input], "probabilities": [[0.4, 0.6] for _ in model_input]}
"""


SECOND = """
class Model:
    def predict(self, model_input):
        return "second"
"""


@pytest.fixture
def services(installed: list[Service]) -> list[Service]:
    return installed


@pytest.fixture
async def key(sign_up: SignUp) -> Headers:
    """As the client sends it."""
    return {"authorization": (await sign_up("ada"))["Authorization"].replace("Bearer", "Token")}


async def deploy(
    client: httpx2.AsyncClient, key: Headers, name: str = "My Model", code: str = CLASSIFIER
) -> dict[str, Any]:
    packed = io.BytesIO(package(code))
    files = {"model_file": ("my_model.tar.gz", packed, "application/octet-stream")}
    made = await client.post(BASE, headers=key, files=files, data={"model_name": name})
    assert made.status_code == 200, made.text
    found: dict[str, Any] = made.json()
    return found


async def over(client: httpx2.AsyncClient, key: Headers, model_id: str) -> dict[str, Any]:
    """The status, once it is one that clients stop at."""

    async def look() -> dict[str, Any] | None:
        answer = await client.get(f"{BASE}/{model_id}/status", headers=key)
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        assert found["status"] in ("QUEUED", "BUILDING_MODEL", "DEPLOYING_MODEL", "READY", "FAILED")
        return found if found["status"] in ("READY", "FAILED") else None

    found = await eventually(look)
    assert found
    return found


async def test_a_packed_folder_is_deployed_and_called(client: httpx2.AsyncClient, key: Headers) -> None:
    made = await deploy(client, key)
    assert {**made, "id": "", "created": ""} == {
        "id": "",
        "created": "",
        "name": "My Model",
        "status": "IN_PROGRESS",
    }
    ready = await over(client, key, made["id"])
    assert (ready["status"], ready["model_status"], ready["name"]) == ("READY", "MODEL_READY", "My Model")
    asked = {"model_input": [[1, 2], [3, 4]]}
    answer = await client.post(f"{BASE}/{made['id']}/predict", headers=key, json=asked)
    assert answer.status_code == 200
    assert answer.json() == {
        "id": made["id"],
        "model_input": [[1, 2], [3, 4]],
        "model_response": {"predictions": [1, 1], "probabilities": [[0.4, 0.6], [0.4, 0.6]]},
    }


@pytest.mark.parametrize("slash", ["", "/"])
async def test_paths_may_end_with_a_slash(client: httpx2.AsyncClient, key: Headers, slash: str) -> None:
    made = await deploy(client, key)
    status = await client.get(f"{BASE}/{made['id']}/status{slash}", headers=key)
    assert status.status_code == 200


async def test_the_words_of_the_documents_are_told_who_asks_for_them(
    client: httpx2.AsyncClient, key: Headers
) -> None:
    made = await deploy(client, key)
    await over(client, key, made["id"])
    docs = await client.get(f"{BASE}/{made['id']}/status?status_style=docs", headers=key)
    assert docs.json()["status"] == "MODEL_READY"


async def test_a_build_that_fails_is_told_with_200_and_why(client: httpx2.AsyncClient, key: Headers) -> None:
    made = await deploy(client, key, code="class Model: ...")
    failed = await over(client, key, made["id"])
    assert (failed["status"], failed["model_status"]) == ("FAILED", "FAILURE")
    assert failed["ERROR"] == failed["error"]["message"]


async def test_a_model_that_is_not_ready_says_so_in_the_known_words(
    client: httpx2.AsyncClient, key: Headers, opened: Any
) -> None:
    opened.environments.gate.clear()
    made = await deploy(client, key)
    early = await client.post(f"{BASE}/{made['id']}/predict", headers=key, json={"model_input": 1})
    assert early.status_code == 400
    assert early.json()["error"] == "some error occured when requesting job status"
    assert "model not ready" in early.json()["full_message"][0]


async def test_a_second_model_of_the_name_is_another_one_and_the_first_stays(
    client: httpx2.AsyncClient, key: Headers
) -> None:
    first = await deploy(client, key)
    await over(client, key, first["id"])
    second = await deploy(
        client, key, code="class Model:\n    def predict(self, x):\n        return 'second'"
    )
    await over(client, key, second["id"])
    assert second["id"] != first["id"]
    answers = [
        (await client.post(f"{BASE}/{each['id']}/predict", headers=key, json={"model_input": [1]})).json()
        for each in (first, second)
    ]
    assert [answer["model_response"] for answer in answers] == [
        {"predictions": [1], "probabilities": [[0.4, 0.6]]},
        "second",
    ]


async def test_a_name_that_somebody_else_has_is_no_hindrance(
    client: httpx2.AsyncClient, key: Headers, sign_up: SignUp
) -> None:
    await deploy(client, key)
    other = await sign_up("grace")
    made = await deploy(client, other)
    assert made["name"] == "My Model"
    assert (await over(client, other, made["id"]))["status"] == "READY"
    assert (await client.get(f"{BASE}/{made['id']}/status", headers=key)).status_code == 404


async def test_a_form_that_is_labelled_as_json_is_read_all_the_same(
    client: httpx2.AsyncClient, key: Headers
) -> None:
    files = {"model_file": ("my_model.tar.gz", package(CLASSIFIER), "application/octet-stream")}
    form = client.build_request("POST", BASE, files=files, data={"model_name": "again"})
    body = await form.aread()
    made = await client.post(BASE, content=body, headers={**key, "content-type": "application/json"})
    assert (made.status_code, made.json()["name"]) == (200, "again")


async def test_the_packed_file_may_be_the_body(client: httpx2.AsyncClient, key: Headers) -> None:
    made = await client.post(f"{BASE}?model_name=bare", content=package(CLASSIFIER), headers=key)
    assert (made.status_code, made.json()["name"]) == (200, "bare")
    assert (await over(client, key, made.json()["id"]))["status"] == "READY"


async def test_errors_are_in_the_words_of_the_family(client: httpx2.AsyncClient, key: Headers) -> None:
    anonymous = await client.post(BASE, files={"model_file": ("m.tar.gz", b"x")}, data={"model_name": "x"})
    assert (anonymous.status_code, "detail" in anonymous.json()) == (401, True)
    nothing = await client.post(BASE, headers=key, data={"model_name": "x"}, files={"other": ("o", b"x")})
    assert (nothing.status_code, nothing.json()["status"]) == (400, "ERROR")
    unknown = await client.get(f"{BASE}/no-such-model/status", headers=key)
    assert (unknown.status_code, "message" in unknown.json()["error"]) == (404, True)
    made = await deploy(client, key)
    await over(client, key, made["id"])
    for body, status in (({"model_input": 1}, 400), ({"inputs": 1}, 400)):
        answer = await client.post(f"{BASE}/{made['id']}/predict", headers=key, json=body)
        assert answer.status_code == status
        assert answer.json()["error"]["message"]
