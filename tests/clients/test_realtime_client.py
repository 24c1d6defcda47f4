"""Published clients of live transcription, against everything in one process with its real model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import httpx2
import pytest
from av.audio.resampler import AudioResampler

SPEECH = Path(__file__).parents[1] / "speech" / "sense-0880.wav"
TEXT = "He was not an ill-disposed young man."

pytestmark = [pytest.mark.live, pytest.mark.models, pytest.mark.timeout(600)]

Said = dict[str, Any]


@pytest.fixture(scope="module")
def key(url: str) -> str:
    account = {"username": "elinor", "email": "elinor@example.com", "password": "a long password"}
    httpx2.post(f"{url}/v1/users", json=account).raise_for_status()
    signed_in = {"username": account["username"], "password": account["password"]}
    return str(httpx2.post(f"{url}/v1/token", json=signed_in).json()["access_token"])


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """At 24 kHz, as the contract wants it."""
    path = tmp_path_factory.mktemp("speech") / "24k.wav"
    resampler = AudioResampler(format="s16", layout="mono", rate=24_000)
    with av.open(str(SPEECH)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=24_000)
        stream.layout = "mono"
        for frame in source.decode(audio=0):
            for resampled in resampler.resample(frame):
                out.mux(stream.encode(resampled))
        out.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module", params=["openai[realtime]==3.52.0", "openai[realtime]==1.109.1"])
def said(
    request: pytest.FixtureRequest,
    client_python: Callable[..., Path],
    run_client: Callable[..., Said],
    url: str,
    key: str,
    recording: Path,
) -> Said:
    return run_client(client_python(request.param), "openai_realtime.py", url, key, recording)


@pytest.mark.parametrize("shape", ["new", "old"])
def test_openais_client_reads_the_text_while_it_is_spoken(said: Said, shape: str) -> None:
    told = said[shape]
    assert told["events"][0] == "session.created"
    assert told["session"]["type"] == "transcription"
    completed = told["completed"]
    assert completed["type"] == "conversation.item.input_audio_transcription.completed"
    assert completed["transcript"] == TEXT == "".join(told["deltas"])
    assert completed["usage"]["type"] == "duration"
    assert told["early"] > 0


def test_a_pause_ends_the_turn_of_openais_client(said: Said) -> None:
    events = said["new"]["events"]
    order = [
        "session.created",
        "session.updated",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.input_audio_transcription.completed",
    ]
    assert [event for event in events if event in order] == order


def test_a_commit_ends_the_turn_of_openais_client(said: Said) -> None:
    assert said["old"]["events"][1] == "transcription_session.updated"
    assert "input_audio_buffer.speech_started" not in said["old"]["events"]


@pytest.mark.parametrize("shape", ["new", "old"])
def test_openais_client_is_told_what_is_wrong_and_goes_on(said: Said, shape: str) -> None:
    refused = said[shape]["refused"]
    assert (refused["type"], refused["error"]["type"]) == ("error", "invalid_request_error")
    assert "base64" in refused["error"]["message"]


def test_a_microphone_client_is_answered_once_for_each_message(
    client_python: Callable[..., Path], run_client: Callable[..., Said], url: str
) -> None:
    told = run_client(client_python("websocket-client==1.8.0"), "deepspeech_microphone.py", url, SPEECH)
    assert told["sent"] == told["answered"]
    assert told["slowest_seconds"] < 1
    assert told["last"] == "he was not an ill disposed young man"
