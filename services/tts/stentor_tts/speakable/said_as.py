"""What SSML's <say-as> asks for: a text as a number, a date, letters.

A ValueError says what is wrong with the text.
"""

import re

from unicode_rbnf import FormatPurpose

from stentor_tts.speakable import generic, speakable
from stentor_tts.speakable.english import dates, day_first
from stentor_tts.speakable.english.letters import spell
from stentor_tts.speakable.english.numbers import LONGEST, fraction
from stentor_tts.speakable.english.times import clock, telephone
from stentor_tts.speakable.english.web import SIGNS

KINDS = (
    "cardinal",
    "ordinal",
    "digits",
    "characters",
    "date",
    "time",
    "telephone",
    "currency",
    "fraction",
    "unit",
    "expletive",
)
_ALSO = {"number": "cardinal", "spell-out": "characters", "verbatim": "characters", "bleep": "expletive"}
_ORDERS = ("mdy", "dmy", "ymd", "md", "dm", "ym", "my", "d", "m", "y")
_NAMES = SIGNS | {"&": "and"}


def said_as(text: str, kind: str, form: str, language: str) -> str:
    """Words for the text as `kind`: one of KINDS, or what other products call them.

    `form` is the order of a date (mdy, dmy, ym, ...). Cardinal, ordinal, digits and characters are said in
    every language whose numbers are known, the others in English.
    """
    text, language = text.strip(), language.lower().replace("_", "-")
    kind = _ALSO.get(kind, kind)
    if kind not in KINDS:
        raise ValueError(f"interpret-as={kind!r} is unknown; use one of {', '.join(KINDS)}")
    if not text:
        return ""
    match kind:
        case "cardinal" | "ordinal" | "digits":
            return _number(text, kind, language)
        case "characters":
            return _characters(text, language)
    if language.partition("-")[0] != "en":
        raise ValueError(f"interpret-as={kind!r} is known in English only; use <sub alias=...>")
    return _in_english(text, kind, form, language)


def _in_english(text: str, kind: str, form: str, language: str) -> str:
    match kind:
        case "date":
            return _date(text, form.lower(), language)
        case "time":
            return _time(text, language)
        case "telephone":
            if not re.search(r"\d", text):
                raise ValueError(f"{text!r} is no telephone number")
            return telephone(text)
        case "fraction":
            return _fraction(text)
        case "expletive":
            return "beep"
    # Sums and units are read so wherever they stand.
    return speakable(text, language)


def _characters(text: str, language: str) -> str:
    if language.partition("-")[0] == "en":
        # Slowly, each by itself.
        return ", ".join(filter(None, (_NAMES.get(each) or spell(each) for each in text)))
    return " ".join(
        _one(each, language) if each.isdecimal() else each.upper() for each in text if each.isalnum()
    )


def _number(text: str, kind: str, language: str) -> str:
    found = re.fullmatch(r"(?P<sign>[-−+]?)(?P<digits>\d[\d,.\s]*?)(?:st|nd|rd|th|\.)?", text)
    if not found:
        raise ValueError(f"{text!r} is no number")
    if kind == "digits":
        return " ".join(_one(each, language) for each in found["digits"] if each.isdecimal())
    whole = int(found["digits"]) if found["digits"].isdecimal() and len(found["digits"]) <= LONGEST else None
    if kind == "cardinal":
        # A bare number of four digits would be read as a year.
        plain = generic.cardinal(whole, language) if whole is not None and not found["sign"] else None
        return plain or speakable(text, language)
    compact = re.sub(r"\D", "", found["digits"])
    said = (
        generic.cardinal(int(compact), language, FormatPurpose.ORDINAL) if len(compact) <= LONGEST else None
    )
    if said is None:
        raise ValueError(f"no ordinal of {text!r} is known in language {language!r}; write the word")
    return said


def _one(digit: str, language: str) -> str:
    return generic.cardinal(int(digit), language) or digit


def _date(text: str, form: str, language: str) -> str:
    """A date by its parts; the order of its numbers is `form`, or what the text shows."""
    first = day_first(language)
    parts = re.findall(r"\d{1,4}", text)
    if not form:
        return speakable(text, language)
    if form not in _ORDERS:
        raise ValueError(f"format={form!r} of a date is unknown; use one of {', '.join(_ORDERS)}")
    if len(parts) != len(form) and re.fullmatch(r"\d{4,8}", text):
        # Without signs between: 20240503.
        widths = [4 if each == "y" else 2 for each in form]
        ends = [sum(widths[: index + 1]) for index in range(len(widths))]
        parts = [text[end - width : end] for end, width in zip(ends, widths, strict=True)]
    if len(parts) != len(form) or not all(parts):
        raise ValueError(f"{text!r} is no date of the format {form}")
    value = dict(zip(form, parts, strict=True))
    day, month = (int(value[each]) if each in value else None for each in "dm")
    if (day is not None and not 1 <= day <= 31) or (month is not None and not 1 <= month <= 12):
        raise ValueError(f"{text!r} is no date of the format {form}")
    return dates.date(day, month, dates.full_year(value["y"]) if "y" in value else None, day_first=first)


def _time(text: str, language: str) -> str:
    found = re.fullmatch(r"(?P<hour>\d{1,2})[:.](?P<minute>\d\d)(?:[:.](?P<second>\d\d))?\s*(?P<half>[aApP])?.?[mM]?\.?", text)  # fmt: skip  # noqa: E501
    if not found:
        return speakable(text, language)
    hour, minute, second = int(found["hour"]), int(found["minute"]), found["second"]
    if hour > 24 or minute > 59:
        raise ValueError(f"{text!r} is no time of the day")
    return clock(hour, minute, int(second or 0), found["half"])


def _fraction(text: str) -> str:
    found = re.fullmatch(r"(?:(?P<whole>\d{1,9})[\s+])?\s*(?P<upper>\d{1,9})\s*/\s*(?P<lower>\d{1,9})", text)
    if not found:
        raise ValueError(f"{text!r} is no fraction; write 3/4 or 1 1/2")
    part = fraction(found["upper"], found["lower"])
    return f"{speakable(found['whole'], 'en')} and {part}" if found["whole"] else part
