"""Runs OpenAI's own client, in an environment of its own: URL, API key and a folder as arguments.

What is said goes into the folder, is heard by the same server, and told as text.
"""

import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai

url, key, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
client = openai.OpenAI(base_url=f"{url}/v1", api_key=key)
TEXT = "The quick brown fox jumps over the lazy dog. It is 7:30 pm."


def say(**options: Any) -> Any:
    return client.audio.speech.create(**{"model": "tts-1", "voice": "alloy", "input": TEXT, **options})


def heard(path: Path) -> str:
    with path.open("rb") as file:
        return str(client.audio.transcriptions.create(file=file, model="whisper-1").text)


def written(format: str) -> Path:
    path = folder / f"speech.{format}"
    say(response_format=format).write_to_file(path)
    return path


def streamed() -> Path:
    path = folder / "streamed.wav"
    with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="onyx", input=TEXT, response_format="wav", instructions="Be glad."
    ) as answer:
        answer.stream_to_file(path)
        headers = dict(answer.headers)
    told["streamed_headers"] = [headers.get("x-stentor-voice"), "x-stentor-warning" in headers]
    return path


def by_events() -> Path:
    path = folder / "events.mp3"
    events = []
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input=TEXT, extra_body={"stream_format": "sse"}
    ) as answer:
        for line in answer.iter_lines():
            if line.startswith("data:"):
                events.append(json.loads(line.removeprefix("data:")))
    *deltas, done = events
    path.write_bytes(b"".join(base64.b64decode(event["audio"]) for event in deltas))
    told["done"] = done
    return path


def error(call: Callable[[], Any]) -> dict[str, Any]:
    try:
        call()
    except openai.APIStatusError as raised:
        names = ("status_code", "code", "param", "type", "request_id")
        return {"shown": str(raised), **{name: getattr(raised, name) for name in names}}
    raise SystemExit("this should have failed")


told: dict[str, Any] = {}
told["heard"] = {name: heard(written(name)) for name in ("mp3", "wav", "flac", "opus")}
told["pcm_bytes"] = written("pcm").stat().st_size
told["aac_bytes"] = written("aac").stat().st_size
told["streamed"] = heard(streamed())
told["by_events"] = heard(by_events())
told["wrong_model"] = error(lambda: say(model="tts-9"))
told["wrong_voice"] = error(lambda: say(voice="homer"))
told["too_long"] = error(lambda: say(input="a" * 4097))
told["wrong_key"] = error(
    lambda: client.with_options(api_key="sk-wrong").audio.speech.create(
        model="tts-1", voice="alloy", input=TEXT
    )
)
sys.stdout.write(json.dumps(told))
