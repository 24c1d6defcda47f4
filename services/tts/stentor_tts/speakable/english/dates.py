"""English dates, in the orders that people write them."""

import re

from stentor_tts.speakable.english.numbers import cardinal, ordinal, year
from stentor_tts.speakable.reading import Match, Rule, rule

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SHORT_DAYS = {name[:3]: name for name in DAYS} | {"Tues": "Tuesday", "Thur": "Thursday", "Thurs": "Thursday"}
_NUMBERS = {name.lower(): index for index, name in enumerate(MONTHS, 1)}
_NUMBERS |= {name[:3].lower(): index for index, name in enumerate(MONTHS, 1)} | {"sept": 9}
_WRITTEN = sorted((form for name in _NUMBERS for form in (name.title(), name.upper())), key=len, reverse=True)
MONTH = rf"(?:{'|'.join(_WRITTEN)})(?!\w)\.?"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_WEEKDAY = rf"(?:(?P<weekday>{'|'.join([*DAYS, *_SHORT_DAYS])})\.?,?\s+)?"
_YEAR = r"(?:1\d{3}|20\d{2})"
_ORDINAL = r"(?:st|nd|rd|th)?"
_START, _END = r"(?<![\w./-])", r"(?![\w/-]|\.\d)"


def month_number(name: str) -> int:
    return _NUMBERS[name.rstrip(".").lower()]


def date(day: int | None, month: int | None, years: int | None, *, day_first: bool) -> str:
    """A date in words, of what is known of it."""
    when = f" {year(years)}" if years is not None else ""
    if month is None:
        return ordinal(day) if day is not None else when.strip()
    name = MONTHS[month - 1]
    if day is None:
        return name + when
    comma = "," if when else ""
    return (f"the {ordinal(day)} of {name}" if day_first else f"{name} {ordinal(day)}") + comma + when


def full_year(digits: str) -> int:
    """A year of two digits is one of the years from 1950 to 2049."""
    value = int(digits)
    return value if len(digits) > 2 else value + (2000 if value < 50 else 1900)


class DateRules:
    """`day_first` says which of 5/3/2024 is the day where both could be, and how dates are said."""

    def __init__(self, *, day_first: bool) -> None:
        self._day_first = day_first

    def rules(self) -> list[Rule]:
        return [
            rule(
                rf"{_START}(?P<year>{_YEAR})(?P<sign>[-/.])(?P<month>0?[1-9]|1[0-2])(?P<second>[-/.])(?P<day>{_DAY})"
                rf"(?!\d|[-/]\d|\.\d)(?:[T\s](?=\d\d:\d\d))?",
                self._ordered,
            ),
            rule(
                rf"{_START}(?P<one>\d{{1,2}})(?P<sign>[-/.])(?P<two>\d{{1,2}})(?P<second>[-/.])"
                rf"(?P<year>{_YEAR}|\d{{2}}){_END}",
                self._slashed,
            ),
            rule(
                rf"(?<!\w){_WEEKDAY}(?P<month>{MONTH})\s+(?P<day>{_DAY}){_ORDINAL}"
                rf"(?:\s?[-–]\s?(?P<last>{_DAY}){_ORDINAL})?(?!\d|:\d|\.\d)(?:,?\s+(?P<year>{_YEAR})(?!\w|\.\d))?",
                self._month_first_written,
            ),
            rule(
                rf"(?<![\w.,$£€-]){_WEEKDAY}(?P<the>[Tt]he\s+)?(?P<day>{_DAY}){_ORDINAL}"
                rf"(?:\s?[-–]\s?(?P<last>{_DAY}){_ORDINAL})?(?:\s+of)?\s+(?P<month>{MONTH})"
                rf"(?:,?\s+(?P<year>{_YEAR})(?!\w|\.\d))?",
                self._day_first_written,
            ),
            rule(rf"(?<!\w)(?P<month>{MONTH}),?\s+(?P<year>{_YEAR})(?!\w|\.\d)", self._month),
            rule(
                rf"(?<!\w)(?P<day>{'|'.join(_SHORT_DAYS)})(?:\.(?=\s?[-–,]|\s(?:{MONTH}|\d))|(?=,\s(?:{MONTH}|\d)))",
                lambda match: _SHORT_DAYS[match["day"]],
            ),
            rule(r"(?<!\w)(?P<day>Tues?|Thu|Thurs?|Fri)\.", lambda match: _SHORT_DAYS[match["day"]]),
            rule(rf"(?<!\w)(?P<month>(?:{'|'.join(_abbreviated())})\.)", self._alone),
            rule(r"(?<!\w)(?P<year>\d{1,4})\s?(?P<era>BCE|BC|CE|AD|B\.C\.E?\.?|A\.D\.)(?!\w)", _era),
            rule(r"(?<!\w)AD\s(?P<year>\d{1,4})(?!\w)", lambda match: f"A.D {year(match['year'])}"),
            rule(r"(?<!\w)Q(?P<which>[1-4])(?!\w)", lambda match: f"{ordinal(match['which'])} quarter"),
            rule(r"(?<![\w.,])(?P<first>1\d{3}|20\d\d)[-–/](?P<last>\d{2})(?![\w/-]|\.\d)", _years),
            rule(
                r"(?<!\w)(?P<what>(?:early|mid|late)[\s-])?(?P<century>\d{1,2})(?:th|st|nd|rd)[\s-](?=century|centuries)",
                lambda match: f"{match['what'] or ''}{ordinal(match['century'])} ",
            ),
        ]

    def _ordered(self, match: Match) -> str | None:
        if match["sign"] != match["second"]:
            return None
        said = date(int(match["day"]), int(match["month"]), int(match["year"]), day_first=self._day_first)
        # A time follows, as ISO 8601 writes it.
        return f"{said}, " if match.group()[-1] in "T " else said

    def _slashed(self, match: Match) -> str | None:
        one, two, sign = int(match["one"]), int(match["two"]), match["sign"]
        if sign != match["second"] or (sign == "." and len(match["year"]) == 2):
            return None
        day_first = (self._day_first or sign == ".") if max(one, two) <= 12 else one > 12
        day, month = (one, two) if day_first else (two, one)
        if not (1 <= day <= 31 and 1 <= month <= 12):
            return None
        return date(day, month, full_year(match["year"]), day_first=self._day_first)

    def _month_first_written(self, match: Match) -> str | None:
        # As a verb, "may" and "march" go before numbers as well.
        month, day = month_number(match["month"]), int(match["day"])
        last = f" to {ordinal(match['last'])}" if match["last"] else ""
        years = f", {year(match['year'])}" if match["year"] else ""
        weekday = f"{_weekday(match['weekday'])}, " if match["weekday"] else ""
        if self._day_first and not last:
            return weekday + date(day, month, int(match["year"]) if match["year"] else None, day_first=True)
        return f"{weekday}{MONTHS[month - 1]} {ordinal(day)}{last}{years}"

    def _day_first_written(self, match: Match) -> str:
        last = f" to the {ordinal(match['last'])}" if match["last"] else ""
        years = f", {year(match['year'])}" if match["year"] else ""
        weekday = f"{_weekday(match['weekday'])}, " if match["weekday"] else ""
        month = MONTHS[month_number(match["month"]) - 1]
        return f"{weekday}{match['the'] or 'the '}{ordinal(match['day'])}{last} of {month}{years}"

    def _month(self, match: Match) -> str:
        return f"{MONTHS[month_number(match['month']) - 1]} {year(match['year'])}"

    def _alone(self, match: Match) -> str:
        ends = not re.search(r"\w", match.string[match.end() :])
        return MONTHS[month_number(match["month"]) - 1] + ("." if ends else "")


def _abbreviated() -> list[str]:
    return [name.title() for name in _NUMBERS if len(name) <= 4 and name not in ("may", "june", "july")]


def _weekday(name: str) -> str:
    return _SHORT_DAYS.get(name, name)


def _era(match: Match) -> str:
    era = ".".join(each for each in match["era"] if each.isalpha())
    return f"{year(match['year'])} {era}"


def _years(match: Match) -> str | None:
    first, last = match["first"], match["last"]
    if int(last) <= int(first[2:]):
        return None
    return f"{year(first)} to {cardinal(last) if last[0] != '0' else f'oh {cardinal(last[1])}'}"
