"""What SSML 1.1 writes for manner and for pauses, in numbers.

A ValueError says what could be written instead.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from math import log2

from stentor_tts.passages import Pause, Prosody

SLOWEST, FASTEST = 0.25, 4.0
DEEPEST_SEMITONES, HIGHEST_SEMITONES = -12.0, 12.0
SOFTEST_DB, LOUDEST_DB = -60.0, 12.0
LONGEST_PAUSE_MS = 20_000
_RATES = {"x-slow": 0.5, "slow": 0.75, "medium": 1.0, "fast": 1.25, "x-fast": 1.6, "default": 1.0}
_PITCHES = {"x-low": -6.0, "low": -3.0, "medium": 0.0, "high": 3.0, "x-high": 6.0, "default": 0.0}
_VOLUMES = {
    "silent": SOFTEST_DB,
    "x-soft": -12.0,
    "soft": -6.0,
    "medium": 0.0,
    "loud": 4.0,
    "x-loud": 8.0,
    "default": 0.0,
}
_EMPHASES = {
    "strong": Prosody(rate=0.85, pitch_semitones=1.5, volume_db=3.0),
    "moderate": Prosody(rate=0.92, pitch_semitones=0.8, volume_db=1.5),
    "reduced": Prosody(rate=1.08, volume_db=-3.0),
    "none": Prosody(),
}
_STRENGTHS = {"none": 0, "x-weak": 100, "weak": 200, "medium": 400, "strong": 700, "x-strong": 1200}
_NUMBER = r"[+-]?(?:\d{1,6}(?:\.\d{1,6})?|\.\d{1,6})"


def prosody_of(attributes: Mapping[str, str], around: Prosody) -> Prosody:
    """The manner of a <prosody> element within another manner, to which it is relative."""
    rate = around.rate * _rate(attributes.get("rate", "default").strip())
    pitch = around.pitch_semitones + _pitch(attributes.get("pitch", "default").strip())
    volume = around.volume_db + _volume(attributes.get("volume", "default").strip())
    if not SLOWEST <= rate <= FASTEST:
        raise ValueError(
            f"speech {rate:g} times as fast is not offered; stay between {SLOWEST:g} and {FASTEST:g}"
        )
    if not DEEPEST_SEMITONES <= pitch <= HIGHEST_SEMITONES:
        raise ValueError(f"a pitch {pitch:+g} semitones away is not offered; stay between -12 and +12")
    if volume > LOUDEST_DB:
        raise ValueError(f"{volume:+g} dB is not offered; stay below {LOUDEST_DB:+g} dB")
    return Prosody(rate=rate, pitch_semitones=pitch, volume_db=max(volume, SOFTEST_DB))


def emphasis(level: str, around: Prosody) -> Prosody:
    if level not in _EMPHASES:
        raise ValueError(f"emphasis level={level!r} is unknown; use {_words(_EMPHASES)}")
    manner = _EMPHASES[level]
    return replace(
        around,
        rate=min(max(around.rate * manner.rate, SLOWEST), FASTEST),
        pitch_semitones=min(around.pitch_semitones + manner.pitch_semitones, HIGHEST_SEMITONES),
        volume_db=min(around.volume_db + manner.volume_db, LOUDEST_DB),
    )


def pause_of(attributes: Mapping[str, str]) -> Pause:
    """The silence of a <break>; its time goes before its strength."""
    if time := attributes.get("time"):
        match = re.fullmatch(r"\+?(\d{1,6}(?:\.\d{1,6})?|\.\d{1,6})(ms|s)", time.strip())
        if not match:
            raise ValueError(f"break time={time!r} is no time; write 500ms or 1.5s")
        ms = round(float(match[1]) * (1000 if match[2] == "s" else 1))
        if ms > LONGEST_PAUSE_MS:
            raise ValueError(f"a break of {ms} ms is longer than {LONGEST_PAUSE_MS} ms; use several")
        return Pause(ms, fixed=True)
    strength = attributes.get("strength", "medium").strip()
    if strength not in _STRENGTHS:
        raise ValueError(f"break strength={strength!r} is unknown; use {_words(_STRENGTHS)}")
    return Pause(_STRENGTHS[strength])


def _rate(text: str) -> float:
    if text in _RATES:
        return _RATES[text]
    if match := re.fullmatch(rf"({_NUMBER})%", text):
        percent = float(match[1])
        # SSML 1.1 means times by 120%; +20% is how authors write a change.
        return (100 + percent if text[0] in "+-" else percent) / 100
    if re.fullmatch(_NUMBER, text) and text[0] not in "+-":
        return float(text)
    raise ValueError(f"prosody rate={text!r} is unknown; use {_words(_RATES)}, 120%, +20% or 1.2")


def _pitch(text: str) -> float:
    if text in _PITCHES:
        return _PITCHES[text]
    if match := re.fullmatch(rf"({_NUMBER})st", text):
        return float(match[1])
    match = re.fullmatch(rf"({_NUMBER})%", text)
    if match and text[0] in "+-" and float(match[1]) > -100:
        return 12 * log2(1 + float(match[1]) / 100)
    raise ValueError(f"prosody pitch={text!r} is unknown; use {_words(_PITCHES)}, +2st, -2st, +10% or -10%")


def _volume(text: str) -> float:
    if text in _VOLUMES:
        return _VOLUMES[text]
    if match := re.fullmatch(rf"({_NUMBER})dB", text):
        return float(match[1])
    raise ValueError(f"prosody volume={text!r} is unknown; use {_words(_VOLUMES)}, +6dB or -6dB")


def _words(table: Mapping[str, object]) -> str:
    return ", ".join(table)
