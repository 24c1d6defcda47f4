"""Scripts of languages: which letters a voice of a language can say at all."""

import unicodedata

_SCRIPTS = {
    "LATIN": (
        "en de fr es it pt nl sv no nb nn da fi is et lv lt pl cs sk sl hr bs hu ro tr az vi id ms fil sw af"
        " ca eu gl cy ga mt sq lb eo zu xh"
    ),
    "CYRILLIC": "ru uk bg be mk kk ky mn tg",
    "GREEK": "el",
    "ARABIC": "ar fa ur ps",
    "HEBREW": "he yi",
    "DEVANAGARI": "hi mr ne sa",
    "BENGALI": "bn as",
    "TAMIL": "ta",
    "TELUGU": "te",
    "KANNADA": "kn",
    "MALAYALAM": "ml",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "THAI": "th",
    "LAO": "lo",
    "KHMER": "km",
    "MYANMAR": "my",
    "GEORGIAN": "ka",
    "ARMENIAN": "hy",
    "ETHIOPIC": "am ti",
    "SINHALA": "si",
    "HANGUL": "ko",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "CJK": "zh ja ko yue",
}
_OF = {
    language: frozenset(script for script, known in _SCRIPTS.items() if language in known.split())
    for languages in _SCRIPTS.values()
    for language in languages.split()
}


def says(character: str, language: str) -> bool:
    """Whether a voice of the language has a sound for a letter or digit.

    Latin letters and digits have one in every language; of a language that is not known here, everything.
    """
    scripts = _OF.get(language.partition("-")[0])
    if scripts is None or character.isdecimal():
        return character.isalnum()
    name = unicodedata.name(character, "").removeprefix("FULLWIDTH ").removeprefix("HALFWIDTH ")
    script = name.partition(" ")[0]
    return character.isalnum() and (script == "LATIN" or script in scripts)
