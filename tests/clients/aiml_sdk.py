"""Runs the published `aimlapi-sdk-python`, in an environment of its own: URL, API token and recording as
arguments."""

import json
import sys
from pathlib import Path
from typing import Any

from aimlapi import AIMLAPI
from openai import BadRequestError

url, token, recording = sys.argv[1:]
client = AIMLAPI(base_url=f"{url}/v1", api_key=token, max_retries=0)


def transcribed(model: str, **options: Any) -> Any:
    with Path(recording).open("rb") as file:
        return client.audio.transcriptions.create(file=file, model=model, poll_interval=0.2, **options)


whisper = transcribed("#g1_whisper-base")
openai = transcribed("openai/gpt-4o-transcribe", language="en", temperature=0.0)
assembly = transcribed("aai/universal")
try:
    transcribed("gpt-2")
    refused = ""
except BadRequestError as error:
    refused = str(error)

spoken = client.audio.speech.create(input="Hello world.", model="openai/tts-1", voice="onyx")
as_wav = client.audio.speech.create(
    input="Hello world.", model="#g1_aura-asteria-en", voice="alloy", response_format="wav"
)

sys.stdout.write(
    json.dumps(
        {
            "whisper": whisper,
            "openai": openai,
            "assembly": assembly,
            "refused": refused,
            "spoken": [sound.response.headers["content-type"] for sound in (spoken, as_wav)],
            "spoken_bytes": [len(sound.content) for sound in (spoken, as_wav)],
        }
    )
)
