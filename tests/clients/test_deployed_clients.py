"""Published clients, unmodified, that call deployed models: packages are uploaded, built and run for real."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

from stentor_deploy.testing_place import packed

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]

ClientPython = Callable[..., Path]
RunClient = Callable[..., dict[str, Any]]

ECHO = """
class Model:
    def predict(self, given):
        if isinstance(given, bytes):
            return given[::-1]
        if isinstance(given, str):
            return given.upper()
        if isinstance(given, dict) and "raise" in given:
            raise ValueError(given["raise"])
        return given
"""
COUNTER = """
class Model:
    def predict(self, given):
        for number in range(given["to"]):
            yield {"number": number}
"""
ADDER = """
class Model:
    def predict(self, given):
        return {"sums": [sum(row) for row in given["rows"]], "texts": given["texts"]}
"""
GREETER = """
from octoai.service import Service


class Greeter(Service):
    def setup(self):
        self.greeting = "Hello"

    def infer(self, name: str) -> str:
        return f"{self.greeting} {name}"

    def say_goodbye(self, name: str) -> str:
        return f"Goodbye {name}"
"""
PACKAGES = {
    "echo": {"model.py": ECHO},
    "counter": {"model.py": COUNTER},
    "adder": {
        "model/model.py": ADDER,
        "config.yaml": json.dumps(
            {"model_metadata": {"example_model_input": {"rows": [[1.5, 2]], "texts": ["a"]}}}
        ),
    },
    "greeter": {"service.py": GREETER, "requirements.txt": ""},
}


@pytest.fixture(scope="module")
def models(url: str, api_token: str) -> Iterator[Callable[[str], None]]:
    """Deploys one of the packages, and waits until it can be called."""
    headers = {"Authorization": f"Bearer {api_token}"}
    with httpx2.Client(base_url=url, headers=headers, timeout=60) as http:

        def deployed(name: str) -> None:
            if http.get(f"/v1/deployments/{name}").status_code == 404:
                files = {"archive": (f"{name}.tar.gz", packed(PACKAGES[name]))}
                http.post("/v1/deployments", data={"name": name}, files=files).raise_for_status()
            deadline = time.monotonic() + 120
            while (found := http.get(f"/v1/deployments/{name}/revisions/1").json())["status"] != "ready":
                assert found["status"] in ("queued", "building", "loading"), found
                assert time.monotonic() < deadline, found
                time.sleep(0.1)

        yield deployed


@pytest.mark.parametrize("version", ["0.4.0", "0.10.1"])
def test_octoai_calls_a_service_of_its_scaffold(
    client_python: ClientPython,
    run_client: RunClient,
    models: Callable[[str], None],
    url: str,
    api_token: str,
    version: str,
) -> None:
    models("greeter")
    models("counter")
    said = run_client(client_python(f"octoai-sdk=={version}"), "octoai_models.py", url, api_token)
    assert said["healthy"] == 200
    assert said["inferred"]["output"] == "Hello Ada"
    assert {*said["inferred"]["analytics"]} == {"inference_time_ms", "performance_time_ms"}
    assert said["further"]["output"] == "Goodbye Ada"
    assert [each["output"] for each in said["later"]] == ["Hello Ada", "Hello Grace"]
    assert said["refused"].startswith("OctoAIClientError: ")
    assert "the input lacks name" in said["refused"]
    if version == "0.10.1":
        assert said["parts"] == [{"number": 0}, {"number": 1}, {"number": 2}]


class File(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"\x01\x02\x03")

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def file_url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), File) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/sound.wav"
        server.shutdown()
        thread.join()


def test_automatedai_sends_and_gets_whatever_it_knows(
    client_python: ClientPython,
    run_client: RunClient,
    models: Callable[[str], None],
    url: str,
    api_token: str,
    file_url: str,
) -> None:
    models("echo")
    python = client_python("automatedai==0.5", "opencv-python==5.0.0.93")
    said = run_client(python, "automatedai_models.py", url, api_token, file_url)
    assert said == {
        "none": {"result": None},
        "object": {"rows": [[1, 2]]},
        "list": [1, 2],
        "number": {"result": 3.5},
        "text": "PLAIN WORDS",
        "bytes": "ff00",
        "download": "030201",
        "raised": said["raised"],
        "token": said["token"],
        "unknown": said["unknown"],
    }
    assert "no" in said["raised"]
    assert said["token"]
    assert "nobody" in said["unknown"]


def test_the_client_of_triton_sends_and_gets_binary_tensors(
    client_python: ClientPython,
    run_client: RunClient,
    models: Callable[[str], None],
    url: str,
    api_token: str,
) -> None:
    models("adder")
    pins = ("tritonclient==2.73.0", "geventhttpclient==2.6.1", "python-rapidjson==1.25", "numpy==2.4.6")
    said = run_client(client_python(*pins), "triton_models.py", url.removeprefix("http://"), api_token)
    assert said["live"]
    assert said["ready"]
    assert said["model_ready"]
    assert not said["nobody_ready"]
    assert "binary_tensor_data" in said["extensions"]
    assert said["metadata"]["versions"] == ["1"]
    assert [each["name"] for each in said["metadata"]["inputs"]] == ["rows", "texts"]
    assert {"name": "adder", "version": "1", "state": "READY", "reason": ""} in said["index"]
    assert said["sums"] == said["json_sums"] == [3.5, 7]
    assert said["texts"] == ["grüße", ""]
    assert (said["json"]["id"], said["json"]["model_version"]) == ("my-id", "1")
    assert [each["name"] for each in said["json"]["outputs"]] == ["sums"]
    assert "texts" in said["refused"]
