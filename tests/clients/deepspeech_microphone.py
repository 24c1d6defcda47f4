"""Does with the `websocket-client` package what microphone clients of the DeepSpeech REST API do: 1024 frames
out, a text in, in turn. URL and 16 kHz recording as arguments; silence follows the recording."""

import json
import sys
import time
import wave

from websocket import create_connection

url, recording = sys.argv[1:]
FRAMES = 1024

with wave.open(recording) as file:
    sound = file.readframes(file.getnframes()) + bytes(2 * 16_000 * 2)

connection = create_connection(f"{url.replace('http', 'ws', 1)}/api/v1/stt/mic", timeout=60)
texts, slowest = [], 0.0
started = time.monotonic()
for number, at in enumerate(range(0, len(sound) - 2 * FRAMES + 1, 2 * FRAMES)):
    time.sleep(max(0, started + number * FRAMES / 16_000 - time.monotonic()))
    asked = time.monotonic()
    connection.send_binary(sound[at : at + 2 * FRAMES])
    texts.append(connection.recv())
    slowest = max(slowest, time.monotonic() - asked)
connection.close()

sys.stdout.write(
    json.dumps({"sent": number + 1, "answered": len(texts), "slowest_seconds": slowest, "last": texts[-1]})
    + "\n"
)
