"""English sums of money."""

from dataclasses import dataclass

from stentor_tts.speakable.english.numbers import DASH, NUMBER, cardinal, number
from stentor_tts.speakable.reading import Match, Rule, rule


@dataclass(frozen=True, slots=True)
class Currency:
    one: str
    many: str
    part: str = ""
    """Name of a hundredth of it; empty where there is none."""
    parts: str = ""


DOLLAR = ("dollar", "dollars", "cent", "cents")
_CENTS = ("cent", "cents")
CURRENCIES = {
    "$": Currency(*DOLLAR),
    "£": Currency("pound", "pounds", "penny", "pence"),
    "€": Currency("euro", "euros", *_CENTS),
    "¥": Currency("yen", "yen"),
    "₹": Currency("rupee", "rupees", "paisa", "paise"),
    "₽": Currency("ruble", "rubles", "kopek", "kopeks"),
    "₩": Currency("won", "won"),
    "₺": Currency("lira", "lira"),
    "₴": Currency("hryvnia", "hryvnias"),
    "₪": Currency("shekel", "shekels"),
    "₫": Currency("dong", "dong"),
    "₦": Currency("naira", "naira"),
    "₱": Currency("peso", "pesos", "centavo", "centavos"),
    "₿": Currency("bitcoin", "bitcoins"),
    "US$": Currency("U.S dollar", "U.S dollars", *_CENTS),
    "A$": Currency("Australian dollar", "Australian dollars", *_CENTS),
    "C$": Currency("Canadian dollar", "Canadian dollars", *_CENTS),
    "NZ$": Currency("New Zealand dollar", "New Zealand dollars", *_CENTS),
    "HK$": Currency("Hong Kong dollar", "Hong Kong dollars", *_CENTS),
    "R$": Currency("real", "reais", "centavo", "centavos"),
    "USD": Currency("U.S dollar", "U.S dollars", *_CENTS),
    "EUR": Currency("euro", "euros", *_CENTS),
    "GBP": Currency("British pound", "British pounds", "penny", "pence"),
    "JPY": Currency("Japanese yen", "Japanese yen"),
    "CNY": Currency("Chinese yuan", "Chinese yuan"),
    "RMB": Currency("renminbi", "renminbi"),
    "CHF": Currency("Swiss franc", "Swiss francs", "centime", "centimes"),
    "CAD": Currency("Canadian dollar", "Canadian dollars", *_CENTS),
    "AUD": Currency("Australian dollar", "Australian dollars", *_CENTS),
    "NZD": Currency("New Zealand dollar", "New Zealand dollars", *_CENTS),
    "INR": Currency("Indian rupee", "Indian rupees", "paisa", "paise"),
    "SEK": Currency("Swedish krona", "Swedish kronor"),
    "NOK": Currency("Norwegian krone", "Norwegian kroner"),
    "DKK": Currency("Danish krone", "Danish kroner"),
    "PLN": Currency("Polish zloty", "Polish zlotys"),
    "BRL": Currency("Brazilian real", "Brazilian reais", "centavo", "centavos"),
    "MXN": Currency("Mexican peso", "Mexican pesos", "centavo", "centavos"),
    "BTC": Currency("bitcoin", "bitcoins"),
}
_SCALES = {
    "k": "thousand",
    "thousand": "thousand",
    "m": "million",
    "mn": "million",
    "mm": "million",
    "million": "million",
    "b": "billion",
    "bn": "billion",
    "billion": "billion",
    "t": "trillion",
    "tn": "trillion",
    "trillion": "trillion",
}
_SCALE = (
    r"(?:(?P<scale>[kKmMbBtT]|bn|Bn|mn|MM|tn)(?!\w)|\s(?P<word>thousand|million|billion|trillion)(?!\w))?"
)
PER = {
    "s": "second",
    "sec": "second",
    "min": "minute",
    "h": "hour",
    "hr": "hour",
    "hour": "hour",
    "d": "day",
    "day": "day",
    "wk": "week",
    "week": "week",
    "mo": "month",
    "month": "month",
    "y": "year",
    "yr": "year",
    "year": "year",
    "person": "person",
    "user": "user",
    "unit": "unit",
    "share": "share",
    "night": "night",
    "kg": "kilogram",
    "lb": "pound",
    "oz": "ounce",
    "kWh": "kilowatt hour",
    "gal": "gallon",
    "mi": "mile",
    "km": "kilometer",
}
PER_PATTERN = rf"(?:\s?/\s?(?P<per>{'|'.join(sorted(PER, key=len, reverse=True))})(?!\w))?"


def amount(value: str, currency: Currency, scale: str | None = None) -> str:
    """A sum in words. `value` is a number without a sign, with commas or without."""
    whole, point, rest = value.replace(",", "").partition(".")
    if scale:
        return f"{number(value)} {scale} {currency.many}"
    if not point or len(rest) != 2 or not currency.part:
        return f"{number(value)} {currency.one if value == '1' else currency.many}"
    hundredths = int(rest)
    units = f"{cardinal(whole or 0)} {currency.one if whole == '1' else currency.many}"
    parts = f"{cardinal(hundredths)} {currency.part if hundredths == 1 else currency.parts}"
    if not hundredths:
        return units
    return f"{units} and {parts}" if int(whole or 0) else parts


def rules() -> list[Rule]:
    signs = sorted((name for name in CURRENCIES if not name.isalpha()), key=len, reverse=True)
    codes = [name for name in CURRENCIES if name.isalpha()]
    sign = "|".join(each.replace("$", r"\$") for each in signs)
    code = "|".join(codes)
    value = rf"(?P<value>{NUMBER})(?:{DASH}(?:{sign})?(?P<last>{NUMBER}))?{_SCALE}(?![\w]){PER_PATTERN}"
    return [
        rule(rf"(?<!\w)(?P<minus>[-−]\s?)?(?P<currency>{sign})\s?{value}", _sum),
        rule(rf"(?<!\w)(?P<minus>)(?P<currency>{code})\s?{value}", _sum),
        rule(
            rf"(?<![\w.,])(?P<minus>[-−])?(?P<value>{NUMBER})(?:{DASH}(?P<last>{NUMBER}))?{_SCALE}"
            rf"\s?(?P<currency>{sign}|(?:{code})(?!\w)){PER_PATTERN}",
            _sum,
        ),
        rule(rf"(?<![\w.,])(?P<value>{NUMBER})\s?¢", _cents),
    ]


def _sum(match: Match) -> str:
    currency = CURRENCIES[match["currency"]]
    scale = _SCALES[(match["scale"] or match["word"]).lower()] if match["scale"] or match["word"] else None
    value, last = match["value"], match["last"]
    said = f"{number(value)} to {amount(last, currency, scale)}" if last else amount(value, currency, scale)
    minus = "minus " if match["minus"] else ""
    per = f" per {PER[match['per']]}" if match["per"] else ""
    return minus + said + per


def _cents(match: Match) -> str:
    return f"{number(match['value'])} {'cent' if match['value'] == '1' else 'cents'}"
