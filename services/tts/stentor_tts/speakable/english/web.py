"""Addresses as they are said in English: mail, the web, files, names on social networks."""

import re

from stentor_tts.speakable.english.letters import is_spelled, spell
from stentor_tts.speakable.english.numbers import cardinal, digits
from stentor_tts.speakable.reading import Match, Rule, rule

_TOP = (
    "com|org|net|edu|gov|mil|int|info|biz|io|ai|dev|app|co|me|tv|eu|uk|us|ca|au|de|fr|es|it|nl|be|ch|at|se|no|dk|fi"
    "|pl|cz|pt|ie|in|jp|cn|kr|br|mx|ru|nz|za|xyz|online|site|tech|cloud|store|shop|blog|news|wiki|museum|local"
)
_WORDS = re.compile(
    "com|org|net|info|biz|dev|app|co|me|online|site|tech|cloud|store|shop|blog|news|wiki|museum|local"
)
"""Ends of addresses that are said as words."""
_SCHEME = r"(?:(?:https?|ftp|wss?)://)"
_LABEL = r"[A-Za-z\d](?:[A-Za-z\d-]{0,61}[A-Za-z\d])?"
SIGNS = {
    ".": "dot",
    "-": "dash",
    "_": "underscore",
    "+": "plus",
    "/": "slash",
    "@": "at",
    "~": "tilde",
    "#": "hash",
}
_FILES = (
    "pdf|txt|docx?|xlsx?|pptx?|csv|json|xml|ya?ml|toml|html?|md|py|js|ts|java|cpp|rs|go|sh|exe|zip|tar|gz|jpe?g|png"
    "|gif|svg|mp3|mp4|wav|ogg|flac|log|ini|cfg|sql|epub"
)


def _token(text: str) -> str:
    """A word of an address: a number, initials, or a word."""
    if text.isdecimal():
        return cardinal(text) if len(text) <= 2 and text[0] != "0" else digits(text)
    if not text.isalpha():
        return " ".join(_token(part) for part in re.findall(r"[A-Za-z]+|\d+", text)) or text
    if _WORDS.fullmatch(text.lower()):
        return text
    return spell(text) if len(text) <= 4 and is_spelled(text.upper()) and _hard(text) else text


def _hard(text: str) -> bool:
    return text.isupper() or not set("aeiouy") & set(text.lower()) or len(text) <= 2


def address(text: str) -> str:
    """Words and signs of an address one after the other: docs dot example dot com slash start."""
    parts = re.findall(r"[A-Za-z\d]+|[^\sA-Za-z\d]", text)
    return " ".join(SIGNS.get(part, "") if not part.isalnum() else _token(part) for part in parts).strip()


def _host(host: str) -> str:
    *labels, top = host.removeprefix("www.").split(".")
    last = top.lower() if _WORDS.fullmatch(top.lower()) or len(top) > 3 else spell(top)
    return " dot ".join([*map(address, labels), last])


_MARKS = ".,;:!?)]}'\""


def _url(match: Match) -> str:
    """Host and path; the scheme, and what follows a question mark, say nothing to a listener."""
    written = match["path"] or ""
    path = written.rstrip(_MARKS)
    # Marks after the address are the sentence's.
    marks = written[len(path) :].strip(")]}'\"")
    path = re.split(r"[?\#]", path, maxsplit=1)[0].rstrip("/")
    port = f" port {digits(match['port'])}" if match["port"] else ""
    return f"{_host(match['host'])}{port} {address(path)}".rstrip() + marks


def _mail(match: Match) -> str:
    return f"{address(match['user'])} at {_host(match['host'])}"


def rules() -> list[Rule]:
    host = rf"(?:{_LABEL}\.){{1,8}}"
    path = r"(?P<path>[/?\#]\S{0,2000})?"
    port = r"(?::(?P<port>\d{1,5})(?!\d))?"
    return [
        rule(
            rf"(?<![\w.+-])(?:mailto:)?(?P<user>[\w.+-]{{1,64}})@(?P<host>{host}[A-Za-z]{{2,24}})(?!\w)",
            _mail,
        ),
        rule(
            rf"(?<!\w){_SCHEME}(?P<host>{host}[A-Za-z]{{2,24}}|localhost|\d+(?:\.\d+){{3}}){port}{path}", _url
        ),
        rule(rf"(?<![\w@.-])(?P<host>www\.{host}[A-Za-z]{{2,24}}){port}{path}", _url),
        rule(rf"(?<![\w@.-])(?P<host>{host}(?:{_TOP}))(?![\w-]|\.\w){port}(?P<path>/\S{{0,2000}})?", _bare),
        rule(
            rf"(?<![\w@.])(?P<name>[A-Za-z][\w-]{{0,60}}(?:\.[\w-]{{1,20}}){{0,3}})\.(?P<kind>{_FILES})(?!\w)",
            lambda match: f"{address(match['name'])} dot {_token(match['kind'])}",
        ),
        rule(r"(?<![\w@])@(?P<name>\w{2,40})", lambda match: f"at {address(match['name'])}"),
        rule(r"(?<![\w\#&])\#(?P<name>[A-Za-z]\w{1,60})", lambda match: f"hashtag {_hashtag(match['name'])}"),
    ]


def _bare(match: Match) -> str | None:
    # A sentence that lacks its blank, "end.It", is no address.
    top = match["host"].rpartition(".")[2]
    return _url(match) if top.islower() else None


def _hashtag(name: str) -> str:
    """The words of #OneTwo and #one_two apart."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)
    return " ".join(_token(part) for part in parts)
