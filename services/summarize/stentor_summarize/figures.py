"""The numbers that a text states, whatever way they are written. Pure.

"five", "5" and "5.0" are the same; so are "$4.5 million" and "4,500,000", "3rd" and "third", "5 pm" and
"17:00". Where a mark may be a decimal or a thousands separator both readings count.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from text_to_num import alpha2digit

from stentor_summarize.ordinary_words import listed

WORDED = frozenset({"en", "fr", "es", "pt", "de", "it", "nl", "da"})
"""Languages whose number words are understood."""

_SCALES = {
    1e2: "hundred|hundreds",
    1e3: "k|thousand|thousands|tsd|mille|mil|tausend|duizend|tusind",
    1e6: "m|mn|mio|million|millions|millionen|millones|millón|milhões|milhão|milioni|milione|miljoen",
    1e9: "b|bn|mrd|billion|billions|milliard|milliards|milliarde|milliarden|miliardi|miliardo|miljard",
    1e12: "tn|trillion|trillions",
}
_SCALE = "|".join(
    sorted((word for words in _SCALES.values() for word in words.split("|")), key=len, reverse=True)
)
_GLUE = "\u0298"
"""Holds a number and its "million" together."""

_FIGURE = re.compile(
    rf"(?<![\w.])(?P<digits>\d+(?:[.,'’\u00a0\u202f]\d+)*)"  # noqa: RUF001
    rf"(?:[\s{_GLUE}]?(?P<scale>{_SCALE})\b\.?|(?P<ordinal>st|nd|rd|th|s|er|e|è|º|ª)\b)?"
    rf"(?P<range>\s?(?:-|–|to|and|or|bis|à|a)\s?(?=\d+(?:[.,]\d+)*[\s{_GLUE}]?(?P<above>{_SCALE})\b))?",  # noqa: RUF001
    re.IGNORECASE,
)
_CLOCK = re.compile(
    r"(?<![\w.:])(\d{1,2})(?::(\d{2}))?(?::\d{2})?\s?([ap])\.?m\b|(?<![\w.:])(\d{1,2}):(\d{2})\b", re.I
)
_SCALED = re.compile(rf"(?<=\d)\s(?=(?:{_SCALE})\b)", re.IGNORECASE)
_HALF = re.compile(r"\bhalf an? (?=(?:hundred|thousand|million|billion|trillion)\b)", re.I)
_DOZEN = re.compile(r"\b(?:a|one) dozen\b", re.I)
_HUNDRED = re.compile(r"\ba (?=(?:hundred|thousand|million|billion)\b)", re.I)
_LOOSE = {
    "half": (0.5, 50.0),
    "quarter": (0.25, 25.0),
    "dozen": (12.0,),
    "two": (2.0,),
    "both": (2.0,),
    "second": (2.0,),
    "pair": (2.0,),
    "couple": (2.0,),
    "twice": (2.0,),
    "double": (2.0,),
}
_TWO = dict(en="two", fr="deux", es="dos", pt="dois|duas", de="zwei", it="due", nl="twee", da="to")  # noqa: C408
_YEAR_IN_WORDS = re.compile(r"\b(1[0-9]|20) (\d{2})\b")
_MONTHS = listed("""
    january february march april may june july august september october november december
    """)
_YEARS = range(1000, 2200)
_LEAST_DIGITS = 2


@dataclass(frozen=True, slots=True)
class Figure:
    """A number and how it stands in the text."""

    text: str
    values: frozenset[float]
    """What it may mean."""

    digits: int = 0
    """How many significant ones it is written with; 0 where it must be met exactly."""


def figures(text: str, language: str | None) -> list[Figure]:
    """Every number of the text, in order; "one" and "first" are none, as they mostly count nothing."""
    found: list[Figure] = []
    plain = _in_digits(text, language)
    clocks = list(_CLOCK.finditer(plain))
    taken = [match.span() for match in clocks]
    found += [_clock(match) for match in clocks]
    for match in _FIGURE.finditer(plain):
        if not any(start <= match.start() < end for start, end in taken):
            found.append(_figure(match))
    return found


def stated(text: str, language: str | None) -> frozenset[float]:
    """Every value that somebody who read the text may name as a number."""
    values = {value for each in figures(text, language) for value in each.values}
    # "nineteen ninety-nine" comes as two numbers.
    plain = _in_digits(text, language)
    values.update(float(match[1] + match[2]) for match in _YEAR_IN_WORDS.finditer(plain))
    lower = text.casefold()
    for word, meant in _LOOSE.items():
        if re.search(rf"\b{word}\b", lower):
            values.update(meant)
    values.update(float(at) for at, month in enumerate(_MONTHS, 1) if re.search(rf"\b{month[:3]}", lower))
    values.update((1.0, 0.0))
    return frozenset(values)


def is_number(word: str, language: str | None) -> bool:
    """Whether a word is one for a number, as "six"."""
    return any(letter.isdigit() for letter in _in_digits(word.casefold(), language))


def supported(figure: Figure, values: frozenset[float]) -> bool:
    """Whether the number is among the values, or is one of them rounded to at least two digits."""
    if any(_near(value, other) for value in figure.values for other in values):
        return True
    if figure.digits < _LEAST_DIGITS:
        return False
    return any(_near(value, _rounded(other, figure.digits)) for value in figure.values for other in values)


def _in_digits(text: str, language: str | None) -> str:
    known = language or "en"
    if known not in WORDED:
        return text
    if known == "en":
        text = _HUNDRED.sub("one ", _DOZEN.sub("12", _HALF.sub("0.5 ", text)))
    # Else "million" would become a number of its own.
    text = _SCALED.sub(_GLUE, text)
    # The library leaves isolated ones and twos, which are often no numbers; two always is one.
    return str(re.sub(rf"\b(?:{_TWO[known]})\b", "2", alpha2digit(text, known), flags=re.IGNORECASE))


def _figure(match: re.Match[str]) -> Figure:
    readings = set(_readings(match["digits"]))
    scale = _scale_of(match["scale"]) if match["scale"] else 1.0
    values = {value * scale for value in readings}
    if match["above"] and not match["scale"]:
        # "4 to 5 million" means four million.
        values |= {value * _scale_of(match["above"]) for value in readings}
    shown = match[0].strip() if not match["range"] else match[0][: match.start("range") - match.start()]
    exact = any(value in _YEARS for value in values) and match["digits"].isdigit()
    return Figure(
        shown.replace(_GLUE, " ").rstrip("."),
        frozenset(values),
        0 if exact else _significant(match["digits"]),
    )


def _clock(match: re.Match[str]) -> Figure:
    hour = int(match[1] or match[4])
    minute = int(match[2] or match[5] or 0)
    hours = {hour, (hour + 12) % 24} if match[3] is None or hour <= 12 else {hour}
    if match[3] and match[3].lower() == "p":
        hours = {hour, hour % 12 + 12}
    elif match[3]:
        hours = {hour, hour % 12}
    values = {float(each) for each in hours} | ({float(minute)} if minute else set())
    return Figure(match[0].strip(), frozenset(values))


def _readings(digits: str) -> Iterator[float]:
    """ "4,500" is four thousand five hundred, or four and a half."""
    bare = re.sub(r"['’\u00a0\u202f]", "", digits)  # noqa: RUF001
    groups = re.split(r"[.,]", bare)
    if all(len(group) == 3 for group in groups[1:]):
        yield float("".join(groups))
    if len(groups) == 2:
        yield float(f"{groups[0]}.{groups[1]}")
    elif len(groups) > 2:
        # Thousands with a decimal part behind, or a date or version: then each part is one.
        yield float("".join(groups[:-1]) + "." + groups[-1])
        if not all(len(group) == 3 for group in groups[1:-1]):
            yield from map(float, groups)


def _scale_of(word: str) -> float:
    return next(scale for scale, words in _SCALES.items() if word.casefold() in words.split("|"))


def _significant(digits: str) -> int:
    bare = re.sub(r"\D", "", digits).lstrip("0")
    return len(bare if re.search(r"[.,]\d{1,2}$", digits) else bare.rstrip("0"))


def _rounded(value: float, digits: int) -> float:
    return float(f"{value:.{digits - 1}e}")


def _near(one: float, other: float) -> bool:
    return abs(one - other) <= 1e-9 * max(1.0, abs(one), abs(other))
