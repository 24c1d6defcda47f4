"""Text to speech: a long text through the whole service and through the bare library, turn by turn; how soon
streamed sound begins for 1, 4 and 16 clients; and how much of it Whisper understands.

The service normalises text, joins sentences at one loudness and encodes; the bare library gives samples.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import httpx2
import jiwer
from servers import all_in_one, signed_up
from whisper_normalizer.english import EnglishTextNormalizer

VOICES = ("heart", "joe")
CLIENTS = (1, 4, 16)
ROUNDS = 3

# The openings of four novels, in the public domain.
PASSAGES = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of "
    "foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season of light, "
    "it was the season of darkness, it was the spring of hope, it was the winter of despair.",
    "The family had long been settled in the county, and their house stood in the middle of their land. For "
    "many generations they had lived there in so respectable a manner that everybody around thought well of "
    "them.",
    "There was no possibility of taking a walk that day. We had been wandering in the leafless garden for an "
    "hour in the morning, but since dinner the cold winter wind had brought with it clouds so dark, and a "
    "rain so heavy, that further exercise out of doors was now out of the question.",
    "You will be glad to hear that no disaster has followed the beginning of an undertaking which you have "
    "watched with such evil thoughts. I arrived here yesterday, and my first task is to tell my dear sister "
    "that I am well, and more and more certain that all will go well.",
)

BARE = {
    "heart": """
import hibari
voice = hibari.Hibari(threads=1)
def say(text):
    return len(voice(text)) / 24000
""",
    # The engine of the service without the service: there is no library of this licence to compare with.
    "joe": """
from pathlib import Path
from stentor_tts.engines import EngineSettings, Utterance, make_engine
from stentor_tts.sentences import sentences
engine = make_engine("piper", EngineSettings(model="en_US-joe-medium", data_dir=Path(sys.argv[1])))
engine.load()
def say(text):
    spoken = [engine.say([Utterance(each, "", "en-us")])[0] for each in sentences(text, "en-us")]
    return sum(len(each.samples) / each.sample_rate for each in spoken)
""",
}
LOOP = """
print("ready", flush=True)
for line in sys.stdin:
    started = time.perf_counter()
    seconds = say(json.loads(line))
    print(json.dumps({"took": time.perf_counter() - started, "seconds": seconds}), flush=True)
"""


def speaking() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="stentor-bench-") as folder:
        settings = {"STENTOR_DATA_DIR": folder, "STENTOR_TTS_PRELOAD": json.dumps(list(VOICES))}
        with all_in_one(settings) as server:
            headers = signed_up(server.url)
            with httpx2.Client(base_url=server.url, headers=headers, timeout=120) as client:
                found = {voice: _voice(client, voice, folder) for voice in VOICES}
            for voice in VOICES:
                first = {
                    str(count): asyncio.run(_first_sound(server.url, headers, voice, count))
                    for count in CLIENTS
                }
                found[voice]["first_sound_s"] = first
    return found


def _voice(client: httpx2.Client, voice: str, folder: str) -> dict[str, Any]:
    text = " ".join(PASSAGES * 2)
    command = [sys.executable, "-c", f"import json, sys, time\n{BARE[voice]}\n{LOOP}", folder]
    ours, bare, lasts = [], [], 0.0
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as rival:
        assert rival.stdin
        assert rival.stdout
        rival.stdout.readline()
        for number in range(ROUNDS + 1):
            took, lasts = _spoken(client, voice, text)
            rival.stdin.write(json.dumps(text) + "\n")
            rival.stdin.flush()
            said = json.loads(rival.stdout.readline())
            # The first round warms up.
            if number:
                ours.append(took / lasts)
                bare.append(said["took"] / said["seconds"])
        rival.terminate()
    each = [round(a / b, 2) for a, b in zip(ours, bare, strict=True)]
    return {
        "words": len(text.split()),
        "sound_seconds": round(lasts, 1),
        "real_time_factor": {
            "service": round(statistics.median(ours), 4),
            "bare": round(statistics.median(bare), 4),
        },
        "service_over_bare": {"median": statistics.median(each), "each": each},
        "read_back_wrong_percent": _read_back(client, voice),
    }


def _spoken(client: httpx2.Client, voice: str, text: str) -> tuple[float, float]:
    """Seconds that the service took, and that the sound lasts."""
    asked = {"text": text, "voice": voice, "format": "wav", "cache": False}
    started = time.perf_counter()
    job = client.post("/v1/speech", json=asked, headers={"Prefer": "wait=60"}).json()
    took = time.perf_counter() - started
    assert job["status"] == "completed", job
    return took, job["duration_ms"] / 1000


def _read_back(client: httpx2.Client, voice: str) -> float:
    """Share of words that Whisper base takes for others."""
    plain = EnglishTextNormalizer()
    heard = []
    for passage in PASSAGES:
        asked = {"model": "tts-1", "voice": voice, "input": passage, "response_format": "wav"}
        sound = client.post("/v1/audio/speech", json=asked).content
        files = {"file": ("speech.wav", sound)}
        answer = client.post("/v1/transcriptions", files=files, headers={"Prefer": "wait=60"})
        heard.append(plain(answer.json()["text"]))
    return round(100 * jiwer.wer([plain(passage) for passage in PASSAGES], heard), 2)


async def _first_sound(url: str, headers: dict[str, str], voice: str, count: int) -> dict[str, float]:
    """Seconds from a request to its first bytes, with so many clients at once, each with another text."""

    async def one(number: int) -> float:
        text = f"This is client number {number}. {PASSAGES[number % len(PASSAGES)]}"
        asked = {"model": "tts-1", "voice": voice, "input": text, "response_format": "mp3"}
        no_cache = {"Cache-Control": "no-store"}
        started = time.perf_counter()
        async with client.stream("POST", "/v1/audio/speech", json=asked, headers=no_cache) as answer:
            answer.raise_for_status()
            pieces = answer.aiter_bytes()
            await anext(pieces)
            first = time.perf_counter() - started
            async for _ in pieces:
                pass
        return first

    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=120) as client:
        await one(0)
        rounds = [await asyncio.gather(*map(one, range(count))) for _ in range(ROUNDS)]
    found = sorted(seconds for each in rounds for seconds in each)
    return {"p50": round(statistics.median(found), 3), "worst": round(found[-1], 3)}
