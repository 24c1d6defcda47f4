"""Requirement lines as people write them, read, and refused where they say more than what to install.

The format is that of pip's requirements files; a requirement itself is PEP 508.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from stentor_deploy.errors import Unsupported
from stentor_deploy.packages import Note

MOST_LINES = 1000
MOST_CHARACTERS = 2000
"""Of one line."""
SHOWN_CHARACTERS = 80

COMMENT = re.compile(r"(^|\s)#.*$")
HASH = re.compile(r"\s+--hash[ =]\S+")
OPTION = re.compile(r"(?P<name>--?[A-Za-z][\w-]*)(?:[\s=]+(?P<value>\S+))?")
SCHEME = re.compile(r"[A-Za-z][\w+.-]*:")
VERSION_CONTROL = re.compile(r"(git|hg|svn|bzr)\+|git:|git@")
ARCHIVE = re.compile(r"\.(whl|zip|tar|tar\.gz|tgz|tar\.bz2|tar\.xz)$", re.IGNORECASE)

INDEX_OPTIONS = frozenset({"-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--trusted-host"})
HARMLESS_OPTIONS = frozenset({"--prefer-binary", "--no-cache-dir", "--only-binary"})
FILE_OPTIONS = frozenset({"-r", "--requirement", "-c", "--constraint"})
EDITABLE_OPTIONS = frozenset({"-e", "--editable"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What was read."""

    requirements: tuple[Requirement, ...]
    notes: tuple[Note, ...]


def read_requirements(
    lines: Iterable[str], *, known_indexes: Collection[str] = (), allow_urls: bool = False
) -> Asked:
    """Requirements without comments, hashes and what has no effect here.

    `known_indexes` may be named by options, since they are used anyway. With `allow_urls` wheels may be
    given by their https address. Raises Unsupported for anything else than requirements by name.
    """
    found: dict[str, Requirement] = {}
    notes: list[Note] = []
    for count, line in enumerate(_joined(lines)):
        if count >= MOST_LINES:
            raise _refused(f"there are more than {MOST_LINES} lines")
        if len(line) > MOST_CHARACTERS:
            raise _refused(f"a line is longer than {MOST_CHARACTERS} characters")
        if HASH.search(line):
            notes.append(_note("hash_ignored", f"the hashes of `{_shown(line)}` are not compared"))
            line = HASH.sub("", line)
        if line.startswith("-"):
            notes.append(_option(line, known_indexes))
        else:
            requirement = _requirement(line, allow_urls=allow_urls)
            found[str(requirement)] = requirement
    return Asked(tuple(found.values()), tuple(notes))


def name_of(requirement: Requirement) -> str:
    """In the one spelling that counts: `scikit-learn`."""
    return canonicalize_name(requirement.name)


def applies(requirement: Requirement, python: str) -> bool:
    """Whether its marker holds for a Python `3.11` on this machine."""
    versions = {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}
    return requirement.marker is None or requirement.marker.evaluate(versions)


def _joined(lines: Iterable[str]) -> Iterator[str]:
    """Lines without comments, those that end in a backslash with what follows; none empty."""
    begun = ""
    for piece in (piece for line in lines for piece in line.splitlines()):
        line = begun + COMMENT.sub("", piece).rstrip()
        if line.endswith("\\"):
            begun = line[:-1]
            continue
        begun = ""
        if line.strip():
            yield line.strip()
    if begun.strip():
        yield begun.strip()


def _option(line: str, known_indexes: Collection[str]) -> Note:
    found = OPTION.match(line)
    name, value = (found["name"], found["value"]) if found else (line, None)
    if name in HARMLESS_OPTIONS:
        return _note("option_ignored", f"`{_shown(line)}` has no effect here")
    if name in INDEX_OPTIONS:
        if value and value.rstrip("/") in {url.rstrip("/") for url in known_indexes}:
            return _note("option_ignored", f"`{_shown(line)}` is used anyway")
        raise _refused(
            f"`{_shown(line)}`: where packages come from is set for the whole server; leave the line out, or "
            "have that index added to its settings (STENTOR_DEPLOY_EXTRA_INDEX_URLS)"
        )
    if name in EDITABLE_OPTIONS:
        raise _refused(f"`{_shown(line)}`: nothing is installed from folders; put the code under packages/")
    if name in FILE_OPTIONS:
        raise _refused(f"`{_shown(line)}`: further files are not read; write their lines here")
    raise _refused(f"`{_shown(line)}`: options are not taken here; leave the line out")


def _requirement(line: str, *, allow_urls: bool) -> Requirement:
    name, at, place = line.partition("@")
    if VERSION_CONTROL.match(line):
        return _from_url(line, line, allow_urls=allow_urls)
    if at and not SCHEME.match(name.strip()) and (SCHEME.match(place.strip()) or "/" in place):
        return _from_url(line, place.strip(), allow_urls=allow_urls)
    if SCHEME.match(line):
        return _from_url(line, line, allow_urls=allow_urls)
    if line.startswith((".", "/", "~", "\\")) or "/" in line.partition(";")[0] or ARCHIVE.search(line):
        raise _refused(f"`{_shown(line)}`: files are not installed; put the code under packages/")
    return _parsed(line)


def _from_url(line: str, place: str, *, allow_urls: bool) -> Requirement:
    if VERSION_CONTROL.match(place):
        raise _refused(
            f"`{_shown(line)}`: nothing is installed from repositories of code; name a released version, or "
            "put the code under packages/"
        )
    url, _, marker = place.partition(" ;")
    parts = urlsplit(url.strip())
    if parts.scheme == "http":
        raise _refused(f"`{_shown(line)}`: packages are taken by https only")
    if parts.scheme != "https":
        raise _refused(f"`{_shown(line)}`: files are not installed; put the code under packages/")
    if not allow_urls:
        raise _refused(
            f"`{_shown(line)}`: packages are taken from the server's package index only; name a version, or "
            "have addresses allowed in its settings (STENTOR_DEPLOY_ALLOW_URL_REQUIREMENTS)"
        )
    try:
        name, *_ = parse_wheel_filename(parts.path.rpartition("/")[2].replace("%2B", "+").replace("%2b", "+"))
    except InvalidWheelFilename:
        raise _refused(f"`{_shown(line)}`: only wheels are taken by their address") from None
    found = (
        _parsed(line) if place != line else _parsed(f"{name} @ {url.strip()}" + (marker and f" ; {marker}"))
    )
    if name_of(found) != name:
        raise _refused(f"`{_shown(line)}`: the file at that address is of {name}")
    return found


def _parsed(line: str) -> Requirement:
    try:
        return Requirement(line)
    except InvalidRequirement:
        advice = "; a version is asked for with `==`" if re.search(r"(?<![=<>!~])=(?!=)", line) else ""
        raise _refused(f"`{_shown(line)}` cannot be read as a requirement{advice}") from None


def _shown(line: str) -> str:
    """As much of a line as fits in a sentence, without passwords."""
    line = re.sub(r"//[^/@\s]*@", "//", line)
    printable = "".join(letter if letter.isprintable() else "?" for letter in line)
    return printable if len(printable) <= SHOWN_CHARACTERS else printable[:SHOWN_CHARACTERS] + "…"


def _refused(message: str) -> Unsupported:
    return Unsupported("requirements", message)


def _note(code: str, message: str) -> Note:
    return Note(code=code, message=message)
