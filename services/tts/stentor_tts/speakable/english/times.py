"""English times of the day, and telephone numbers."""

import re

from stentor_tts.speakable.english.numbers import cardinal, digits
from stentor_tts.speakable.reading import Match, Rule, final_stop, rule

_HALF = r"(?P<half>[aApP])\.?\s?[mM](?:\.|(?!\w))"
_ZONES = "UTC|GMT|CET|CEST|EST|EDT|CST|CDT|MST|MDT|PST|PDT|BST|IST|JST|ET|PT"
_CLOCK = r"(?P<hour>[01]?\d|2[0-4]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d)(?:\.\d+)?)?"
_START = r"(?:(?<![\w:.,])|(?<=\dT))"
_UNTIL = r"(?P<until>\s?[-–]\s?(?=\d))?"


def clock(hour: int, minute: int, second: int = 0, half: str | None = None) -> str:
    """A time in words: nine oh five, three thirty P.M, fifteen hundred, twelve o'clock."""
    suffix = f" {half.upper()}.M" if half else ""
    if minute:
        said = f"{cardinal(hour)} {cardinal(minute) if minute > 9 else f'oh {cardinal(minute)}'}"
    elif half:
        said = cardinal(hour)
    else:
        said = f"{cardinal(hour)} o'clock" if 0 < hour <= 12 else f"{cardinal(hour)} hundred"
    if not second:
        return said + suffix
    unit = "second" if second == 1 else "seconds"
    return f"{said} and {cardinal(second)} {unit}{suffix}"


def telephone(text: str) -> str:
    """The number in its groups, digit by digit."""
    plus = "plus " if text.lstrip().startswith("+") else ""
    groups = re.split(r"\D+", text)
    extension = re.search(r"(?:x|ext)", text, re.IGNORECASE)
    if extension:
        groups = re.split(r"\D+", text[: extension.start()])
    said = plus + ", ".join(digits(group) for group in groups if group)
    return f"{said}, extension {digits(text[extension.end() :])}" if extension else said


def rules() -> list[Rule]:
    zone = rf"(?:\s?(?P<zone>{_ZONES}|Z(?!\w))|(?<=\d\d:\d\d:\d\d)[+-]\d\d:\d\d)?"
    return [
        rule(rf"{_START}{_CLOCK}(?:\s?{_HALF})?{zone}(?![\w:]|\.\d){_UNTIL}", _clock),
        rule(
            rf"{_START}(?P<first>1[0-2]|0?[1-9])\s?(?:[-–]|to)\s?(?P<hour>1[0-2]|0?[1-9])\s?{_HALF}{zone}{_UNTIL}",
            lambda match: f"{cardinal(int(match['first']))} to {_half_day(match)}",
        ),
        rule(rf"{_START}(?P<hour>1[0-2]|0?[1-9])\s?{_HALF}{zone}{_UNTIL}", _half_day),
        rule(
            r"""(?<![\w.+-])(?:\+?1[\s.-]?)?(?:\(\d{3}\)\s?|\d{3}[\s.-])\d{3}[\s.-]\d{4}
            (?:\s?(?:x|ext\.?)\s?\d{1,6})?(?![\w-]|\.\d)""",
            lambda match: telephone(match.group()),
        ),
        rule(r"(?<![\w.+-])\d{3}-\d{4}(?![\w-]|\.\d)", lambda match: telephone(match.group())),
        rule(
            r"(?<![\w.])\+\d{1,3}(?:[\s.-]?\(?\d{1,4}\)?){2,6}(?![\w-]|\.\d)",
            _international,
        ),
        rule(
            r"(?<![\w.+-])0\d{2,4}[\s-]\d{3,4}[\s-]?\d{3,4}(?![\w-]|\.\d)",
            lambda match: telephone(match.group()),
        ),
        rule(r"(?<!\w)\d{3}-\d{2}-\d{4}(?![\w-])", lambda match: telephone(match.group())),
    ]


def _clock(match: Match) -> str:
    second = int(match["second"] or 0)
    return _said(match, clock(int(match["hour"]), int(match["minute"]), second, match["half"]))


def _half_day(match: Match) -> str:
    return _said(match, clock(int(match["hour"]), 0, half=match["half"]))


def _said(match: Match, time: str) -> str:
    """The time with its zone, and with what comes after it."""
    zone = {"Z": "UTC", None: ""}.get(match["zone"], match["zone"])
    return f"{time} {'.'.join(zone)}".rstrip() + (" to " if match["until"] else final_stop(match))


def _international(match: Match) -> str | None:
    return telephone(match.group()) if 8 <= sum(each.isdecimal() for each in match.group()) <= 15 else None
