"""A recording in, its summary out: `python examples/speech_summarizer.py talk.mp3 [sentences]`."""

import sys

from client import Stentor, Steps


def main(recording: str, sentences: str = "3") -> None:
    steps: Steps = [{"do": "transcribe"}, {"do": "summarize", "length": {"sentences": int(sentences)}}]
    found = Stentor().run(recording, steps)
    transcript, summary = (step["text"] for step in found["steps"])
    print(f"Said in {len(transcript.split())} words:\n{transcript}\n")
    print(f"In short:\n{summary}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:3])
