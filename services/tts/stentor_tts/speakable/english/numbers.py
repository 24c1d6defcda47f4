"""Words of English numbers, and numbers as they stand in a text.

Words come from the Unicode CLDR's rules for spelling out numbers (unicode-rbnf); what is written as a number
but is none (long codes, versions, addresses) is said digit by digit or part by part.
"""

import re
import unicodedata
from functools import cache
from itertools import pairwise

from unicode_rbnf import FormatPurpose, RbnfEngine

from stentor_tts.speakable.reading import Match, Rule, rule

WHOLE = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)"
NUMBER = rf"(?:{WHOLE}(?:\.\d+)?|(?<!\d)\.\d+)"
"""1,234.5 or 1234 or .5, without a sign."""
START = r"(?<![\w.,])"
"""A number begins: neither in a word nor within another number."""
DASH = r"\s?[-–—]\s?"
"""Between the ends of a range."""
LONGEST = 15
"""Digits of the largest number that has words; what is longer is a code."""
VULGAR = "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒"


@cache
def _engine() -> RbnfEngine:
    return RbnfEngine.for_language("en")


@cache
def _spelled(number: int, purpose: FormatPurpose) -> str:
    return _engine().format_number(number, purpose=purpose).text.replace("−", "minus ")


def cardinal(number: int | str) -> str:
    """The number in words; a text with leading zeros or too many digits is said digit by digit."""
    text = str(number).replace(",", "")
    if len(text) > LONGEST or (text.startswith("0") and text != "0"):
        return digits(text)
    return _spelled(int(text), FormatPurpose.CARDINAL)


def ordinal(number: int | str) -> str:
    text = str(number).replace(",", "")
    return _spelled(int(text), FormatPurpose.ORDINAL) if len(text) <= LONGEST else digits(text)


def year(number: int | str) -> str:
    """A year as it is said: nineteen ninety-nine, twenty oh five, two thousand."""
    value = int(number)
    if 2000 <= value < 2010:
        return cardinal(value)
    if not 100 <= value < 10000 or value % 1000 == 0:
        return cardinal(value)
    century, rest = divmod(value, 100)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {cardinal(rest) if rest > 9 else f'oh {cardinal(rest)}'}"


def digits(text: str) -> str:
    """Each digit by itself; whatever else stands there is left out."""
    return " ".join(_spelled(int(each), FormatPurpose.CARDINAL) for each in text if each.isdecimal())


def number(text: str) -> str:
    """Words of NUMBER with or without a sign: minus one thousand two point five."""
    sign = {"-": "minus ", "−": "minus ", "+": "plus ", "±": "plus or minus "}.get(text[0], "")
    whole, point, rest = text.lstrip("-−+±").replace(",", "").partition(".")
    words = cardinal(whole) if whole else ""
    return sign + (f"{words} point {digits(rest)}".strip() if point and rest else words)


def fraction(numerator: str, denominator: str) -> str:
    """Three quarters; where the lower number is no part that one names, three over seventeen hundred."""
    upper, lower = int(numerator), int(denominator)
    if lower == 2:
        part = "half" if upper == 1 else "halves"
    elif lower == 4:
        part = "quarter" if upper == 1 else "quarters"
    elif 2 < lower <= 100 and denominator[0] != "0":
        part = ordinal(lower) + ("" if upper == 1 else "s")
    else:
        return f"{cardinal(numerator)} over {cardinal(denominator)}"
    return f"{cardinal(upper)} {part}"


def plural(words: str) -> str:
    """Of a number in words: nineties, twenties, hundreds."""
    return words[:-1] + "ies" if words.endswith("y") else words + ("es" if words.endswith("x") else "s")


def _mixed(match: Match) -> str:
    whole, upper, lower = match["whole"], match["upper"], match["lower"]
    if vulgar := match["vulgar"]:
        upper, _, lower = unicodedata.normalize("NFKC", vulgar).partition("⁄")
    part = fraction(upper, lower)
    if not whole:
        return part
    return f"{cardinal(whole)} and {part.replace('one ', 'a ', 1) if upper == '1' else part}"


def _fraction(match: Match) -> str | None:
    upper, lower = match["upper"], match["lower"]
    if upper == lower or (upper, lower) in (("24", "7"), ("9", "11")):
        return f"{cardinal(upper)} {cardinal(lower)}"
    return fraction(upper, lower) if int(upper) < int(lower) else f"{cardinal(upper)} over {cardinal(lower)}"


def _decade(match: Match) -> str:
    century, tens = match["century"], match["tens"]
    words = plural(cardinal(tens)) if tens != "00" else "hundreds"
    return f"{cardinal(century)} {words}" if century else words


def _range(match: Match) -> str | None:
    first, last = match["first"], match["last"]
    return f"{_bare(first)} to {_bare(last)}"


def _bare(text: str) -> str:
    return year(text) if is_year(text) else number(text)


def is_year(text: str) -> bool:
    return len(text) == 4 and text.isdecimal() and 1010 <= int(text) <= 2099


_BEFORE_YEAR = re.compile(
    r"\b(?:in|since|until|till|by|from|of|year|before|after|during|around|circa|early|late|mid|to|through|and"
    r"|spring|summer|autumn|fall|winter|©|copyright|AD)[\s-]$",
    re.IGNORECASE,
)
_COUNTED = re.compile(
    r"\s(?!(?:was|is|has|does|this|as|its|his|us|plus|thus|always|versus|across|vs)\b)(?:[a-z]+s|people|men|women|children|percent|feet|mice|fish|more|of)\b"
)


def _plain_number(match: Match) -> str:
    text = match.group()
    if not is_year(text):
        return number(text)
    # A year, unless it says how many there are of something and no word before it speaks of time.
    before = match.string[max(0, match.start() - 12) : match.start()]
    counts = _COUNTED.match(match.string, match.end())
    return number(text) if counts and not _BEFORE_YEAR.search(before) else year(text)


def _version(match: Match) -> str:
    parts = match["parts"].split(".")
    address = len(parts) == 4 and all(int(part) < 256 for part in parts)
    said = (" dot " if address else " point ").join(map(cardinal, parts))
    return f"version {said}" if match["v"] else said


def _power(match: Match) -> str:
    exponent = match["caret"] or unicodedata.normalize("NFKC", match["raised"])
    power = {"2": "squared", "3": "cubed"}.get(exponent, f"to the power of {number(exponent)}")
    factor = f"{number(match['factor'])} times " if match["factor"] else ""
    return f"{factor}{number(match['base'])} {power}"


def _scientific(match: Match) -> str:
    return f"{number(match['factor'])} times ten to the power of {number(match['exponent'])}"


def _thousands(match: Match) -> str:
    # Screens have that many dots in a line.
    screen = match["many"] in ("2", "4", "5", "8") and match["scale"] == "K"
    return f"{number(match['many'])} {'K' if screen else 'thousand'}"


def _product(match: Match) -> str:
    """Sizes, as in two by four; factors, where a result follows."""
    between = " times " if re.match(r"\s*=", match.string[match.end() :]) else " by "
    return between.join(number(each) for each in match.groups() if each)


def _code(match: Match) -> str | None:
    groups = match.group().split("-")
    rises = all(len(one) == len(two) for one, two in pairwise(groups))
    return None if len(groups) < 3 and rises else ", ".join(map(digits, groups))


SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹"


def decades() -> list[Rule]:
    """They look like seconds, and are to be asked for before these."""
    end = r"(?!\w)"
    return [
        rule(rf"{START}'?(?P<century>1\d|20)?(?P<tens>[1-9]0)'?s{end}", _decade),
        rule(rf"{START}(?P<century>1\d|20)(?P<tens>00)'?s{end}", _decade),
    ]


def rules() -> list[Rule]:
    """Numbers that nothing stands beside that gives them another meaning."""
    end = r"(?![\w])"
    return [
        rule(rf"{START}(?P<v>[vV]\.?\s?)?(?P<parts>\d{{1,9}}(?:\.\d{{1,9}}){{2,}}){end}", _version),
        rule(rf"{START}(?P<v>[vV])(?P<parts>\d{{1,4}}(?:\.\d{{1,4}})?){end}", _version),
        rule(rf"{START}(?P<factor>[-−+]?\d+(?:\.\d+)?)[eE](?P<exponent>[-+]?\d{{1,3}}){end}", _scientific),
        rule(
            rf"{START}(?:(?P<factor>{NUMBER})\s?[×x·*]\s?)?(?P<base>\d+)"
            rf"(?:\^(?P<caret>[-−]?\d+)|(?P<raised>[⁻]?[{SUPERSCRIPT}]+))",
            _power,
        ),
        rule(
            rf"{START}(?P<whole>\d+)(?:st|nd|rd|th|ST|ND|RD|TH){end}", lambda match: ordinal(match["whole"])
        ),
        rule(rf"{START}(?P<whole>{WHOLE})(?i:st|nd|rd|th){end}", lambda match: ordinal(match["whole"])),
        rule(
            rf"{START}(?:(?P<whole>\d+)\s?)?(?P<vulgar>[{VULGAR}])(?P<upper>)(?P<lower>){end}",
            _mixed,
        ),
        rule(
            rf"{START}(?P<whole>\d+)[\s-](?P<upper>\d{{1,2}})[/⁄](?P<lower>\d{{1,3}})(?P<vulgar>)(?![\w/])",
            _mixed,
        ),
        rule(rf"{START}(?<!/)(?P<upper>\d{{1,3}})[/⁄](?P<lower>\d{{1,3}})(?![\w/]|\.\d)", _fraction),
        rule(
            rf"{START}(?P<one>{NUMBER})\s?[x×]\s?(?P<two>{NUMBER})(?:\s?[x×]\s?(?P<three>{NUMBER}))?{end}",
            _product,
        ),
        rule(rf"{START}(?P<times>{NUMBER})\s?[x×]{end}", lambda match: f"{number(match['times'])} times"),
        rule(
            rf"{START}(?P<one>\d{{1,3}}):(?P<two>\d{{1,3}})(?![\w:])",
            lambda match: f"{number(match['one'])} to {number(match['two'])}",
        ),
        rule(rf"{START}\d+(?:-\d+){{2,12}}(?![\w-])", _code),
        rule(
            rf"{START}\d{{4}}(?:[\s-]\d{{4}}){{2,4}}(?![\w-])",
            lambda match: ", ".join(map(digits, re.split(r"\D", match.group()))),
        ),
        rule(rf"{START}(?P<first>{NUMBER})(?:[-–—]|\s[–—]\s)(?P<last>{NUMBER})(?![\w-])", _range),
        rule(rf"{START}(?P<many>{NUMBER})(?P<scale>[kK]){end}", _thousands),
        rule(
            rf"{START}(?<![)\]])[-−+±](?P<value>{NUMBER})(?![\w])",
            lambda match: number(match.group()),
        ),
        rule(rf"{START}(?P<value>{NUMBER})", _plain_number),
        # Within a word that no other rule knows, or after a stop that ends no number.
        rule(r"\d+", lambda match: number(match.group())),
    ]
