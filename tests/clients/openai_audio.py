"""Runs OpenAI's own client, in an environment of its own: URL, API key and two recordings as arguments."""

import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai

url, key, recording, other = sys.argv[1:]
client = openai.OpenAI(base_url=f"{url}/v1", api_key=key)
NEW = int(openai.__version__.partition(".")[0]) >= 3


def transcribed(**options: Any) -> Any:
    with Path(recording).open("rb") as file:
        return client.audio.transcriptions.create(**{"file": file, "model": "whisper-1", **options})


def translated(**options: Any) -> Any:
    with Path(recording).open("rb") as file:
        return client.audio.translations.create(file=file, model="whisper-1", **options)


def raw() -> dict[str, Any]:
    with Path(recording).open("rb") as file:
        answer = client.audio.transcriptions.with_raw_response.create(file=file, model="whisper-1")
    return {
        "text": answer.parse().text,
        "headers": [answer.headers.get(name) for name in ("x-request-id", "x-stentor-job-id")],
    }


def diarized() -> list[list[Any]]:
    """Who says what, with the reader's voice known from another sentence."""
    sample = base64.b64encode(Path(other).read_bytes()).decode()
    found = transcribed(
        model="gpt-4o-transcribe-diarize",
        response_format="diarized_json",
        chunking_strategy="auto",
        known_speaker_names=["Reader"],
        known_speaker_references=[f"data:audio/wav;base64,{sample}"],
    )
    return [[segment.type, segment.id, segment.speaker, segment.text] for segment in found.segments]


def streamed() -> list[dict[str, Any]]:
    return [event.model_dump() for event in transcribed(model="gpt-4o-transcribe", stream=True)]


def error(call: Callable[[], Any]) -> dict[str, Any]:
    try:
        call()
    except openai.APIStatusError as raised:
        names = ("status_code", "code", "param", "type", "request_id")
        return {"shown": str(raised), **{name: getattr(raised, name) for name in names}}
    raise SystemExit("this should have failed")


def of_wrong_key() -> Any:
    with Path(recording).open("rb") as file:
        wrong = client.with_options(api_key="sk-wrong")
        return wrong.audio.transcriptions.create(file=file, model="whisper-1")


verbose = transcribed(
    response_format="verbose_json",
    timestamp_granularities=["word", "segment"],
    language="en",
    prompt="A novel by Jane Austen.",
    temperature=0,
)
HEARS = {"available": True, "capability": "speech-to-text"}
models = [model.id for model in client.models.list() if HEARS.items() <= model.model_extra.items()]

found = {
    "json": transcribed(chunking_strategy={"type": "server_vad", "threshold": 0.4}).model_dump(),
    "text": transcribed(response_format="text"),
    "srt": transcribed(response_format="srt"),
    "vtt": transcribed(response_format="vtt"),
    "verbose": verbose.model_dump(),
    "diarized": diarized() if NEW else [],
    "streamed": streamed(),
    "raw": raw(),
    "boosted": transcribed(extra_body={"hotwords": ["Dashwood:5"]}).text,
    "keywords": transcribed(keywords=["Norland Park", "Dashwood"], languages=["en"]).text if NEW else "",
    "translated": translated().text,
    "translated_verbose": translated(response_format="verbose_json").model_dump(),
    "models": models,
    "verbose_of_models": {
        name: transcribed(model=name, response_format="verbose_json").language for name in models
    },
    "retrieved": client.models.retrieve(models[0]).id,
    "wrong_key": error(of_wrong_key),
    "wrong_model": error(lambda: transcribed(model="no-such-model")),
    "wrong_file": error(lambda: transcribed(file=("a.mp3", b"this is no sound"))),
    "wrong_format": error(lambda: transcribed(timestamp_granularities=["word"])),
}
sys.stdout.write(json.dumps(found))
