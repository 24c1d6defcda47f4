"""How English is pronounced: hibari's reader, a dictionary with rules and a small model for unknown words.

It writes phonemes as Kokoro's models know them (https://github.com/hexgrad/misaki/blob/main/EN_PHONES.md),
in which a capital letter is a diphthong. Models that learned from eSpeak's phonemes get those of the same
sounds, see `as_espeak`.
"""

import re
from typing import Any

from hibari.g2p import G2P
from hibari.g2p.normalize import normalize

from stentor_tts.engines.sounds import Sound


class EnglishReader:
    """Reads American or British English; loading it takes half a second, a sentence some milliseconds."""

    def __init__(self, *, british: bool = False) -> None:
        self._g2p: Any = G2P(british=british)

    def read(self, text: str) -> list[Sound]:
        # Brackets would be the reader's own markup, for which nobody has asked.
        plain = normalize(text.replace("[", " ").replace("]", " "))
        sounds, word, phonemes = [], "", ""
        for token in self._g2p.phonemize_tokens(self._g2p.tokenize(plain)):
            word += token.text
            phonemes += token.phonemes or ""
            if token.whitespace:
                sounds.append(Sound(word, phonemes))
                word = phonemes = ""
        sounds.append(Sound(word, phonemes))
        return [sound for sound in sounds if sound.phonemes]


SAME_SOUNDS = {
    "A": "eɪ",
    "I": "aɪ",
    "O": "oʊ",
    "Q": "əʊ",
    "T": "ɾ",
    "W": "aʊ",
    "Y": "ɔɪ",
    "ʤ": "dʒ",
    "ʧ": "tʃ",
    "ᵊ": "ə",
    "“": '"',
    "”": '"',
    "—": ",",
    "…": "...",
}
VOWELS = "AIOQWYaiuæɑɒɔəɛɜɪʊʌᵻᵊɐ"
RHOTIC = re.compile(rf"(?P<vowel>[ɜəᵊ])ɹ(?P<linked>(?=[ˈˌ]?[{VOWELS}]))?")
LONG = re.compile(rf"(?P<stress>[ˈˌ]?)(?P<vowel>[iuɑɔ])(?P<next>(?=[{VOWELS}]|\W*$))?(?P<schwa>(?=[əᵊ]))?")


class EnglishReaderForEspeak:
    """The same, with eSpeak's phonemes."""

    def __init__(self, *, british: bool = False) -> None:
        self._reader = EnglishReader(british=british)
        self._british = british

    def read(self, text: str) -> list[Sound]:
        return [
            Sound(sound.text, as_espeak(sound.phonemes, british=self._british))
            for sound in self._reader.read(text)
        ]


def as_espeak(phonemes: str, *, british: bool = False) -> str:
    """A word's phonemes as eSpeak's American (`en-us`) or British (`en-gb-x-rp`) voice would write them."""
    found = phonemes.replace("ɛː", "eə")
    if not british:
        found = LONG.sub(_lengthened, RHOTIC.sub(_rhotic, phonemes))
    return "".join(SAME_SOUNDS.get(character, character) for character in found)


def _rhotic(sound: re.Match[str]) -> str:
    # One sound in eSpeak's American English, with an r after it only before a vowel.
    return ("ɜː" if sound["vowel"] == "ɜ" else "ɚ") + ("ɹ" if sound["linked"] is not None else "")


def _lengthened(sound: re.Match[str]) -> str:
    # Misaki's American English has no long vowels. In eSpeak's these are long, but for i before a schwa, and
    # without stress before any vowel or at the end of a word that has another one.
    before = sound.string[: sound.start()]
    short = sound["vowel"] == "i" and (
        sound["schwa"] is not None
        or (sound["next"] is not None and not sound["stress"] and any(each in VOWELS for each in before))
    )
    return sound[0] if short else f"{sound[0]}ː"
