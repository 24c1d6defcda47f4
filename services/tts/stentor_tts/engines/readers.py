"""Who finds the phonemes for models that learned from eSpeak's.

English is read by `stentor_tts.engines.english`, which needs nothing but what comes with the default voice,
all other languages by eSpeak NG itself, when it is here: inside the package piper-tts, or as a program that
is asked. Both are GPL and optional; see docs/decisions/0025-english-is-read-by-hibari.md.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any

from stentor_common.errors import Unavailable
from stentor_tts.engines.sounds import CLAUSE_ENDS, Reader, Sound

PROGRAM = "espeak-ng"
PROGRAM_SECONDS = 20
CLAUSE = re.compile(rf"[^{re.escape(CLAUSE_ENDS)}]+[{re.escape(CLAUSE_ENDS)}]*")
OTHER_LANGUAGE = re.compile(r"\([a-z-]+\)")
"""How eSpeak marks words that it reads as those of another language."""

Phonemize = Callable[[str, str], str]
"""From eSpeak's name of a voice, and a clause, to phonemes with spaces between words."""


class ReaderNotHere(Unavailable):
    code = "reader_not_here"
    retryable = False

    def __init__(self, language: str, *, offered: Sequence[str] = ()) -> None:
        advice = "needs eSpeak NG to read its language: install the program (apt-get install espeak-ng, brew "
        advice += "install espeak-ng), or run pip install 'stentor[piper-gpl]'"
        if offered:
            advice = f"has no reader here; this engine reads {', '.join(offered)}"
        super().__init__(f"a voice that speaks {language} {advice}")


class LettersReader:
    """For models that take letters: a word is pronounced as it is written."""

    def read(self, text: str) -> list[Sound]:
        return [Sound(word, word) for word in text.split()]


class EspeakReader:
    """Any of eSpeak's languages."""

    def __init__(self, voice: str, phonemize: Phonemize) -> None:
        self._voice = voice
        self._phonemize = phonemize

    def read(self, text: str) -> list[Sound]:
        return [sound for clause in CLAUSE.findall(text) for sound in self._clause(clause.strip())]

    def _clause(self, clause: str) -> Iterator[Sound]:
        words = clause.rstrip(CLAUSE_ENDS)
        marks = clause[len(words) :].replace("—", ",").replace("…", ".")
        found = OTHER_LANGUAGE.sub("", self._phonemize(self._voice, words)).split() if words else []
        if not found:
            return
        texts = words.split()
        if len(texts) != len(found):
            # Words that eSpeak says as one, or in several: which is which it does not tell.
            texts = [words, *[""] * (len(found) - 1)]
        texts[-1] += clause[len(words) :]
        found[-1] += marks
        yield from map(Sound, texts, found)


def espeak_reader(voice: str) -> Reader:
    """Reads what eSpeak's voice of this name would. Raises ReaderNotHere."""
    if voice == "en" or voice.startswith("en-"):
        from stentor_tts.engines.english import EnglishReaderForEspeak

        return EnglishReaderForEspeak(british=voice != "en-us")
    return EspeakReader(voice, _espeak(voice))


def _espeak(voice: str) -> Phonemize:
    if find_spec("piper") is not None and find_spec("piper.espeakbridge") is not None:
        return _phonemize_with_package()
    program = shutil.which(PROGRAM)
    if program is None:
        raise ReaderNotHere(voice)
    return lambda voice, clause: _phonemize_with_program(program, voice, clause)


def _phonemize_with_package() -> Phonemize:
    from piper.phonemize_espeak import EspeakPhonemizer

    phonemizer: Any = EspeakPhonemizer()

    def phonemize(voice: str, clause: str) -> str:
        return " ".join("".join(sentence).strip() for sentence in phonemizer.phonemize(voice, clause))

    return phonemize


def _phonemize_with_program(program: str, voice: str, clause: str) -> str:
    done = subprocess.run(  # noqa: S603 - the text is not among the arguments
        [program, "-q", "--ipa", "--stdin", "-v", voice],
        input=clause,
        capture_output=True,
        text=True,
        check=True,
        timeout=PROGRAM_SECONDS,
    )
    return done.stdout
