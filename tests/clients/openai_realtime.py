"""Runs OpenAI's published client against a realtime transcription: URL, key, 24 kHz recording as arguments.

The recording is sent at the speed at which it was spoken. The session is configured in both shapes, the
newer one and the one that clients had before.
"""

import asyncio
import base64
import json
import sys
import wave
from collections.abc import Iterator
from typing import Any

from openai import AsyncOpenAI

url, key, recording = sys.argv[1:]
client = AsyncOpenAI(
    base_url=f"{url}/v1", websocket_base_url=f"{url.replace('http', 'ws', 1)}/v1", api_key=key
)

NEW = {
    "type": "session.update",
    "session": {
        "type": "transcription",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {"model": "gpt-4o-transcribe", "language": "en"},
                "turn_detection": {"type": "server_vad", "silence_duration_ms": 500},
            }
        },
    },
}
OLD = {
    "type": "transcription_session.update",
    "session": {
        "input_audio_format": "pcm16",
        "input_audio_transcription": {"model": "whisper-1", "language": "en", "prompt": ""},
        "turn_detection": None,
    },
}


def pieces() -> Iterator[bytes]:
    with wave.open(recording) as file:
        assert file.getframerate() == 24_000
        while piece := file.readframes(2_400):
            yield piece
    for _ in range(12):
        yield bytes(4_800)


async def speak(connection: Any, *, commit: bool) -> None:
    for piece in pieces():
        await connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())
        await asyncio.sleep(0.1)
    if commit:
        await connection.input_audio_buffer.commit()


async def talk(connection: Any, update: dict[str, Any], *, commit: bool) -> dict[str, Any]:
    """What is said about one turn."""
    first = await connection.recv()
    await connection.send(update)
    speaking = asyncio.create_task(speak(connection, commit=commit))
    events, deltas, early = [first.type], [], 0
    completed: Any = None
    async for event in connection:
        events.append(event.type)
        if event.type.endswith("transcription.delta"):
            deltas.append(event.delta)
            early += not speaking.done()
        if event.type.endswith(("transcription.completed", "transcription.failed")) or event.type == "error":
            completed = event
            break
    await speaking
    await connection.input_audio_buffer.append(audio="not base64")
    refused = await connection.recv()
    return {
        "session": first.session.to_dict(),
        "events": events,
        "deltas": deltas,
        "early": early,
        "completed": completed.to_dict(),
        "refused": refused.to_dict(),
    }


async def main() -> dict[str, Any]:
    query = {"intent": "transcription"}
    async with client.realtime.connect(model="gpt-realtime", extra_query=query) as connection:
        new = await talk(connection, NEW, commit=False)
    async with client.beta.realtime.connect(model="whisper-1", extra_query=query) as connection:
        old = await talk(connection, OLD, commit=True)
    return {"new": new, "old": old}


sys.stdout.write(json.dumps(asyncio.run(main())) + "\n")
