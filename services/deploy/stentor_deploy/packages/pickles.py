"""What pickles say of themselves, read without loading them: loading one runs its code.

Nothing is interpreted here: joblib puts raw arrays between the instructions, where no pickle parser finds its
way. Instead the instructions that write certain strings are looked for; their bytes are those that
`pickletools` knows. What a stranger forges this way only decides about the versions in his own environment.
"""

import bz2
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from packaging.version import InvalidVersion, Version

from stentor_common.errors import TooLarge
from stentor_deploy.packages.rules import Rules

PIECE = 1024**2
OVERLAP = 512
"""More bytes than anything that is looked for."""

LIBRARIES = {
    "sklearn": "scikit-learn",
    "imblearn": "imbalanced-learn",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "catboost": "catboost",
    "numpy": "numpy",
    "pandas": "pandas",
    "scipy": "scipy",
    "joblib": "joblib",
    "torch": "torch",
    "cloudpickle": "cloudpickle",
    "statsmodels": "statsmodels",
}
"""Modules that classes in pickles come from, and the distributions that bring them."""

SUFFIXES = (
    ".joblib",
    ".pkl",
    ".pickle",
    ".cpick",
    ".sav",
    ".gz",
    ".z",
    ".xz",
    ".bz2",
    ".lzma",
    ".model",
    ".bin",
)
"""Of files that may be pickles."""

SCRIPT = "__main__"
COLUMNS = b"feature_names_in_"

# Instructions that write text: two forms with the length before it, and the one of the oldest protocol.
# Between the name and its value the name may be remembered, in one of four ways.
VERSION_KEY = re.compile(
    rb"_sklearn_version\n?(?:\x94|q.|r....|p\d+\n)?(?:\x8c(?P<short>.)|X(?P<long>.{4})|V(?P<line>[^\n]{1,40})\n)",
    re.DOTALL,
)
VERSION = re.compile(rb"\d+(\.\w+)+")
MODULES = {
    name: re.compile(rb"(?:\x8c.|X.{4}|c|V)" + re.escape(name.encode()) + rb"[.\n\x94qrh\x8cXs]", re.DOTALL)
    for name in [*LIBRARIES, SCRIPT]
}


class _Deflated(io.RawIOBase):
    """joblib's `compress=n`: a bare zlib stream."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._stream = zlib.decompressobj()

    def read(self, size: int = -1, /) -> bytes:
        while True:
            packed = self._stream.unconsumed_tail or self._file.read(PIECE)
            made = self._stream.decompress(packed, size)
            if made or not packed:
                return made

    def close(self) -> None:
        self._file.close()
        super().close()


FORMS: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
    b"]\x00\x00": lzma.open,
    b"x\x01": _Deflated,
    b"x\x5e": _Deflated,
    b"x\x9c": _Deflated,
    b"x\xda": _Deflated,
}
"""Ways that joblib compresses in, by their first bytes."""

BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError)
OLD_PICKLE = re.compile(rb"^(?:\(|c)[\w(]")


@dataclass(slots=True)
class Pickled:
    """What a pickle was made with."""

    sklearn: set[str] = field(default_factory=set)
    """Versions of scikit-learn that its estimators name."""
    modules: set[str] = field(default_factory=set)
    """Of the libraries known here, those that it takes classes from; and `__main__`."""
    columns: bool = False
    """Whether an estimator knows the names of its columns."""

    @property
    def versions(self) -> dict[str, str]:
        """Distribution to version. Where a pickle holds several, the newest: that one wrote it."""
        return {"scikit-learn": newest(self.sklearn)} if self.sklearn else {}

    @property
    def distributions(self) -> list[str]:
        modules = self.modules | ({"sklearn"} if self.sklearn else set())
        return sorted(LIBRARIES[name] for name in modules if name in LIBRARIES)


def newest(versions: Iterable[str]) -> str:
    return max(versions, key=_ordered)


def is_pickle(path: Path) -> bool:
    """Whether a file begins like one, compressed by joblib or not."""
    try:
        with _opened(path) as file:
            start = file.read(16)
    except BROKEN:
        return False
    return (start[:1] == b"\x80" and start[1:2] <= b"\x05") or bool(OLD_PICKLE.match(start))


def look(path: Path, rules: Rules) -> Pickled:
    """Read a pickle from front to back. What is broken or compressed in a way unknown here says nothing.
    Raises TooLarge."""
    found = Pickled()
    try:
        with _opened(path) as file:
            for piece in _pieces(file, rules.max_unpacked_bytes):
                found.sklearn.update(_versions(piece))
                found.modules.update(_modules(piece, found.modules))
                found.columns |= COLUMNS in piece
    except BROKEN:
        return found
    return found


def _versions(piece: bytes) -> Iterator[str]:
    for match in VERSION_KEY.finditer(piece):
        text = match["line"]
        if text is None:
            size = match["short"] or match["long"]
            text = piece[match.end() : match.end() + int.from_bytes(size, "little")]
        if VERSION.fullmatch(text):
            yield text.decode()


def _modules(piece: bytes, known: set[str]) -> list[str]:
    # Looking for a plain name first is many times as fast as looking for its instruction.
    missing = [name for name in MODULES if name not in known and name.encode() in piece]
    return [name for name in missing if MODULES[name].search(piece)]


def _pieces(file: BinaryIO, most: int) -> Iterator[bytes]:
    rest, size = b"", 0
    while piece := file.read(PIECE):
        size += len(piece)
        if size > most:
            raise TooLarge(f"a pickle holds more than {most} bytes when it is unpacked, the limit here")
        yield rest + piece
        rest = (rest + piece)[-OVERLAP:]


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        start = file.read(6)
    for magic, opened in FORMS.items():
        if start.startswith(magic):
            return cast(BinaryIO, opened(path))
    return path.open("rb")


def _ordered(version: str) -> Version:
    try:
        return Version(version)
    except InvalidVersion:
        return Version("0")
