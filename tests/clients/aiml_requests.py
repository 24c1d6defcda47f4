"""What the examples of AI/ML API's documents do, with `requests`: URL, API token and recording as arguments.

A recording by its URL and one from a file, each made, polled while it waits or is active, and read at the one
place that the examples read.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import requests

url, token, recording = sys.argv[1:]
base = f"{url}/v1"
headers = {"Authorization": f"Bearer {token}"}


def read(answer: Any) -> Any:
    if answer.status_code != 201:
        raise SystemExit(f"{answer.status_code} {answer.text}")
    generation_id = answer.json().get("generation_id")
    while True:
        found = requests.get(f"{base}/stt/{generation_id}", headers=headers, timeout=60)
        if found.status_code != 200:
            raise SystemExit(f"{found.status_code} {found.text}")
        data = found.json()
        if data.get("status") not in ("waiting", "active"):
            return data["result"]["results"]["channels"][0]["alternatives"][0]["transcript"]
        time.sleep(0.2)


with Path(recording).open("rb") as file:
    uploaded = requests.post(f"{base}/uploads", files={"file": file}, headers=headers, timeout=60).json()
data = {"model": "#g1_whisper-large", "url": uploaded["url"]}
by_url = read(requests.post(f"{base}/stt/create", json=data, headers=headers, timeout=60))

with Path(recording).open("rb") as file:
    files = {"audio": ("sample.mp3", file, "audio/mpeg")}
    data = {"model": "#g1_whisper-large"}
    by_file = read(requests.post(f"{base}/stt/create", data=data, headers=headers, files=files, timeout=60))

sys.stdout.write(json.dumps({"by_url": by_url, "by_file": by_file}))
