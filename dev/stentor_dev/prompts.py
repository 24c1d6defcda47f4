"""Recorded telephone prompts with their texts, from a Debian package: one voice, 8 kHz.

By Allison Smith, CC BY-SA 3.0; fetched when a test or benchmark wants them, never part of the project.
"""

import gzip
import re
from pathlib import Path

from stentor_dev.debian import unpacked

PACKAGES = ("asterisk-core-sounds-en", "asterisk-core-sounds-en-wav")
SOUNDS = "usr/share/asterisk/sounds/en_US_f_Allison"
TEXTS = "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"
LINE = re.compile(r"^([\w/-]+):\s*(.+)$")
NOT_SAID = re.compile(r"[\[(].*?[\])]|\.\.\.")
"""Remarks and pauses in the list of texts."""


def prompts(cache: Path, *, words: int, count: int) -> dict[Path, str]:
    """`count` recordings that say at least so many words, in the order of their names, and what they say.

    Raises NoPackages.
    """
    folder = unpacked(cache / "prompts", PACKAGES)
    found: dict[Path, str] = {}
    with gzip.open(folder / TEXTS, "rt", encoding="utf-8", errors="replace") as lines:
        for name, text in sorted(match.groups() for line in lines if (match := LINE.match(line))):
            recording = next(folder.glob(f"{SOUNDS}/{name}.wav"), None)
            if recording and len(text.split()) >= words and not NOT_SAID.search(text):
                found[recording] = text
    return dict(list(found.items())[:count])


def counting(cache: Path, last: int) -> list[list[Path]]:
    """For each number from 1 to the last, 999 at most, the recordings that say it one after the other.

    Raises NoPackages.
    """
    folder = unpacked(cache / "prompts", PACKAGES) / SOUNDS / "digits"
    return [[folder / f"{part}.wav" for part in spoken(number)] for number in range(1, last + 1)]


def spoken(number: int) -> list[str]:
    """The parts of which a number from 1 to 999 consists when it is said: 123 is 1, hundred, 20, 3."""
    hundreds, rest = divmod(number, 100)
    tens, ones = divmod(rest, 10) if rest > 20 else (0, rest)
    said = [str(hundreds), "hundred"] if hundreds else []
    return [*said, *(str(part) for part in (10 * tens, ones) if part)]
