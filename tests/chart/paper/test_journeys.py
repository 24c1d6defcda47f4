"""Everything the product does, once each, with the whole chart: through the Ingress as it is rendered, to the
API that has it, to a worker of its pool, and back."""

import base64
import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from standardwebhooks.webhooks import Webhook as Verifier
from websockets.sync.client import connect

from stentor_common.testing import eventually as arrived
from stentor_common.testing_receiver import receiver
from stentor_deploy.testing_place import packed
from stentor_dev import helm
from stentor_dev.paper.calls import sound, state, submit
from stentor_dev.paper.cluster import PaperCluster
from stentor_dev.paper.networks import Network
from stentor_dev.paper.node import SERVERS
from stentor_dev.patience import eventually

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]

Object = dict[str, Any]
WAIT = {"Prefer": "wait=30"}
MIB = 1024 * 1024
LARGEST = 4 * MIB
RECEIVER = {"to": [{"ipBlock": {"cidr": f"{SERVERS}/32"}}], "ports": [{"port": 8443, "protocol": "TCP"}]}
TEXT = "The tide table hung beside the door. Nobody had looked at it since the harbour was closed."
FILE = {"audio": ("a.wav", sound(1))}


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every sentence that was spoken, a line each."""
    return tmp_path_factory.mktemp("voice") / "diary"


@pytest.fixture(scope="module")
def objects(
    values: Callable[..., Object], spoken: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[Object]:
    folder = tmp_path_factory.mktemp("scripts")
    voice, digest = folder / "voice.json", folder / "digest.json"
    voice.write_text(json.dumps({"diary": str(spoken), "seconds_per_audio_second": 0.5}))
    speaker = {"engine": "scripted", "model": str(voice), "voice": "high", "languages": ["en"]}
    digest.write_text(json.dumps({"texts": ["The harbour is closed."]}))
    told = values()
    told["settings"] |= {
        "STENTOR_MAX_UPLOAD_BYTES": LARGEST,
        "STENTOR_WEBHOOK_ALLOWED": [f"{SERVERS}/32", "127.0.0.0/8"],
    }
    told["networkPolicy"] = {"egress": [RECEIVER]}
    told["services"] |= {
        "tts": {"replicas": 1, "voices": [speaker]},
        "summarize": {"replicas": 1, "models": [f"scripted:{digest}"]},
        "pipelines": {"replicas": 1},
    }
    told["services"]["stt"]["replicas"] = told["pools"]["whisper"]["replicas"] = 1
    return helm.render(values=told)


@pytest.fixture(scope="module")
def token(cluster: PaperCluster) -> str:
    """Of somebody who has an account."""
    person = {"username": "ada", "email": "ada@example.com", "password": "a long password"}
    with httpx2.Client(base_url=cluster.url, timeout=30) as client:
        assert client.post("/v1/users", json=person).status_code == 201
        signed_in = client.post("/v1/token", data={"username": "ada", "password": person["password"]})
        return str(signed_in.json()["access_token"])


@pytest.fixture
def client(cluster: PaperCluster, token: str) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=cluster.url, timeout=60, headers=headers) as opened:
        yield opened


@pytest.fixture(scope="module")
def model(cluster: PaperCluster, token: str) -> str:
    """Name of a deployed model that answers what it is asked."""
    code = "class Model:\n    def predict(self, given):\n        return given\n"
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=cluster.url, timeout=60, headers=headers) as client:
        sent = {"archive": ("m.tgz", packed({"config.yaml": "model_name: echo\n", "model/model.py": code}))}
        made = client.post("/v1/deployments", data={"name": "echo"}, files=sent)
        assert made.status_code == 202, made.text
        eventually(lambda: client.get("/v1/deployments/echo").json()["status"] in ("idle", "ready"))
    return "echo"


def ended(client: httpx2.Client, job_id: str) -> str:
    """How a job came to its end."""
    eventually(lambda: state(client, job_id) not in ("queued", "running"))
    return state(client, job_id)


def told(client: httpx2.Client, path: str, *, status: str) -> Object:
    """What is told there, once that is the status."""
    eventually(lambda: client.get(path).json()["status"] == status)
    found: Object = client.get(path).json()
    return found


def uploaded(client: httpx2.Client) -> Object:
    answer = client.post("/v1/uploads", files={"file": ("a.wav", sound(1))})
    assert answer.status_code == 201, answer.text
    found: Object = answer.json()
    return found


# Stentor's own contract


def test_an_upload_is_heard_by_its_url_and_becomes_subtitles(client: httpx2.Client) -> None:
    asked = {"audio_url": uploaded(client)["url"]}
    found = client.post("/v1/transcriptions", json=asked, headers=WAIT).json()
    assert (found["status"], found["text"]) == ("completed", "Hello world.")
    subtitles = client.get(f"/v1/transcriptions/{found['id']}", params={"format": "vtt"})
    assert subtitles.text.startswith("WEBVTT")
    assert "Hello world." in subtitles.text


def test_events_arrive_while_the_job_runs(client: httpx2.Client) -> None:
    job = submit(client, 10)
    with client.stream("GET", f"/v1/transcriptions/{job}/events") as answer:
        lines = answer.iter_lines()
        first = next(line for line in lines if line.startswith("event:"))
        assert state(client, job) != "completed"
        kinds = [first, *(line for line in lines if line.startswith("event:"))]
    assert kinds[-1] == "event: completed"


def test_speech_is_made_whole_and_while_somebody_listens(client: httpx2.Client, spoken: Path) -> None:
    whole = client.post("/v1/speech", json={"text": "Hello world."}, headers=WAIT).json()
    assert whole["status"] == "completed", whole
    assert client.get(whole["audio_url"]).headers["content-type"] == "audio/mpeg"
    before = len(spoken.read_text().splitlines())
    sentences = [f"This is the sentence with the number {number}." for number in range(8)]
    asked = {"text": " ".join(sentences), "format": "wav", "cache": False}
    with client.stream("POST", "/v1/speech/stream", json=asked) as answer:
        pieces = answer.iter_bytes(1000)
        assert next(pieces).startswith(b"RIFF")
        assert len(spoken.read_text().splitlines()) - before < len(sentences)
        assert sum(map(len, pieces)) > 100_000
    assert len(spoken.read_text().splitlines()) - before >= len(sentences)


def test_a_document_is_summarized(client: httpx2.Client) -> None:
    sent = {"file": ("harbour.md", f"# Harbour\n\n{TEXT}".encode())}
    found = client.post("/v1/summaries", files=sent, headers=WAIT).json()
    assert (found["status"], found["text"]) == ("completed", "The harbour is closed."), found


def test_a_recording_becomes_text_summary_and_speech(client: httpx2.Client) -> None:
    steps = [{"do": "transcribe"}, {"do": "summarize"}, {"do": "speak", "format": "wav"}]
    asked = {"upload_id": uploaded(client)["id"], "steps": steps}
    found = client.post("/v1/pipelines", json=asked, headers=WAIT).json()
    assert [step["status"] for step in found["steps"]] == ["completed"] * 3, found
    assert client.get(found["audio_url"]).content.startswith(b"RIFF")


def test_a_job_is_stopped_and_another_one_deleted(client: httpx2.Client) -> None:
    stopped, deleted = submit(client, 60), submit(client, 1)
    client.post(f"/v1/jobs/{stopped}/cancel")
    assert ended(client, stopped) == "cancelled"
    assert ended(client, deleted) == "completed"
    assert client.delete(f"/v1/transcriptions/{deleted}").status_code == 204
    assert client.get(f"/v1/jobs/{deleted}").status_code == 404


async def test_a_webhook_leaves_the_cluster(cluster: PaperCluster, token: str, network: Network) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    async with receiver() as server, httpx2.AsyncClient(base_url=cluster.url, headers=headers) as client:
        secret = (await client.post("/v1/webhooks/secrets")).json()["secret"]
        told = {"webhook_url": network.server(server.url, 8443)}
        files = {"file": ("a.wav", sound(1))}
        job = (await client.post("/v1/transcriptions", files=files, data=told, headers=WAIT)).json()

        async def told_of() -> bool:
            return bool(server.received)

        await arrived(told_of, seconds=60)
    body = Verifier(secret).verify(server.received[0].body, dict(server.received[0].headers))
    assert (body["type"], body["data"]["id"]) == ("transcription.completed", job["id"])


def test_models_of_all_services_are_listed_though_one_api_lists_them(client: httpx2.Client) -> None:
    found = client.get("/v1/models").json()["data"]
    capabilities = {each["capability"] for each in found}
    assert capabilities == {"speech-to-text", "text-to-speech", "summarization"}


def test_a_file_up_to_the_products_own_bound_gets_through(client: httpx2.Client) -> None:
    """nginx lets through one mebibyte, unless it is told otherwise."""
    inside, beyond = bytes(LARGEST - 10_000), bytes(LARGEST + 10_000)
    assert client.post("/v1/uploads", files={"file": ("a.wav", inside)}).status_code == 201
    refused = client.post("/v1/uploads", files={"file": ("a.wav", beyond)})
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "upload_too_large")


# Other systems' contracts, each family once


def test_openai(client: httpx2.Client) -> None:
    heard = client.post(
        "/v1/audio/transcriptions", files={"file": FILE["audio"]}, data={"model": "whisper-1"}
    )
    assert heard.json()["text"] == "Hello world."
    asked = {"model": "tts-1", "input": "Hello.", "voice": "alloy"}
    assert client.post("/v1/audio/speech", json=asked).headers["content-type"] == "audio/mpeg"


def test_assemblyai(client: httpx2.Client) -> None:
    url = client.post("/v2/upload", content=sound(1)).json()["upload_url"]
    made = client.post("/v2/transcript", json={"audio_url": url}).json()
    assert told(client, f"/v2/transcript/{made['id']}", status="completed")["text"] == "Hello world."


def test_deepgram(client: httpx2.Client) -> None:
    found = client.post("/v1/listen", content=sound(1)).json()
    assert found["results"]["channels"][0]["alternatives"][0]["transcript"] == "hello world"


def test_aiml(client: httpx2.Client) -> None:
    made = client.post("/v1/stt/create", data={"model": "#g1_whisper-large"}, files=FILE).json()
    told(client, f"/v1/stt/{made['generation_id']}", status="completed")
    spoken = client.post("/v1/tts", json={"text": "Hello.", "model": "openai/tts-1"}).json()
    assert client.get(spoken["audio"]["url"]).headers["content-type"] == "audio/mpeg"


def test_octoai(client: httpx2.Client, model: str) -> None:
    asked = {"audio": base64.b64encode(sound(1)).decode()}
    now = client.post("/endpoints/whisper/predict", json=asked)
    assert now.json()["transcription"] == "Hello world.", now.text
    for path, given in (("/endpoints/whisper/predict", asked), (f"/endpoints/{model}/predict", {"n": 1})):
        later = client.post(path, json=given, headers={"X-OctoAI-Async": "1"}).json()
        told(client, later["poll_url"], status="completed")
        answer = client.get(client.get(later["poll_url"]).json()["response_url"])
        assert answer.status_code == 200, answer.text


def test_deepspeech(cluster: PaperCluster) -> None:
    forrest = {"username": "forrestgump", "email": "fgump@example.com", "password": "yourpassword"}
    with httpx2.Client(base_url=cluster.url, timeout=60) as client:
        assert client.post("/users", json=forrest).status_code == 200
        signed_in = client.post("/token", json={name: forrest[name] for name in ("username", "password")})
        headers = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
        heard = client.post("/api/v1/stt/http", files=FILE, headers=headers)
    assert "hello world" in heard.text


def test_slashml(client: httpx2.Client, model: str) -> None:
    url = client.post("/speech-to-text/v1/upload", files=FILE).json()["upload_url"]
    heard = client.post("/speech-to-text/v1/jobs", data={"uploaded_audio_url": url}).json()
    digest = client.post("/summarization/v1/jobs", data={"text": TEXT}).json()
    speech = client.post("/text-to-speech/v1/jobs", data={"text": "Hello."}).json()
    # Its documents ask speech to text for jobs of speech.
    for service, job in (("speech-to-text", heard), ("summarization", digest), ("speech-to-text", speech)):
        told(client, f"/{service}/v1/jobs/{job['id']}/", status="COMPLETED")
    (revision,) = client.get(f"/v1/deployments/{model}/revisions").json()["data"]
    asked = {"model_input": [1, 2]}
    answer = client.post(f"/model-deployment/v1/models/{revision['id']}/predict", json=asked)
    assert answer.json()["model_response"] == [1, 2], answer.text


def test_algorithm_cloud(client: httpx2.Client, model: str) -> None:
    text = {"content-type": "text/plain"}
    assert client.post(f"/algorithms/{model}", content="Ada", headers=text).text == "Ada"


def test_open_inference(client: httpx2.Client, model: str) -> None:
    assert client.get("/v2/health/ready").json()["ready"] is True
    tensor = {"name": "rows", "datatype": "INT64", "shape": [2], "data": [3, 4]}
    found = client.post(f"/v2/models/{model}/infer", json={"inputs": [tensor]}).json()
    assert found["outputs"][0]["data"] == [3, 4]
    assert client.post(f"/v1/models/{model}:predict", json={"instances": [1]}).json() == {"predictions": [1]}


def test_truss(client: httpx2.Client, model: str) -> None:
    assert client.post(f"/models/{model}/production/predict", json={"n": 1}).json() == {"n": 1}


@pytest.mark.parametrize(
    "path",
    [
        "/v1/listen?encoding=linear16&sample_rate=16000",
        "/v1/realtime?intent=transcription",
        "/api/v1/stt/ws",
        "/api/v1/stt/mic",
    ],
)
def test_a_websocket_of_another_contract_is_opened(cluster: PaperCluster, token: str, path: str) -> None:
    both = "&" if "?" in path else "?"
    with connect(f"{cluster.url.replace('http', 'ws', 1)}{path}{both}token={token}") as session:
        assert session.response
        assert session.response.status_code == 101


# Inside the cluster


def test_every_pod_tells_its_metrics_inside_and_nobody_outside(
    cluster: PaperCluster, client: httpx2.Client
) -> None:
    for name, (pod, *_) in cluster.pods.items():
        connection = http.client.HTTPConnection(pod.place.address, pod.place.port)
        connection.sock = cluster.network.connect(pod.place, 5)
        connection.request("GET", "/metrics")
        assert b"stentor_jobs_active" in connection.getresponse().read(), name
        connection.close()
    assert client.get("/metrics").status_code == 404


def test_helm_test_says_that_all_is_well(cluster: PaperCluster) -> None:
    cluster.run_job("stentor-test")
