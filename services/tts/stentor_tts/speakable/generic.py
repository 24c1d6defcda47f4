"""Languages without rules of their own: numbers in words, signs by name where they are known here.

Words of numbers come from the Unicode CLDR's rules (unicode-rbnf), for some eighty languages. A language
that is not among them keeps its digits: its voice has to read them.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from unicode_rbnf import FormatPurpose, RbnfEngine
from unicode_rbnf.engine import RbnfError

from stentor_tts.speakable.reading import Match, Rule, rule


@dataclass(frozen=True, slots=True)
class Signs:
    """How a language says what stands between numbers and in addresses."""

    dot: str
    at: str
    slash: str
    percent: str
    and_: str
    plus: str
    minus: str
    point: str
    """Before the digits of a decimal fraction."""
    degrees: str
    euros: str
    dollars: str
    pounds: str
    to: str
    decimal: str = ","
    """How the decimal fraction is set off in writing."""


SIGNS = {
    "de": Signs(
        *("Punkt", "ät", "Schrägstrich", "Prozent", "und", "plus", "minus", "Komma"),
        *("Grad", "Euro", "Dollar", "Pfund", "bis"),
    ),
    "fr": Signs(
        *("point", "arobase", "barre oblique", "pour cent", "et", "plus", "moins", "virgule"),
        *("degrés", "euros", "dollars", "livres", "à"),
    ),
    "es": Signs(
        *("punto", "arroba", "barra", "por ciento", "y", "más", "menos", "coma"),
        *("grados", "euros", "dólares", "libras", "a"),
    ),
    "it": Signs(
        *("punto", "chiocciola", "barra", "per cento", "e", "più", "meno", "virgola"),
        *("gradi", "euro", "dollari", "sterline", "a"),
    ),
    "pt": Signs(
        *("ponto", "arroba", "barra", "por cento", "e", "mais", "menos", "vírgula"),
        *("graus", "euros", "dólares", "libras", "a"),
    ),
    "nl": Signs(
        *("punt", "apenstaartje", "schuine streep", "procent", "en", "plus", "min", "komma"),
        *("graden", "euro", "dollar", "pond", "tot"),
    ),
}
_POINT = (
    "en",
    "ja",
    "zh",
    "ko",
    "th",
    "he",
    "hi",
    "ta",
    "bn",
    "te",
    "ml",
    "kn",
    "gu",
    "mr",
    "ur",
    "sw",
    "yue",
    "fil",
)
"""Languages that write 3.5 and 1,000; the others write 3,5."""


@cache
def _engine(language: str) -> RbnfEngine | None:
    known = RbnfEngine.get_supported_languages()
    primary, _, region = language.partition("-")
    for code in (f"{primary}_{region.upper()}", {"nb": "no"}.get(primary, primary)):
        if code in known:
            return RbnfEngine.for_language(code)
    return None


def cardinal(number: int, language: str, purpose: FormatPurpose = FormatPurpose.CARDINAL) -> str | None:
    """The number in words of the language; None where its words are not known."""
    engine = _engine(language)
    if engine is None or abs(number) >= 10**15:
        return None
    try:
        return engine.format_number(number, purpose=purpose).text
    except (RbnfError, ValueError):
        return None


class _Numbers:
    def __init__(self, language: str) -> None:
        self._language = language
        primary = language.partition("-")[0]
        self.signs = SIGNS.get(primary)
        self.decimal = "." if primary in _POINT or language in ("de-ch", "es-mx", "es-us") else ","
        thousand = "[,]" if self.decimal == "." else r"[.\x20]"
        whole = rf"(?:\d{{1,3}}(?:{thousand}\d{{3}})+(?!\d)|\d+)"
        self.number = rf"{whole}(?:{re.escape(self.decimal)}\d+)?"

    def words(self, text: str) -> str:
        """Words of a number as the language writes it; what has none stays as it is written."""
        whole, _, rest = text.partition(self.decimal)
        whole = re.sub(r"\D", "", whole)
        if len(whole) > 1 and whole[0] == "0":
            return self._each(whole) + (f" {self._each(rest)}" if rest else "")
        said = cardinal(int(whole), self._language)
        if said is None:
            return text
        if not rest:
            return said
        # Without the word for the sign in between, the voice has to know how to read it.
        return f"{said} {self._point()} {self._each(rest)}" if self._point() else text

    def _point(self) -> str:
        """The word for the decimal sign: what stands between the words for one and for five."""
        if self.signs:
            return self.signs.point
        engine = _engine(self._language)
        one, five = cardinal(1, self._language), cardinal(5, self._language)
        try:
            said = engine.format_number(Decimal("1.5"), purpose=FormatPurpose.CARDINAL).text if engine else ""
        except (RbnfError, ValueError):
            return ""
        found = said.removeprefix(one or "").removesuffix(five or "")
        return found.strip() if len(found) < len(said) and "  " not in said else ""

    def _each(self, digits: str) -> str:
        return " ".join(cardinal(int(each), self._language) or each for each in digits)


def rules(language: str) -> list[Rule]:
    numbers = _Numbers(language)
    signs = numbers.signs
    number = numbers.number
    found = [
        rule(r"</?[A-Za-z][^<>]{0,500}>", lambda _: " "),
        rule(r"(?:https?|ftp)://(?:www\.)?(?P<rest>[^\s?\#]{1,2000})(?:[?\#]\S{0,2000})?", _address(signs)),
        rule(r"(?<![\w.+-])(?P<rest>[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,6})(?!\w)", _address(signs)),
    ]
    if signs:
        names = {
            "%": signs.percent,
            "°": signs.degrees,
            "€": signs.euros,
            "$": signs.dollars,
            "£": signs.pounds,
        }
        found += [
            rule(
                rf"(?<![\w])(?P<sign>[€$£])\s?(?P<value>{number})(?!\d)",
                lambda match: f"{numbers.words(match['value'])} {names[match['sign']]}",
            ),
            rule(
                rf"(?<![\w.,])(?P<first>{number})\s?[-–]\s?(?P<last>{number})(?![\w-]|\.\d)",
                lambda match: f"{numbers.words(match['first'])} {signs.to} {numbers.words(match['last'])}",
            ),
            rule(
                rf"(?<![\w.,)-])(?P<sign>[-−+])(?P<value>{number})",
                lambda match: (
                    f"{signs.plus if match['sign'] == '+' else signs.minus} {numbers.words(match['value'])}"
                ),
            ),
            rule(r"°\s?C(?!\w)", lambda _: f" {signs.degrees} Celsius"),
            rule(r"°\s?F(?!\w)", lambda _: f" {signs.degrees} Fahrenheit"),
            rule(r"[%°€$£]", lambda match: f" {names[match.group()]} "),
            rule(r"&", lambda _: f" {signs.and_} "),
            rule(r"(?<=\s)\+(?=\s)", lambda _: signs.plus),
        ]
    between = rule(r"(?<=\d)[.:/](?=\d)", lambda _: " ")
    return [*found, between, rule(number, lambda match: numbers.words(match.group()))]


def _address(signs: Signs | None):  # type: ignore[no-untyped-def]
    def said(match: Match) -> str:
        text = match["rest"]
        if signs is None:
            return re.sub(r"[^\w@.-]+", " ", text)
        for sign, name in ((".", signs.dot), ("@", signs.at), ("/", signs.slash)):
            text = text.replace(sign, f" {name} ")
        return text

    return said
