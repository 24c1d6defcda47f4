"""Signs that have a name in English, and those that have no sound."""

import re
import unicodedata

from stentor_tts.speakable.reading import Match, Rule, rule

_NAMES = {
    "&": "and",
    "@": "at",
    "+": "plus",
    "=": "equals",
    "<": "less than",
    ">": "greater than",
    "≤": "less than or equal to",
    "≥": "greater than or equal to",
    "≠": "is not equal to",
    "≈": "is about",
    "±": "plus or minus",
    "×": "times",
    "÷": "divided by",
    "→": "to",
    "⇒": "implies",
    "∞": "infinity",
    "√": "square root of",
    "%": "percent",
    "°": "degrees",
    "§": "section",
    "¶": "paragraph",
    "©": "copyright",
    "£": "pounds",
    "€": "euros",
    "¥": "yen",
    "$": "dollars",
    "₿": "bitcoin",
    "№": "number",
    "∑": "sum",
    "∈": "in",
}


_WRITTEN = {
    "!=": "is not equal to",
    "<=": "less than or equal to",
    ">=": "greater than or equal to",
    "==": "equals",
    "&&": "and",
}


def rules() -> list[Rule]:
    names = "".join(map(re.escape, _NAMES))
    return [
        rule(r"</?[A-Za-z][^<>]{0,500}>", lambda _: " "),
        rule(r"\#(?=\d)|№\s?", lambda _: "number "),
        rule(r"(?<![\w~])~\s?(?=[\d$€£])", lambda _: "about "),
        rule(r"(?:(?<=\d)|(?<=\d\s))[×*]\s?(?=\d)", lambda _: " times "),
        rule(r"(?<=[\d)]\s)-\s(?=[\d(])", lambda _: " minus "),
        rule(r"(?<=[\d)]\s)/\s(?=[\d(])", lambda _: " divided by "),
        rule(r"[–—]+\s?|(?<=\s)-+\s", lambda _: ", "),
        rule(r"(?<=\w)/(?=\w)|(?<=\w\s)/\s(?=\w)", lambda _: " "),
        rule(r"!=|<=|>=|==|&&", lambda match: f" {_WRITTEN[match.group()]} "),
        rule(r"\+{2,}|={3,}|~{2,}|\*{2,}|<{2,}|>{2,}|\#{2,}|_{2,}|-{2,}|<-+|-+>|=+>", _drawn),
        rule(rf"[{names}]", lambda match: f" {_NAMES[match.group()]} "),
        rule(r"(?<!\w)[α-ωΑ-Ω](?!\w)", _greek),
    ]


def _greek(match: Match) -> str:
    """The name of a letter that stands by itself, as it does in formulas."""
    return unicodedata.name(match.group().lower()).rpartition(" ")[2].lower().replace("lamda", "lambda")


def _drawn(match: Match) -> str:
    return " to " if match.group() in ("->", "-->", "=>") else ", "
