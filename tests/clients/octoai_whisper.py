"""Runs the published `octoai-sdk`, in an environment of its own: URL, API token and recording as arguments.

Versions up to 0.4.0 hand out a recording as text, later ones as an object or as bytes.
"""

import json
import sys
import time

from octoai.client import Client
from octoai.types import Audio

url, token, recording = sys.argv[1:]
endpoint = f"{url}/endpoints/whisper"
client = Client(token=token)
audio = Audio.from_file(recording)
as_text = audio.audio_b64 if hasattr(audio, "audio_b64") else audio.data.decode()
inputs = {"language": "en", "task": "transcribe", "audio": as_text}

healthy = client.health_check(f"{endpoint}/healthcheck")
predicted = client.infer(f"{endpoint}/predict", inputs)
inferred = client.infer(f"{endpoint}/infer", {**inputs, "audio": audio.model_dump()})

futures = [client.infer_async(f"{endpoint}/predict", inputs) for _ in range(2)]
while not all(client.is_future_ready(future) for future in futures):
    time.sleep(0.2)
results = [client.get_future_result(future) for future in futures]

try:
    client.infer(f"{endpoint}/predict", {"audio": "not base64!"})
    refused = ""
except Exception as error:
    refused = f"{type(error).__name__}: {error}"

# The oldest version streams the answers of language models only.
streams = not hasattr(audio, "audio_b64")
parts = list(client.infer_stream(f"{endpoint}/predict", inputs)) if streams else None

sys.stdout.write(
    json.dumps(
        {
            "healthy": healthy,
            "predicted": predicted,
            "inferred": inferred,
            "results": results,
            "refused": refused,
            "parts": parts,
        }
    )
)
