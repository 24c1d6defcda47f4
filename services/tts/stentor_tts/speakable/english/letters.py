"""Words in capitals, and words with digits in them: which are spelled, and which are said as words."""

import re

from stentor_tts.speakable.english.numbers import cardinal, digits, year
from stentor_tts.speakable.reading import Match, Rule, final_stop, rule


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_WORDS = _set(
    """
    A I AM AN AS AT BE BY DO GO HE IF IN IS IT ME MY NO OF OH OK ON OR SO TO UP WE AH HA HI YO
    ADD ALL AND ANY ARE ASK BAD BAG BAR BED BIG BIT BOX BOY BUS BUT BUY CAN CAR CAT CUT DAD DAY DID DOG
    DRY EAT END EYE FAR FEW FIT FIX FLY FOR FUN GET GOD GOT GUN GUY HAD HAS HER HEY HIM HIS HIT HOT HOW
    ICE ILL ITS JOB JOY KEY KID LAW LAY LED LET LIE LOT LOW MAD MAN MAP MAY MEN MET MOM MUM NEW NOR NOT
    NOW ODD OFF OIL OLD ONE OUR OUT OWN PAY PER PUT RAN RED RUN SAD SAT SAW SAY SEA SEE SET SHE SIT SIX
    SKY SON SUN TAX TEN THE TIP TOO TOP TRY TWO USE VIA WAR WAS WAY WHO WHY WIN WON YES YET YOU ZOO
    """
)
"""Short words that are written in capitals for weight, or in a title."""

_SAID = _set(
    """
    PIN SIM RAM ROM LAN WAN GIF ZIP SARS RADAR LASER SCUBA SONAR NASA NATO OPEC UNESCO UNICEF FIFA UEFA
    NAFTA AIDS COVID EBITDA HIPAA OSHA FEMA ASCII BIOS CAPTCHA JPEG WIFI SWAT DOS MODEM PETA YOLO FOMO
    UNIX LINUX BASIC COBOL CRUD REST GUI SAAS PAAS IAAS NAND EPROM CMOS IKEA LEGO ASOS
    """
)
"""Made of initials, and said as words."""

_RESPELLED = {
    "JSON": "Jason",
    "YAML": "yammel",
    "JPEG": "jay peg",
    "GUI": "gooey",
    "SAAS": "sass",
    "WIFI": "Wi-Fi",
}
_SPELLED = _set(
    """
    ASAP AARP NAACP UCLA IEEE ISBN IOU UAE USA USB URL UFO EU AI UI UX IO IQ ID TV PC AC DC AM PM OECD EMEA
    APAC ETA EOD CEO CFO CTO COO FAQ DIY VIP ATM GPA ACL IOT AWS API IPA IPO ECG EKG MRI DNA RNA UK US
    """
)
"""Initials that would pass for words."""

_VOWELS = frozenset("AEIOUY")
_ONSETS = "BL|BR|CH|CL|CR|DR|FL|FR|GL|GR|KN|PH|PL|PR|QU|SC|SH|SK|SL|SM|SN|SP|ST|SW|TH|TR|TW|WH|WR"
_HARD = re.compile(rf"[^AEIOUY]{{4}}|^[^AEIOUY]{{3}}|[^AEIOUY]{{3}}$|^(?!{_ONSETS})[^AEIOUY]{{2}}")
"""What nobody can say as one word."""


def spell(text: str) -> str:
    """Letters by their names, as F.B.I, and digits one by one.

    Readers of English know letters by the full stops between them; by themselves A is an article to them.
    """
    runs = re.findall(r"\d+|[^\W\d_]+", text)
    return " ".join(digits(run) if run.isdecimal() else ".".join(run.upper()) for run in runs)


def is_spelled(word: str) -> bool:
    """Whether a word in capitals is said letter by letter."""
    if word in _SPELLED:
        return True
    if word in _WORDS or word in _SAID or len(word) < 2:
        return False
    return len(word) <= 3 or not _VOWELS & set(word) or (len(word) <= 6 and bool(_HARD.search(word)))


def _shouted(match: Match) -> bool:
    """The text around is in capitals, and more than one word of it: no sign of initials."""
    text = match.string[max(0, match.start() - 100) : match.end() + 100]
    return not any(each.islower() for each in text) and len(re.findall(r"[A-Z]{4,}", text)) > 1


def _capitals(match: Match) -> str | None:
    word, ending = match["word"], match["ending"]
    if word in _RESPELLED:
        return _RESPELLED[word] + ending
    if _shouted(match) and not (word in _SPELLED or not _VOWELS & set(word)):
        return word.lower() if len(word) > 1 and word not in _SAID else None
    if not is_spelled(word):
        return None
    # Several of them sound like what belongs to one.
    return f"{'-'.join(word)}'s" if ending else spell(word)


def _dotted(match: Match) -> str:
    return spell(match.group().replace(".", "")) + final_stop(match)


def _initials(match: Match) -> str:
    said = ".".join(re.findall("[A-Z]", match.group()))
    return "A." if said == "A" else said


def _mixed(match: Match) -> str:
    said = " ".join(map(_part, re.findall(r"[A-Za-z]+|\d+", match.group())))
    # A, and a word after it, is an article.
    return re.sub(r"\bA (?=[a-z])", "A-", said)


def _part(part: str) -> str:
    if part.isalpha():
        initials = len(part) == 1 or part.isupper() or not _VOWELS & set(part.upper())
        return spell(part) if initials and len(part) < 6 else part
    if len(part) <= 2 and part[0] != "0":
        return cardinal(part)
    if len(part) == 3 and part[0] != "0":
        return year(part)
    return year(part) if len(part) == 4 and 1900 < int(part) < 2100 else digits(part)


def rules() -> list[Rule]:
    return [
        rule(r"(?<![\w.])(?:[A-Za-z]\.){2,}(?!\w)", _dotted),
        rule(r"(?<![\w.])[A-Z]\.(?:\s[A-Z]\.)*(?=\s[A-Z][a-z])", _initials),
        rule(r"(?<![\w])(?P<word>[A-Z]{2,})(?P<ending>(?:'s|’s|s)?)(?![\w])(?:-(?=[\dA-Z]))?", _hyphenless),
        rule(r"(?<!\w)(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z\d]{2,}(?!\w)", _mixed),
        # A hyphen before digits is no minus: COVID-19.
        rule(r"(?<=[A-Za-z])-(?=\d)", lambda _: " "),
    ]


def _hyphenless(match: Match) -> str | None:
    said = _capitals(match)
    return f"{said} " if said and match.group().endswith("-") else said
