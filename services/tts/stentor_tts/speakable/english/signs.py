"""Signs that have a name in English, and those that have no sound."""

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
    "×": "times",  # noqa: RUF001
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
GREEK = dict(
    zip(
        "αβγδεζηθικλμνξοπρστυφχψω",  # noqa: RUF001
        (
            "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau"
            " upsilon phi chi psi omega"
        ).split(),
        strict=True,
    )
)


def rules() -> list[Rule]:
    names = "".join(_NAMES).replace("-", "")
    return [
        rule(r"</?[A-Za-z][^<>]{0,500}>", lambda _: " "),
        rule(r"\#(?=\d)|№\s?", lambda _: "number "),
        rule(r"(?<![\w~])~\s?(?=[\d$€£])", lambda _: "about "),
        rule(r"(?<=\d)\s?[×*]\s?(?=\d)", lambda _: " times "),  # noqa: RUF001
        rule(r"(?<=[\d)])\s-\s(?=[\d(])", lambda _: " minus "),
        rule(r"(?<=[\d)])\s/\s(?=[\d(])", lambda _: " divided by "),
        rule(r"(?<=\w)\s?[–—]+\s?(?=\w)|\s[-–—]+\s", lambda _: ", "),  # noqa: RUF001
        rule(r"(?<=\w)/(?=\w)|(?<=\w)\s/\s(?=\w)", lambda _: " "),
        rule(r"\+{2,}|={2,}|~{2,}|\*{2,}|<{2,}|>{2,}|\#{2,}|_{2,}|-{2,}|<-+|-+>|=+>", _drawn),
        rule(rf"[{names.replace(']', '')}]", lambda match: f" {_NAMES[match.group()]} "),
        rule(r"(?<!\w)[α-ωΑ-Ω](?!\w)", lambda match: GREEK.get(match.group().lower())),  # noqa: RUF001
    ]


def _drawn(match: Match) -> str:
    return " to " if match.group() in ("->", "-->", "=>") else ", "
