"""Clients of the Open Inference Protocol, versions 2 and 1, with deployed models."""

import base64
import json
import struct
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from stentor_common.service import Service
from stentor_deploy.errors import LoadFailed
from stentor_deploy.states import RevisionState

MODEL = "/v2/models/echo"
LENGTH = "Inference-Header-Content-Length"

SignUp = Callable[[str], Awaitable[dict[str, str]]]


@pytest.fixture
def services(model_services: list[Service]) -> list[Service]:
    return model_services


def echo(asked: Any) -> Any:
    return asked


def tensor(datatype: str, shape: list[int], data: Any, name: str = "x", **parameters: Any) -> dict[str, Any]:
    told = {"name": name, "datatype": datatype, "shape": shape, "data": data}
    return told | ({"parameters": parameters} if parameters else {})


async def infer(
    client: httpx2.AsyncClient, *inputs: dict[str, Any], path: str = MODEL, **more: Any
) -> httpx2.Response:
    return await client.post(f"{path}/infer", json={"inputs": inputs, **more})


class Listening:
    """A model that remembers what it was given, and answers with it."""

    def __init__(self) -> None:
        self.given: list[Any] = []

    def __call__(self, asked: Any) -> Any:
        self.given.append(asked)
        return asked


async def test_the_server_says_what_it_is_and_that_it_lives(client: httpx2.AsyncClient) -> None:
    told = (await client.get("/v2")).json()
    assert {*told} == {"name", "version", "extensions"}
    assert "binary_tensor_data" in told["extensions"]
    assert (await client.get("/v2/health/live")).json()["live"] is True
    assert (await client.get("/v2/health/ready")).json()["ready"] is True


async def test_an_inference_has_every_field_of_the_protocol(
    client: httpx2.AsyncClient, deployed: Any
) -> None:
    await deployed.add("echo", echo)
    answer = await infer(client, tensor("FP32", [2, 2], [1.5, 2, 3, 4]), id="my-id")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "model_name": "echo",
        "model_version": "1",
        "id": "my-id",
        "outputs": [{"name": "output", "datatype": "FP64", "shape": [2, 2], "data": [1.5, 2, 3, 4]}],
    }
    without_id = await infer(client, tensor("FP32", [1], [1]))
    assert without_id.json()["id"] == without_id.headers["x-request-id"]


async def test_data_of_every_type_flat_or_nested_reaches_the_model(
    client: httpx2.AsyncClient, deployed: Any
) -> None:
    model = Listening()
    await deployed.add("echo", model)
    whole = [f"{sign}INT{bits}" for sign in ("U", "") for bits in (8, 16, 32, 64)]
    cases = [
        *((tensor(datatype, [2, 1], [7, 1]), [[7], [1]]) for datatype in whole),
        *((tensor(datatype, [2], [0.5, 1]), [0.5, 1]) for datatype in ("FP16", "FP32", "FP64")),
        (tensor("BOOL", [2], [True, False]), [True, False]),
        (tensor("BYTES", [2], ["grüße", ""]), ["grüße", ""]),
        (tensor("INT64", [2, 2, 1], [[[1], [2]], [[3], [4]]]), [[[1], [2]], [[3], [4]]]),
        (tensor("INT64", [2, 2, 1], [1, 2, 3, 4]), [[[1], [2]], [[3], [4]]]),
        (tensor("INT64", [], 5), 5),
        (tensor("INT64", [0], []), []),
        (tensor("UINT64", [1], [2**64 - 1]), [2**64 - 1]),
    ]
    for sent, given in cases:
        assert (await infer(client, sent)).status_code == 200
        assert model.given.pop() == given, sent


async def test_what_is_no_tensor_is_refused_with_what_is_wrong(
    client: httpx2.AsyncClient, deployed: Any
) -> None:
    await deployed.add("echo", echo)
    cases = [
        (tensor("INT8", [1], [128]), "no INT8: 128"),
        (tensor("UINT8", [1], [-1]), "no UINT8: -1"),
        (tensor("INT64", [1], [1.5]), "no INT64: 1.5"),
        (tensor("INT64", [1], [True]), "no INT64: True"),
        (tensor("FP32", [1], ["1"]), "no FP32: '1'"),
        (tensor("BYTES", [1], [1]), "no BYTES: 1"),
        (tensor("BOOL", [1], [2]), "no BOOL: 2"),
        (tensor("FP32", [3], [1, 2]), "has 2 elements"),
        (tensor("FP32", [2, 2], [[1, 2], [3]]), "not of the shape [2, 2]"),
        (tensor("FP32", [4], [[1, 2], [3, 4]]), "not of the shape [4]"),
        (tensor("FP32", [1, 1], [[[1]]]), "no FP32"),
        (tensor("FP32", [-1], [1]), "no size"),
        (tensor("FP32", [2, 0], []), "only the first dimension"),
        (tensor("FP32", [10**9, 10**9], [1]), "more than"),
        (tensor("FP32", [1] * 33, [1]), "at most 32"),
        (tensor("COMPLEX", [1], [1]), "one of BOOL"),
        (tensor("FP32", [1], None), "is missing"),
        ({"name": "x"}, "shape"),
    ]
    for sent, says in cases:
        answer = await infer(client, sent)
        assert answer.status_code == 400, sent
        assert {*answer.json()} == {"error"}
        assert says in answer.json()["error"]
    bodies: list[Any] = [{"inputs": []}, {}, {"inputs": "x"}, [1]]
    for body in bodies:
        assert (await client.post(f"{MODEL}/infer", json=body)).status_code == 400
    twice = await infer(client, tensor("FP32", [1], [1]), tensor("FP32", [1], [1]))
    assert "same name" in twice.json()["error"]
    assert (await client.post(f"{MODEL}/infer", content=b"[" * 100_000)).status_code == 400


async def test_several_inputs_are_an_object_by_name(client: httpx2.AsyncClient, deployed: Any) -> None:
    model = Listening()
    await deployed.add("echo", model)
    await infer(client, tensor("FP32", [1, 2], [1, 2], "a"), tensor("BYTES", [1], ["t"], "b"))
    assert model.given == [{"a": [[1, 2]], "b": ["t"]}]


async def test_json_and_files_travel_in_tensors_of_bytes(client: httpx2.AsyncClient, deployed: Any) -> None:
    model = Listening()
    await deployed.add("echo", model)
    deep = {"text": "grüße", "options": {"k": [1, None]}}
    answer = await infer(client, tensor("BYTES", [1], [json.dumps(deep)], content_type="json"))
    assert model.given.pop() == deep
    text, options = answer.json()["outputs"]
    assert text == {"name": "text", "datatype": "BYTES", "shape": [1], "data": ["grüße"]}
    assert options["parameters"] == {"content_type": "json"}
    assert json.loads(options["data"][0]) == {"k": [1, None]}
    file = base64.b64encode(b"\x00\xff").decode()
    answer = await infer(client, tensor("BYTES", [1], [file], content_type="base64"))
    assert model.given.pop() == b"\x00\xff"
    [given] = answer.json()["outputs"]
    assert (given["parameters"], given["data"]) == ({"content_type": "base64"}, [file])
    for wrong in ("json", "base64"):
        refused = await infer(client, tensor("BYTES", [1], ["{no"], content_type=wrong))
        assert refused.status_code == 400
        assert wrong in refused.json()["error"]


async def test_each_part_of_an_answer_is_a_tensor_without_loss(
    client: httpx2.AsyncClient, deployed: Any
) -> None:
    said = {
        "whole": [[1, 2], [3, 4]],
        "huge": 2**63,
        "mixed": [1, 2.5],
        "flags": [True, False],
        "texts": ["a", "b"],
        "one": 0.5,
        "none": [],
        "ragged": [[1], [2, 3]],
        "null": None,
        "gaps": [0.5, None],
    }
    await deployed.add("echo", lambda _: said)
    told = (await infer(client, tensor("INT8", [1], [1]))).json()["outputs"]
    outputs = {each.pop("name"): each for each in told}
    assert outputs["whole"] == {"datatype": "INT64", "shape": [2, 2], "data": [1, 2, 3, 4]}
    assert outputs["huge"] == {"datatype": "UINT64", "shape": [1], "data": [2**63]}
    assert outputs["mixed"] == {"datatype": "FP64", "shape": [2], "data": [1, 2.5]}
    assert outputs["flags"] == {"datatype": "BOOL", "shape": [2], "data": [True, False]}
    assert outputs["texts"] == {"datatype": "BYTES", "shape": [2], "data": ["a", "b"]}
    assert outputs["one"] == {"datatype": "FP64", "shape": [1], "data": [0.5]}
    assert outputs["none"] == {"datatype": "FP64", "shape": [0], "data": []}
    for name in ("ragged", "null", "gaps"):
        assert outputs[name]["parameters"] == {"content_type": "json"}
        assert json.loads(outputs[name]["data"][0]) == said[name]


async def test_only_the_outputs_asked_for_come(client: httpx2.AsyncClient, deployed: Any) -> None:
    await deployed.add("echo", lambda _: {"a": 1, "b": 2, "c": 3})
    answer = await infer(client, tensor("INT8", [1], [1]), outputs=[{"name": "c"}, {"name": "a"}])
    assert [each["name"] for each in answer.json()["outputs"]] == ["c", "a"]
    refused = await infer(client, tensor("INT8", [1], [1]), outputs=[{"name": "d"}])
    assert refused.status_code == 400
    assert "there is a, b, c" in refused.json()["error"]


BINARY: list[tuple[str, str, list[Any]]] = [
    ("BOOL", "<2?", [True, False]),
    ("UINT8", "<2B", [0, 255]),
    ("UINT16", "<2H", [0, 65535]),
    ("UINT32", "<2I", [0, 2**32 - 1]),
    ("UINT64", "<2Q", [0, 2**64 - 1]),
    ("INT8", "<2b", [-128, 127]),
    ("INT16", "<2h", [-32768, 32767]),
    ("INT32", "<2i", [-(2**31), 2**31 - 1]),
    ("INT64", "<2q", [-(2**63), 2**63 - 1]),
    ("FP16", "<2e", [0.5, -2.0]),
    ("FP32", "<2f", [0.5, -2.0]),
    ("FP64", "<2d", [0.1, -2.0]),
]


def texts(*elements: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(each)) + each for each in elements)


def binary(datatype: str, shape: list[int], raw: bytes, name: str = "x") -> tuple[dict[str, Any], bytes]:
    parameters = {"binary_data_size": len(raw)}
    return {"name": name, "datatype": datatype, "shape": shape, "parameters": parameters}, raw


async def infer_binary(
    client: httpx2.AsyncClient, *inputs: tuple[dict[str, Any], bytes], **more: Any
) -> httpx2.Response:
    head = json.dumps({"inputs": [described for described, _ in inputs], **more}).encode()
    content = b"".join([head, *(raw for _, raw in inputs)])
    return await client.post(f"{MODEL}/infer", content=content, headers={LENGTH: str(len(head))})


async def test_tensors_may_come_as_bytes(client: httpx2.AsyncClient, deployed: Any) -> None:
    model = Listening()
    await deployed.add("echo", model)
    for datatype, code, values in BINARY:
        answer = await infer_binary(client, binary(datatype, [2], struct.pack(code, *values)))
        assert answer.status_code == 200
        assert model.given.pop() == values, datatype
    many = [float(number) for number in range(100_000)]
    large = binary("FP64", [1000, 100], struct.pack("<100000d", *many))
    answer = await infer_binary(client, large, parameters={"binary_data_output": True})
    assert answer.content.endswith(large[1])
    assert model.given.pop()[999][99] == many[-1]
    await infer_binary(client, binary("BYTES", [2], texts("grüße".encode(), b"")))
    assert model.given.pop() == ["grüße", ""]
    await infer_binary(client, binary("BYTES", [1], texts(b"\x00\xff")))
    assert model.given.pop() == b"\x00\xff"
    await infer_binary(
        client,
        binary("INT8", [1], b"\x01", "a"),
        (tensor("INT8", [1], [2], "b"), b""),
        binary("INT8", [1], b"\x03", "c"),
    )
    assert model.given.pop() == {"a": [1], "b": [2], "c": [3]}


async def test_bytes_that_do_not_add_up_are_refused(client: httpx2.AsyncClient, deployed: Any) -> None:
    await deployed.add("echo", echo)
    described, _ = binary("INT16", [2], b"1234")
    cases: list[tuple[list[tuple[dict[str, Any], bytes]], str]] = [
        ([(described, b"123")], "3 have come"),
        ([(described, b"12345")], "belong to no input"),
        ([binary("INT16", [2], b"12345")], "not the size of 2 INT16"),
        ([binary("BYTES", [1], b"\xff\xff\xff\xffx")], "each after its length"),
        ([binary("BYTES", [1], b"\x01")], "each after its length"),
        ([binary("BYTES", [2], texts(b"a"))], "exactly 2"),
        ([binary("BYTES", [2], texts(b"a", b"\xff"))], "no text"),
        ([({**described, "parameters": {"binary_data_size": -1}}, b"")], "binary_data_size"),
        ([({**described, "parameters": {"binary_data_size": "4"}}, b"1234")], "binary_data_size"),
    ]
    for inputs, says in cases:
        answer = await infer_binary(client, *inputs)
        assert answer.status_code == 400
        assert says in answer.json()["error"]
    for length in ("-1", "1000000", "x", "²"):
        headers = {LENGTH: length.encode("latin-1")}
        answer = await client.post(f"{MODEL}/infer", content=b"{}", headers=headers)  # type: ignore[arg-type]
        assert answer.status_code == 400
        assert LENGTH in answer.json()["error"]


async def test_answers_come_as_bytes_where_that_is_wanted(client: httpx2.AsyncClient, deployed: Any) -> None:
    await deployed.add("echo", lambda _: {"n": [[1, 2]], "f": 0.5, "t": ["ü", ""], "j": {"k": None}})
    given = binary("INT8", [1], b"\x01")
    whole = await infer_binary(client, given, parameters={"binary_data_output": True})
    assert whole.headers["content-type"] == "application/octet-stream"
    size = int(whole.headers[LENGTH])
    head, rest = json.loads(whole.content[:size]), whole.content[size:]
    found = {}
    for each in head["outputs"]:
        assert "data" not in each
        count = each["parameters"]["binary_data_size"]
        found[each["name"]], rest = rest[:count], rest[count:]
    assert not rest
    assert found["n"] == struct.pack("<2q", 1, 2)
    assert found["f"] == struct.pack("<d", 0.5)
    assert found["t"] == texts("ü".encode(), b"")
    assert found["j"] == texts(b'{"k": null}')
    wishes = [{"name": "f", "parameters": {"binary_data": True}}, {"name": "n"}]
    some = await infer_binary(client, given, outputs=wishes)
    size = int(some.headers[LENGTH])
    one, other = json.loads(some.content[:size])["outputs"]
    assert one["parameters"] == {"binary_data_size": 8}
    assert other["data"] == [1, 2]
    assert some.content[size:] == struct.pack("<d", 0.5)


async def test_revisions_are_versions(client: httpx2.AsyncClient, deployed: Any) -> None:
    ids = await deployed.add("echo", lambda _: "first", lambda _: "second")
    sent = tensor("INT8", [1], [1])
    for path, version, said in (
        (MODEL, "2", "second"),
        (f"{MODEL}/versions/1", "1", "first"),
        (f"{MODEL}/versions/{ids[1]}", "2", "second"),
    ):
        answer = (await infer(client, sent, path=path)).json()
        assert (answer["model_version"], answer["outputs"][0]["data"]) == (version, [said])
    for path in (f"{MODEL}/versions/3", "/v2/models/nobody"):
        assert (await infer(client, sent, path=path)).status_code == 404
        for about in ("", "/ready"):
            answer = await client.get(f"{path}{about}")
            assert answer.status_code == 404
            assert answer.json()["error"]
    assert (await client.get(MODEL)).json()["versions"] == ["1", "2"]


ROWS = {"examples": ([[5.1, 3.5]],), "expected": ({"predictions": [0], "probabilities": [[0.9, 0.1]]},)}
NAMED = {
    "examples": ({"prompt": "Hello", "seeds": [1, 2], "options": {"k": 1}},),
    "expected": ("Hello there",),
}
DECLARED = {
    "config": {
        "model_metadata": {
            "inputs": [
                {"name": "image", "datatype": "FP32", "shape": [-1, 224, 224, 3]},
                "nonsense",
                {"name": 1},
            ],
            "outputs": [{"name": "label", "datatype": "BYTES", "shape": [-1]}],
        }
    },
    "framework": "pytorch",
}


async def test_metadata_come_from_the_package_or_its_examples(
    client: httpx2.AsyncClient, deployed: Any
) -> None:
    for name, package in (("rows", ROWS), ("named", NAMED), ("declared", DECLARED), ("silent", {})):
        await deployed.add(name, echo, package=package)
    found = {}
    for name in ("rows", "named", "declared", "silent"):
        found[name] = (await client.get(f"/v2/models/{name}")).json()
        assert {*found[name]} == {"name", "versions", "platform", "inputs", "outputs"}
    assert found["rows"]["inputs"] == [{"name": "input", "datatype": "FP64", "shape": [-1, 2]}]
    assert found["rows"]["outputs"] == [
        {"name": "predictions", "datatype": "INT64", "shape": [-1]},
        {"name": "probabilities", "datatype": "FP64", "shape": [-1, 2]},
    ]
    as_json = {"parameters": {"content_type": "json"}}
    assert found["named"]["inputs"] == [
        {"name": "prompt", "datatype": "BYTES", "shape": [1]},
        {"name": "seeds", "datatype": "INT64", "shape": [-1]},
        {"name": "options", "datatype": "BYTES", "shape": [1], **as_json},
    ]
    assert found["named"]["outputs"] == [{"name": "output", "datatype": "BYTES", "shape": [1]}]
    assert found["declared"]["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 224, 224, 3]}]
    assert found["declared"]["outputs"] == [{"name": "label", "datatype": "BYTES", "shape": [-1]}]
    assert found["declared"]["platform"] == "pytorch"
    assert (found["silent"]["inputs"], found["silent"]["outputs"]) == ([], [])


async def test_the_model_gets_what_its_metadata_promise(client: httpx2.AsyncClient, deployed: Any) -> None:
    model = Listening()
    await deployed.add("echo", model, package=NAMED)
    await infer(
        client,
        tensor("BYTES", [1], ["Hi"], "prompt"),
        tensor("INT64", [1], [3], "seeds"),
        tensor("BYTES", [1], ['{"k": 2}'], "options"),
    )
    assert model.given.pop() == {"prompt": "Hi", "seeds": [3], "options": {"k": 2}}
    one = {"examples": ({"prompt": "Hello"},)}
    await deployed.add("one", model, package=one)
    await infer(client, tensor("BYTES", [1], ["Hi"], "prompt"), path="/v2/models/one")
    assert model.given.pop() == {"prompt": "Hi"}
    await deployed.add("text", model, package={"examples": ("Hello",)})
    await infer(client, tensor("BYTES", [1], ["Hi"], "anything"), path="/v2/models/text")
    assert model.given.pop() == "Hi"


async def test_models_are_ready_while_they_sleep_but_not_when_they_cannot_start(
    client: httpx2.AsyncClient, deployed: Any
) -> None:
    await deployed.add("echo", echo)
    await deployed.announce("unborn", RevisionState.building)
    for path in (f"{MODEL}/ready", f"{MODEL}/versions/1/ready"):
        assert (await client.get(path)).json() == {"name": "echo", "ready": True}
    deployed.driver.release(LoadFailed("no"))
    assert (await infer(client, tensor("INT8", [1], [1]))).status_code == 503
    for path in (f"{MODEL}/ready", "/v2/models/unborn/ready"):
        answer = await client.get(path)
        assert answer.status_code == 503
        assert answer.json()["ready"] is False
        assert answer.json()["error"]
    assert (await client.get("/v2/models/unborn")).json()["versions"] == []
    assert (await infer(client, tensor("INT8", [1], [1]), path="/v2/models/unborn")).status_code == 409


async def test_a_list_shows_own_models_with_their_versions(
    client: httpx2.AsyncClient, deployed: Any, sign_up: SignUp
) -> None:
    ada, eve = await sign_up("ada"), await sign_up("eve")
    me = uuid.UUID((await client.get("/v1/users/me", headers=ada)).json()["id"])
    await deployed.add("echo", echo, echo, owner=me)
    await deployed.announce("unborn", RevisionState.building, owner=me)
    assert {*(await client.get("/v2/models", headers=ada)).json()["models"]} == {"echo", "unborn"}
    assert (await client.get("/v2/models", headers=eve)).json() == {"models": []}
    index = (await client.post("/v2/repository/index", headers=ada)).json()
    assert sorted((each["name"], each.get("version"), each["state"]) for each in index) == [
        ("echo", "1", "READY"),
        ("echo", "2", "READY"),
        ("unborn", None, "UNAVAILABLE"),
    ]
    assert (await client.get(MODEL, headers=eve)).status_code == 404


async def test_a_model_that_fails_is_told_as_an_error(client: httpx2.AsyncClient, deployed: Any) -> None:
    await deployed.add("echo", lambda asked: asked["no"])
    answer = await infer(client, tensor("INT8", [1], [1]))
    assert answer.status_code == 422
    assert {*answer.json()} == {"error"}
    assert "TypeError" in answer.json()["error"]


async def test_version_1_has_instances_and_predictions(client: httpx2.AsyncClient, deployed: Any) -> None:
    path = "/v1/models/echo:predict"
    model = Listening()
    await deployed.add("echo", model)
    answer = await client.post(path, json={"instances": [[1, 2], [3, 4]]})
    assert answer.json() == {"predictions": [[1, 2], [3, 4]]}
    assert model.given == [[[1, 2], [3, 4]]]
    await deployed.add("own", lambda _: {"predictions": [0], "probabilities": [[1]]})
    own = await client.post("/v1/models/own:predict", json={"instances": [[1]]})
    assert own.json() == {"predictions": [0], "probabilities": [[1]]}
    # What is none of version 1 is Truss: the model is given the body, and its answer is the answer.
    for body in ([[1, 2]], {"instances": [1], "other": 2}, {"inputs": [1]}, "text"):
        assert (await client.post(path, json=body)).json() == body
    assert (await client.post("/v1/models/nobody:predict", json={})).status_code == 404
    assert (await client.post(path, content=b"{")).status_code == 400
