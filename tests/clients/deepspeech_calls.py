"""What programs for the DeepSpeech REST API do, with `requests` and `websocket-client`: URL and recording as
arguments. An account, a token, a file with hot-words as a form, the same on a WebSocket."""

import json
import sys
from pathlib import Path
from typing import Any

import requests
import websocket

url, recording = sys.argv[1:]
account = {"username": "forrestgump", "email": "fgump@yourdomain.com", "password": "yourpassword"}
hot_words = {"paris": -1000, "young": 1000, "parents": -1000}

registered = requests.post(f"{url}/users", json=account, timeout=60).json()
signed_in = requests.post(
    f"{url}/token", json={key: account[key] for key in ("username", "password")}, timeout=60
).json()
headers = {"Authorization": "Bearer " + signed_in["access_token"]}

with Path(recording).open("rb") as file:
    by_form = requests.post(
        f"{url}/api/v1/stt/http", data=hot_words, files=[("audio", file)], headers=headers, timeout=300
    ).json()


def by_socket(first: Any, token: Any = None) -> tuple[Any, bool]:
    """The answer, and whether the server ended the connection after it."""
    socket = websocket.WebSocket()
    socket.connect(f"{url.replace('http', 'ws')}/api/v1/stt/ws", header=token or {})
    if first:
        socket.send(json.dumps(first))
    with Path(recording).open("rb") as file:
        socket.send_binary(file.read())
    answer = json.loads(socket.recv())
    return answer, socket.recv() == ""


plainly, plainly_ended = by_socket(None)
with_words, with_words_ended = by_socket(hot_words, headers)

sys.stdout.write(
    json.dumps(
        {
            "registered": registered["message"],
            "by_form": by_form,
            "plainly": plainly,
            "with_words": with_words,
            "ended": plainly_ended and with_words_ended,
        }
    )
)
