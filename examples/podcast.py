"""Show notes and a spoken trailer for an episode: `python examples/podcast.py EPISODE [FOLDER]`.

EPISODE is a file or a URL. Writes transcript.txt, notes.txt, trailer.mp3 and headline.txt.
"""

import sys
from pathlib import Path

from client import Stentor


def main(episode: str, folder: str = "podcast") -> None:
    to = Path(folder)
    to.mkdir(parents=True, exist_ok=True)
    stentor = Stentor()
    notes = stentor.run(
        episode,
        [
            {"do": "transcribe"},
            {"do": "diarize"},
            {"do": "summarize", "style": "bullets", "length": {"sentences": 5}},
        ],
    )
    transcript, points = (step["text"] for step in notes["steps"])
    (to / "transcript.txt").write_text(f"{transcript}\n")
    (to / "notes.txt").write_text(f"{points}\n")
    # The episode is not heard again for this.
    trailer = stentor.again(
        notes,
        "summarize",
        [{"do": "summarize", "length": {"sentences": 2}}, {"do": "speak", "format": "mp3"}],
    )
    stentor.save(trailer["audio_url"], to / "trailer.mp3")
    headline = stentor.again(notes, "summarize", [{"do": "summarize", "style": "headline"}])
    (to / "headline.txt").write_text(f"{headline['text']}\n")
    print(f"{headline['text']}\n\n{points}\n\nwritten to {to}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:3])
