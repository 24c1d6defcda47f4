"""Runs the published `deepgram-sdk` client, in an environment of its own: URL, token, recording and the
receiver of a callback as arguments."""

import json
import sys
import wave
from pathlib import Path

from deepgram import DeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.environment import DeepgramClientEnvironment

url, token, recording, receiver = sys.argv[1:]
live_url = url.replace("http", "ws", 1)
here = DeepgramClientEnvironment(base=url, production=live_url, agent=live_url, agent_rest=url)
client = DeepgramClient(api_key=token, environment=here)
media = client.listen.v1.media
speech = Path(recording).read_bytes()

plain = media.transcribe_file(request=speech)
rich = media.transcribe_file(
    request=speech,
    model="nova-3",
    language="en",
    smart_format=True,
    utterances=True,
    diarize=True,
    keyterm=["ill-disposed", "Dashwood"],
    replace=["man:fellow"],
    search=["young"],
    tag=["a", "b"],
    topics=True,
)
told = media.transcribe_file(request=speech, callback=receiver, callback_method="PUT", punctuate=True)
try:
    media.transcribe_url(url="http://127.0.0.1/secret.mp3")
    refused = ""
except ApiError as error:
    refused = f"{error.status_code} {error.body['err_code']} {error.body['err_msg']}"

live: list[str] = []
with wave.open(recording) as sound:
    rate, samples = sound.getframerate(), sound.readframes(sound.getnframes())
with client.listen.v1.connect(
    model="nova-3", encoding="linear16", sample_rate=rate, punctuate=True, interim_results=True
) as connection:
    for at in range(0, len(samples), rate // 5):
        connection.send_media(samples[at : at + rate // 5])
    connection.send_close_stream()
    for message in connection:
        if message.type == "Results" and message.is_final:
            live.append(message.channel.alternatives[0].transcript)
        if message.type == "Metadata":
            live_seconds = message.duration

best, laid_out = (each.results.channels[0].alternatives[0] for each in (plain, rich))
found = {
    "text": best.transcript,
    "words": [word.word for word in best.words],
    "last_end": best.words[-1].end,
    "duration": plain.metadata.duration,
    "sha256": plain.metadata.sha256,
    "rich": laid_out.transcript,
    "paragraphs": laid_out.paragraphs.transcript,
    "utterances": [utterance.transcript for utterance in rich.results.utterances],
    "speakers": sorted({word.speaker for word in laid_out.words}),
    "hits": len(rich.results.channels[0].search[0].hits),
    "tags": rich.metadata.tags,
    "warnings": [warning["parameter"] for warning in rich.metadata.warnings],
    "request_id": told.request_id,
    "refused": refused,
    "live": " ".join(filter(None, live)),
    "live_seconds": live_seconds,
}
sys.stdout.write(json.dumps(found) + "\n")
