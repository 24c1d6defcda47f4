"""OpenAI's own client, in its newest version and an old one, against everything in one process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
import srt
import webvtt

SPEECH = Path(__file__).parents[1] / "speech"
RECORDING, OTHER = SPEECH / "sense-0880.wav", SPEECH / "sense-0870.wav"
TEXT = "He was not an ill-disposed young man."
SECONDS = 2.99

pytestmark = [pytest.mark.live, pytest.mark.models, pytest.mark.timeout(600)]

Said = dict[str, Any]


@pytest.fixture(scope="module")
def key(url: str) -> str:
    account = {"username": "ada", "email": "ada@example.com", "password": "a long password"}
    httpx2.post(f"{url}/v1/users", json=account).raise_for_status()
    token = httpx2.post(f"{url}/v1/token", json={"username": "ada", "password": account["password"]})
    return str(token.json()["access_token"])


@pytest.fixture(scope="module", params=["openai==3.52.0", "openai==1.109.1"])
def said(
    request: pytest.FixtureRequest,
    client_python: Callable[..., Path],
    run_client: Callable[..., Said],
    url: str,
    key: str,
) -> Said:
    """What the client said to each call, see the script."""
    return run_client(client_python(request.param), "openai_audio.py", url, key, RECORDING, OTHER)


def test_every_format_reads_as_the_client_expects(said: Said) -> None:
    assert said["json"]["text"] == said["raw"]["text"] == TEXT
    assert said["json"]["usage"] == {"type": "duration", "seconds": SECONDS}
    assert said["text"] == f"{TEXT}\n"
    (cue,) = srt.parse(said["srt"])
    assert (cue.index, " ".join(cue.content.split())) == (1, TEXT)
    (caption,) = webvtt.from_string(said["vtt"]).captions
    assert " ".join(caption.text.split()) == TEXT


def test_verbose_json_fills_every_field_of_the_client(said: Said) -> None:
    verbose = said["verbose"]
    assert (verbose["language"], verbose["duration"], verbose["text"]) == ("english", SECONDS, TEXT)
    assert verbose["usage"] == {"type": "duration", "seconds": SECONDS}
    # A word may be told in parts: `ill`, `-disposed`.
    assert "".join(word["word"] for word in verbose["words"]) == TEXT.replace(" ", "")
    assert all(0 <= word["start"] <= word["end"] <= SECONDS for word in verbose["words"])
    (segment,) = verbose["segments"]
    assert None not in segment.values()
    assert (segment["id"], segment["seek"], segment["text"].strip()) == (0, 0, TEXT)
    assert segment["tokens"]
    assert -1 < segment["avg_logprob"] < 0


def test_every_model_gives_verbose_json(said: Said) -> None:
    assert "whisper-base" in said["models"]
    assert said["verbose_of_models"] == dict.fromkeys(said["models"], "english")
    assert said["retrieved"] == said["models"][0]


def test_a_stream_is_deltas_and_their_sum(said: Said) -> None:
    *deltas, done = said["streamed"]
    assert {event["type"] for event in deltas} == {"transcript.text.delta"}
    assert done["type"] == "transcript.text.done"
    assert done["text"] == "".join(event["delta"] for event in deltas) == TEXT


def test_diarized_json_says_who_said_what(said: Said) -> None:
    if not said["diarized"]:
        pytest.skip("this version of the client has no diarized_json")
    ((kind, name, speaker, text),) = said["diarized"]
    assert (kind, name, text) == ("transcript.text.segment", "seg_0", TEXT)
    assert speaker


def test_answers_name_their_request_and_their_job(said: Said) -> None:
    assert all(said["raw"]["headers"])


def test_words_can_be_pushed(said: Said) -> None:
    assert said["boosted"] == TEXT


def test_english_is_translated_into_itself(said: Said) -> None:
    assert said["translated"] == said["translated_verbose"]["text"]
    assert "disposed young man" in said["translated"]
    assert (said["translated_verbose"]["language"], said["translated_verbose"]["duration"]) == (
        "english",
        SECONDS,
    )


@pytest.mark.parametrize(
    ("error", "status", "code", "param", "shown"),
    [
        ("wrong_key", 401, "invalid_api_key", None, "token"),
        ("wrong_model", 404, "model_not_found", "model", "whisper-base"),
        ("wrong_file", 400, "audio_unreadable", "file", "no sound"),
        ("wrong_format", 400, "bad_input", "timestamp_granularities", "verbose_json"),
    ],
)
def test_errors_say_what_is_wrong(
    said: Said, error: str, status: int, code: str, param: str | None, shown: str
) -> None:
    found = said[error]
    assert (found["status_code"], found["code"], found["param"]) == (status, code, param)
    assert shown in found["shown"]
    assert found["request_id"]
