"""English abbreviations, titles of people and streets, and Roman numerals."""

import re
from functools import partial

from stentor_tts.speakable.english.numbers import cardinal, ordinal
from stentor_tts.speakable.reading import Match, Rule, final_stop, rule

_ALWAYS = {
    "Mr": "Mister",
    "Mrs": "Missus",
    "Ms": "Miz",
    "Messrs": "Messers",
    "Prof": "Professor",
    "Sr": "Senior",
    "Jr": "Junior",
    "Rev": "Reverend",
    "Hon": "Honorable",
    "Gov": "Governor",
    "Sen": "Senator",
    "Rep": "Representative",
    "Pres": "President",
    "Gen": "General",
    "Col": "Colonel",
    "Maj": "Major",
    "Capt": "Captain",
    "Cpt": "Captain",
    "Lt": "Lieutenant",
    "Sgt": "Sergeant",
    "Cpl": "Corporal",
    "Pvt": "Private",
    "Adm": "Admiral",
    "Cmdr": "Commander",
    "Supt": "Superintendent",
    "Esq": "Esquire",
    "Inc": "Incorporated",
    "Ltd": "Limited",
    "Corp": "Corporation",
    "Co": "Company",
    "Bros": "Brothers",
    "Dept": "Department",
    "Univ": "University",
    "Assn": "Association",
    "Assoc": "Associate",
    "Ave": "Avenue",
    "Blvd": "Boulevard",
    "Rd": "Road",
    "Ln": "Lane",
    "Hwy": "Highway",
    "Pkwy": "Parkway",
    "Apt": "Apartment",
    "Bldg": "Building",
    "Mt": "Mount",
    "Ft": "Fort",
    "vs": "versus",
    "etc": "et cetera",
    "approx": "approximately",
    "est": "estimated",
    "dept": "department",
    "govt": "government",
    "misc": "miscellaneous",
    "incl": "including",
    "excl": "excluding",
    "max": "maximum",
    "ext": "extension",
    "ca": "circa",
    "cf": "compare",
    "viz": "namely",
    "resp": "respectively",
    "tel": "telephone",
    "Tel": "telephone",
    "min": "minimum",
    "avg": "average",
    "temp": "temperature",
    "attn": "attention",
    "Attn": "attention",
}
"""With a full stop after them; that of "max." and "co." is needed, for they are words without it."""

_PHRASES = {
    "e.g.": "for example",
    "i.e.": "that is",
    "et al.": "and others",
    "a.k.a.": "also known as",
    "a.m.": "A.M",
    "p.m.": "P.M",
    "w/o": "without",
    "w/": "with",
    "b/c": "because",
    "P.S.": "P.S",
    "Ph.D.": "P.H.D",
    "PhD": "P.H.D",
    "M.D.": "M.D",
    "B.Sc.": "B.S.C",
    "M.Sc.": "M.S.C",
    "n/a": "not applicable",
    "N/A": "not applicable",
    "R&D": "R and D",
    "Q&A": "Q-and-A",
    "aka": "also known as",
    "I/O": "I.O",
    "c/o": "care of",
    "C++": "C plus plus",
    "C#": "C sharp",
    "F#": "F sharp",
    ".NET": "dot net",
}
_BEFORE_NUMBERS = {
    "No": "number",
    "no": "number",
    "Nos": "numbers",
    "nos": "numbers",
    "Fig": "figure",
    "fig": "figure",
    "Figs": "figures",
    "figs": "figures",
    "Vol": "volume",
    "vol": "volume",
    "Ch": "chapter",
    "ch": "chapter",
    "Sec": "section",
    "sec": "section",
    "Eq": "equation",
    "eq": "equation",
    "p": "page",
    "pp": "pages",
    "pg": "page",
    "Art": "article",
    "art": "article",
    "Rt": "route",
    "Rte": "route",
    "c": "circa",
}

_ROMAN = r"(?=[IVXL])(?:X{0,3}|XL|LX{0,3})(?:IX|IV|V?I{0,3})"
_COUNTED = (
    "Chapter|Part|Act|Scene|Book|Volume|Vol\\.|Section|Article|Title|Phase|Stage|Step|Type|Class|Level"
    "|Grade|Round|Unit|Appendix|Figure|Table|Psalm|World War|War|Super Bowl|Episode|Season|Rocky|Saturn"
    "|Apollo|Mark|Tier|Group|Category|Schedule|Annex|Lesson|Verse|Symphony|Sonata|Opus|Star Wars"
)
_RULERS = (
    "Henry|Louis|Charles|James|George|Edward|Richard|William|Elizabeth|Mary|Philip|Philippe|Francis"
    "|Ferdinand|Frederick|Friedrich|Wilhelm|Leopold|Joseph|Peter|Nicholas|Alexander|Catherine|Ivan|Paul"
    "|Pius|John|Benedict|Leo|Gregory|Clement|Innocent|Urban|Boniface|Napoleon|Ramesses|Ramses|Ptolemy"
    "|Darius|Xerxes|Cyrus|Carl|Karl|Gustav|Christian|Haakon|Harald|Olaf|Margaret|Margrethe|Albert"
    "|Baudouin|Otto|Alfonso|Felipe|Juan Carlos|Pedro|Umberto|Victor Emmanuel|Sixtus|Julius|Constantine"
    "|Theodosius|Robert|David|Malcolm|Edmund|Ethelred|Aethelred|Mehmed|Murad|Selim|Abdul Hamid"
    "|Sigismund|Casimir|Rama"
)
_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50}


def roman(numeral: str) -> int:
    """The value of a numeral up to 89."""
    values = [_VALUES[each] for each in numeral]
    return sum(-one if one < two else one for one, two in zip(values, [*values[1:], 0], strict=True))


def _street(match: Match, *, title: str, way: str) -> str:
    """Saint before a name, Street after one; Doctor and Drive alike."""
    named = re.search(r"(?:[A-Z][\w'’]+|\d(?:st|nd|rd|th))\s$", match.string[: match.start()])
    names = re.match(r"\s[A-Z]", match.string[match.end() :])
    first = not match.string[: match.start()].strip()
    if names and (not named or first):
        return title
    return (way if named else title) + final_stop(match)


def _ruler(match: Match) -> str:
    return f"{match['name']} the {ordinal(roman(match['numeral']))}"


def _always(match: Match) -> str:
    return _ALWAYS[match["word"]] + final_stop(match)


def rules() -> list[Rule]:
    phrases = "|".join(re.escape(each) for each in sorted(_PHRASES, key=len, reverse=True))
    always = "|".join(sorted(_ALWAYS, key=len, reverse=True))
    rulers, counted = (names.replace(" ", r"\s") for names in (_RULERS, _COUNTED))
    return [
        rule(rf"(?<![\w./])(?P<word>(?i:{phrases}))(?!\w)", _phrase),
        rule(r"(?<!\w)St\.", partial(_street, title="Saint", way="Street")),
        rule(r"(?<!\w)Dr\.?(?=\s[A-Z]|\W|$)", partial(_street, title="Doctor", way="Drive")),
        rule(
            rf"(?<!\w)(?P<word>{'|'.join(sorted(_BEFORE_NUMBERS, key=len, reverse=True))})\.(?=\s?\d)\s?",
            lambda match: _BEFORE_NUMBERS[match["word"]] + " ",
        ),
        rule(rf"(?<!\w)(?P<word>{always})\.", _always),
        rule(r"(?<!\w)(?P<word>Mr|Mrs|Ms)(?=\s[A-Z])", lambda match: _ALWAYS[match["word"]]),
        rule(r"(?<!\w)(?P<word>vs|etc)(?!\w)", _always),
        rule(rf"(?<!\w)(?P<name>{rulers})\s(?P<numeral>(?!I(?![IVX])){_ROMAN})(?!\w)", _ruler),
        rule(rf"(?<!\w)(?P<name>{rulers})\s(?P<numeral>I)(?=,|;|$|'s|\sof\s|\sand\s|\swas\s)", _ruler),
        rule(
            rf"(?<!\w)(?P<name>{counted})\s(?P<numeral>{_ROMAN})(?!\w)",
            lambda match: f"{match['name'].replace('Vol.', 'Volume')} {cardinal(roman(match['numeral']))}",
        ),
    ]


def _phrase(match: Match) -> str | None:
    written = match["word"]
    table = {each.lower(): words for each, words in _PHRASES.items()}
    # "AKA" and "PHD" are read as initials, which sounds no other.
    if written.isupper() and written.isalpha():
        return None
    return table[written.lower()] + final_stop(match)
