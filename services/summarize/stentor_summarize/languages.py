"""Which language a text is in."""

from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

LOOKED_AT = 4000
"""Characters; more do not make it surer."""

SURE = 0.8


def language_of(text: str) -> str | None:
    """ISO 639-1 code of the language; None when it cannot be told with some certainty."""
    language, certainty = _identifier().classify(text[:LOOKED_AT])
    return str(language) if certainty >= SURE else None


@cache
def _identifier() -> LanguageIdentifier:
    # Read on first use, which takes some tenths of a second.
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
