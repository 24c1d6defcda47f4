"""What the service adds to the engine: the same recordings through Stentor and through bare
faster-whisper, turn by turn, with the same model and settings.

The bare library runs twice: as its documentation shows it, and with its model loaded in a thread that
ends, as Stentor's engine does (see `WhisperEngine.load`). Against the second, what is left is the cost of
the service.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import av
from load import Connection
from machine import peak_mib
from servers import ROOT, Running, all_in_one, signed_up, uploaded

from stentor_stt.models import whisper_shelf

MODEL = "whisper-base"
ROUNDS = 3
LONG_REPEATS = 12

BARE = """
import json, sys, threading, time
from faster_whisper import WhisperModel
def load():
    global model
    model = WhisperModel(sys.argv[1], device="cpu", compute_type="int8", cpu_threads=2)
if sys.argv[2] == "thread":
    loader = threading.Thread(target=load)
    loader.start()
    loader.join()
else:
    load()
print("ready", flush=True)
for line in sys.stdin:
    started, words = time.perf_counter(), 0
    for path in json.loads(line):
        segments, _ = model.transcribe(
            path, beam_size=5, language="en", word_timestamps=True, vad_filter=True,
            condition_on_previous_text=False,
        )
        words += sum(len(segment.words) for segment in segments)
    print(json.dumps({"seconds": time.perf_counter() - started, "words": words}), flush=True)
"""


def engine() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="stentor-bench-") as name:
        folder = Path(name)
        clips = sorted((ROOT / "tests" / "speech").glob("*.wav"))
        long = joined(clips * LONG_REPEATS, folder / "long.wav")
        weights = whisper_shelf(folder).locate(MODEL)
        settings = {"STENTOR_STT_THREADS": "2", "STENTOR_STT_MODELS": json.dumps([str(weights)])}
        with (
            all_in_one(settings) as server,
            _bare(weights, "main") as bare,
            _bare(weights, "thread") as threaded,
        ):
            rivals = {"bare": bare, "bare_loaded_in_a_thread": threaded}
            headers = signed_up(server.url)
            found = {
                "clips": _compare(server, headers, rivals, clips),
                "long": _compare(server, headers, rivals, [long]),
                "peak_mib": {"service": peak_mib(server.pid)}
                | {name: peak_mib(rival.pid) for name, rival in rivals.items()},
            }
            for rival in rivals.values():
                rival.terminate()
            return found


def _compare(
    server: Running, headers: dict[str, str], rivals: dict[str, subprocess.Popen[str]], files: list[Path]
) -> dict[str, Any]:
    audio = sum(_seconds(file) for file in files)
    bodies = [_body(uploaded(server.url, headers, file)) for file in files]
    took: dict[str, list[float]] = {"service": [], **{name: [] for name in rivals}}
    for round_number in range(ROUNDS + 1):
        times = {"service": asyncio.run(_ask_service(server.url, headers, bodies))}
        times |= {name: _ask_bare(rival, files) for name, rival in rivals.items()}
        # The first round warms up.
        for name, seconds in times.items() if round_number else ():
            took[name].append(seconds)
    return {
        "audio_seconds": round(audio, 1),
        "real_time_factor": {name: round(statistics.median(each) / audio, 4) for name, each in took.items()},
        "service_over": {name: _ratios(took["service"], took[name]) for name in rivals},
    }


def _ratios(ours: list[float], theirs: list[float]) -> dict[str, Any]:
    each = [round(a / b, 3) for a, b in zip(ours, theirs, strict=True)]
    return {"median": statistics.median(each), "each": each}


async def _ask_service(url: str, headers: dict[str, str], bodies: list[bytes]) -> float:
    """Seconds from submitting all files at once to the last one's end."""

    async def one(body: bytes) -> None:
        connection = await Connection(url, headers).open()
        kind = "Content-Type: application/json\r\n"
        job = (await connection.ask("POST", "/v1/transcriptions", body, f"{kind}Prefer: wait=60\r\n")).json()
        while job["status"] in ("queued", "running"):
            await asyncio.sleep(0.05)
            job = (await connection.ask("GET", f"/v1/transcriptions/{job['id']}")).json()
        assert job["status"] == "completed", job
        await connection.close()

    started = time.perf_counter()
    await asyncio.gather(*map(one, bodies))
    return time.perf_counter() - started


def _ask_bare(bare: subprocess.Popen[str], files: list[Path]) -> float:
    assert bare.stdin is not None
    assert bare.stdout is not None
    bare.stdin.write(json.dumps([str(file) for file in files]) + "\n")
    bare.stdin.flush()
    return float(json.loads(bare.stdout.readline())["seconds"])


def _bare(weights: Path, loaded_in: str) -> subprocess.Popen[str]:
    found = subprocess.Popen(
        [sys.executable, "-c", BARE, str(weights), loaded_in],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert found.stdout is not None
    found.stdout.readline()
    return found


def _body(upload_id: str) -> bytes:
    return json.dumps({"upload_id": upload_id, "language": "en"}).encode()


def joined(clips: list[Path], path: Path) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=16_000)
        stream.layout = "mono"
        for clip in clips:
            with av.open(str(clip)) as source:
                for frame in source.decode(audio=0):
                    frame.pts = None
                    out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def _seconds(path: Path) -> float:
    with av.open(str(path)) as container:
        return (container.duration or 0) / av.time_base
