"""`python benchmarks/run.py [part …]`: measures, prints, and writes results/latest.json."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from diarization import diarization
from engine import engine
from hearing import hearing
from live import live
from machine import machine
from parts import parts
from platform_load import distributed, embedded
from probes import probes
from scaling.check import check
from serving import serving
from speaking import speaking
from summaries import summaries

PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "parts": parts,
    "embedded": embedded,
    "distributed": distributed,
    "engine": engine,
    "hearing": hearing,
    "live": live,
    "probes": probes,
    "diarization": diarization,
    "speaking": speaking,
    "summaries": summaries,
    "scaling": check,
    "serving": serving,
}
RESULTS = Path(__file__).parent / "results" / "latest.json"


def main() -> None:
    asked = sys.argv[1:] or list(PARTS)
    # Parts that are not measured again keep what was found before.
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    found |= {"date": datetime.now(UTC).date().isoformat(), "machine": machine()}
    for name in asked:
        print(f"measuring {name} …", flush=True)
        found[name] = PARTS[name]()
        print(json.dumps(found[name], indent=2), flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()
