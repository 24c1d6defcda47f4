"""All capabilities as processes of their own on real servers, with real models: they work for each other."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from stentor_common.testing import eventually
from stentor_dev.distributed import CAPABILITIES, Distributed, programs

pytestmark = [pytest.mark.live, pytest.mark.models, pytest.mark.timeout(300)]

SPEECH = Path(__file__).parents[1] / "speech" / "sense-0880.wav"
SAID = "He was not an ill-disposed young man."
WAIT = {"Prefer": "wait=60"}
STORY = "The harbour was closed after a storm. Fishermen waited for two days. It will open on Friday."


@pytest.fixture(scope="module")
def house() -> Iterator[Distributed]:
    # A worker that is killed is missed after this long.
    settings = {"STENTOR_LEASE_SECONDS": "5"}
    with Distributed(argvs=programs(capabilities=CAPABILITIES), settings=settings) as started:
        yield started


@pytest.fixture
def client(house: Distributed) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=house.url, timeout=90) as made:
        yield made


def test_a_recording_goes_through_all_of_them(client: httpx2.Client) -> None:
    answer = client.post(
        "/v1/pipelines",
        files={"file": SPEECH.read_bytes()},
        data={"steps": '[{"do": "transcribe"}, {"do": "summarize"}, {"do": "speak", "format": "wav"}]'},
        headers=WAIT,
    )
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["status"], found["error"]) == ("completed", None)
    assert [step["text"] for step in found["steps"]] == [SAID, SAID, None]
    assert client.get(found["audio_url"]).content.startswith(b"RIFF")


def test_a_text_is_spoken_while_the_model_is_in_another_process(client: httpx2.Client) -> None:
    asked = {
        "model": "tts-1",
        "voice": "alloy",
        "input": "One sentence. Another one.",
        "response_format": "wav",
    }
    with client.stream("POST", "/v1/audio/speech", json=asked) as answer:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
        assert sum(map(len, answer.iter_bytes())) > 50_000


@pytest.mark.parametrize("prefix", ["/speech-to-text", "/summarization"])
async def test_a_slashml_job_is_known_at_every_service(house: Distributed, prefix: str) -> None:
    async with httpx2.AsyncClient(base_url=house.url, timeout=90) as client:
        made = (await client.post(f"{prefix}/v1/jobs", data={"text": STORY})).json()
        assert (made["status"], made["service_provider"]) == ("IN_PROGRESS", "hugging-face")
        for other in ("/speech-to-text", "/text-to-speech", "/summarization"):

            async def done(path: str = f"{other}/v1/jobs/{made['id']}") -> dict[str, Any] | None:
                found: dict[str, Any] = (await client.get(path)).json()
                return found if found["status"] == "COMPLETED" else None

            found = await eventually(done, seconds=60)
            assert found
            assert found["summarization_data"] in STORY


async def test_a_pipeline_goes_on_when_its_worker_was_killed(house: Distributed) -> None:
    async with httpx2.AsyncClient(base_url=house.url, timeout=90) as client:
        steps = [{"do": "summarize"}, {"do": "speak"}]
        house.kill("summarize-worker-1")
        answer = await client.post("/v1/pipelines", json={"text": STORY, "steps": steps})
        assert answer.status_code == 202, answer.text
        made = answer.json()

        async def begun() -> bool:
            now = (await client.get(f"/v1/pipelines/{made['id']}")).json()
            return bool(now["steps"][0]["job_id"])

        await eventually(begun)
        house.kill("pipelines-worker-1")
        house.start("summarize-worker-1")
        house.start("pipelines-worker-1")

        async def over() -> dict[str, Any] | None:
            now: dict[str, Any] = (await client.get(f"/v1/pipelines/{made['id']}")).json()
            return None if now["status"] in ("queued", "running") else now

        found = await eventually(over, seconds=120)
        assert found
        assert [step["status"] for step in found["steps"]] == ["completed", "completed"]
        assert found["steps"][0]["text"] in STORY
