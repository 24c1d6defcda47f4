"""Recordings of many voices from Debian packages: telephone prompts, and dialogues of a game.

The prompts are those of Asterisk in several languages (CC BY-SA 3.0) and of others for it (GPL and alike);
the dialogues are of Fish Fillets NG, with two actors in each of two languages (GPL). Each package names
who made it. Fetched when a benchmark wants them, never part of the project.
"""

from pathlib import Path

from stentor_dev.debian import unpacked

PROMPTS = {
    "allison": ("asterisk-core-sounds-en-wav", "en_US_f_Allison/**/*.wav"),
    "june": ("asterisk-core-sounds-fr-wav", "fr_CA_f_June/**/*.wav"),
    "carlo": ("asterisk-core-sounds-it-wav", "it_IT_m_Carlo/**/*.wav"),
    "ivrvoice": ("asterisk-core-sounds-ru-wav", "ru_RU_f_IvrvoiceRU/**/*.wav"),
    "menardi": ("asterisk-prompt-it-menardi-wav", "it_IT_f_Menardi/**/*.wav"),
    "armelle": ("asterisk-prompt-fr-armelle", "fr/**/*.gsm"),
    "colombian": ("asterisk-prompt-es-co", "es/**/*.gsm"),
}
ACTORS = {
    f"{language}-{name}": (f"fillets-ng-data-{language}", f"*/{language}/*-{letter}-*.ogg")
    for language in ("cs", "nl")
    for name, letter in (("small-fish", "m"), ("big-fish", "v"))
}


def voices(cache: Path) -> dict[str, list[Path]]:
    """Short recordings of each voice, in the order of their names. Raises NoPackages."""
    packages = sorted({package for package, _ in (*PROMPTS.values(), *ACTORS.values())})
    root = unpacked(cache / "voices", packages) / "usr" / "share"
    prompts, games = root / "asterisk" / "sounds", root / "games" / "fillets-ng" / "sound"
    found = {name: sorted(prompts.glob(pattern)) for name, (_, pattern) in PROMPTS.items()}
    return found | {name: sorted(games.glob(pattern)) for name, (_, pattern) in ACTORS.items()}
