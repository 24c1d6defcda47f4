"""English, as it is written and as it is said."""

from stentor_tts.speakable.english import letters, measures, money, names, numbers, signs, times, web
from stentor_tts.speakable.english.dates import DateRules
from stentor_tts.speakable.reading import Rule

_MONTH_FIRST = ("us", "ca", "ph")


def day_first(language: str) -> bool:
    """Whether 5/3/2024 is in March where English is spoken so; without a region it is as in America."""
    _, _, region = language.lower().replace("_", "-").partition("-")
    return bool(region) and region not in _MONTH_FIRST


def rules(language: str) -> list[Rule]:
    """In this order: what has a shape of its own goes before what is made of such parts."""
    return [
        *web.rules(),
        *names.rules(),
        *DateRules(day_first=day_first(language)).rules(),
        *times.rules(),
        *money.rules(),
        *numbers.decades(),
        *measures.rules(),
        *numbers.rules(),
        *letters.rules(),
        *signs.rules(),
    ]
