"""User names and email addresses: what is allowed, and when two of them are the same. Pure."""

import unicodedata

SHORTEST, LONGEST = 3, 127


def clean_username(name: str) -> str:
    """The name as it is kept. Raises ValueError for one that could be mistaken for something else."""
    clean = unicodedata.normalize("NFKC", name).strip()
    if not SHORTEST <= len(clean) <= LONGEST:
        raise ValueError(f"must have {SHORTEST} to {LONGEST} characters")
    if "@" in clean:
        # Signing in takes either, so a name must not look like somebody's address.
        raise ValueError("must not contain @")
    return printable(clean)


def printable(text: str) -> str:
    """The text itself. Raises ValueError if it holds characters that nobody can see."""
    if not text.isprintable():
        raise ValueError("must not contain control characters or invisible ones")
    return text


def username_key(name: str) -> str:
    """Equal for names that count as the same."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def email_key(email: str) -> str:
    return email.strip().lower()
