"""A package is opened: unpacked, understood, and brought into the one layout."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from stentor_common.errors import TooLarge
from stentor_deploy.errors import BadPackage
from stentor_deploy.packages import Format, Package, pickles
from stentor_deploy.packages.draft import Draft
from stentor_deploy.packages.folder import is_folder, read_folder
from stentor_deploy.packages.landing import Landing, lift, path_parts
from stentor_deploy.packages.mlflow import is_mlflow, read_mlflow
from stentor_deploy.packages.octoai import is_octoai, read_octoai
from stentor_deploy.packages.rules import Given, Rules
from stentor_deploy.packages.tars import is_tar, unpack_tar
from stentor_deploy.packages.torch_archives import KERAS, SKOPS, Kind, read_archive
from stentor_deploy.packages.truss import is_truss, read_truss
from stentor_deploy.packages.weights import (
    is_saved_by_transformers,
    read_saved_by_transformers,
    read_weights,
    weights_in,
)
from stentor_deploy.packages.zips import is_zip, unpack_zip

DEEPEST_TOP = 3
"""Folders that hold nothing but one more folder."""
BELIEVED_FROM = date(2010, 1, 1)
"""Archives made to be the same each time carry days long ago."""

LAYOUTS: dict[Format, tuple[Callable[[Path], bool], Callable[[Draft], None]]] = {
    Format.truss: (is_truss, read_truss),
    Format.mlflow: (is_mlflow, read_mlflow),
    Format.octoai: (is_octoai, read_octoai),
    Format.folder: (is_folder, read_folder),
    Format.file: (is_saved_by_transformers, read_saved_by_transformers),
}
"""How each is known and read; the first that fits."""

EXPECTED = (
    "config.yaml of Truss, MLmodel, service.py of OctoAI, model.py with a class Model, config.json with "
    "weights, or one file of weights (.joblib, .pkl, .onnx, .pt)"
)


def open_package(source: Path, into: Path, rules: Rules, given: Given) -> Package:
    """Read a package from an archive, a file of weights or a folder, into a new folder.

    Its files are there afterwards in the layout of Truss, `config.yaml` among them. Blocking; nothing of the
    package is run or loaded. Raises BadPackage, Unsupported (which names a key), TooLarge; what was unpacked
    until then is removed.
    """
    if into.exists() and any(into.iterdir()):
        raise FileExistsError(f"{into} is not empty")
    try:
        days = _unpack(source, into, rules, given)
        _add(into, given, rules)
        return _read(Draft(into, Format.file, rules, given, made_on=_newest(days)))
    except BaseException:
        shutil.rmtree(into, ignore_errors=True)
        raise


def _unpack(source: Path, into: Path, rules: Rules, given: Given) -> list[date]:
    """Days of the files; those of a file alone say when it was uploaded."""
    into.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        return _copy(source, into, rules)
    size = source.stat().st_size
    if size > rules.max_package_bytes:
        raise TooLarge(f"the package is larger than {rules.max_package_bytes} bytes, the limit here")
    if not size:
        raise BadPackage("the file is empty")
    landing = Landing(into, rules, size)
    if is_zip(source) and not _is_weights(source, rules):
        days = list(unpack_zip(source, landing, rules))
    elif is_tar(source):
        days = list(unpack_tar(source, landing))
    else:
        name = (given.file_name or source.name).replace("\\", "/").rpartition("/")[2]
        with source.open("rb") as file:
            landing.file(path_parts(name or "model")[-1], file)
        return []
    landing.ended()
    _lift_top(into)
    return days


def _is_weights(source: Path, rules: Rules) -> bool:
    """Whether a zip is a file of a framework and not an archive of files: PyTorch, skops and Keras write
    zips."""
    archive = read_archive(source, rules)
    return archive.kind is not Kind.other or archive.holds(SKOPS) or archive.holds(KERAS)


def _copy(source: Path, into: Path, rules: Rules) -> list[date]:
    landing = Landing(into, rules, rules.max_unpacked_bytes)
    days = []
    for path in sorted(source.rglob("*")):
        name = landing.place(path.relative_to(source).as_posix())
        if name is None or (path.is_dir() and not path.is_symlink()):
            continue
        if path.is_symlink() or not path.is_file():
            raise BadPackage(f"{name!r} is no plain file")
        status = path.stat()
        with path.open("rb") as file:
            landing.file(name, file, executable=bool(status.st_mode & 0o100))
        days.append(datetime.fromtimestamp(status.st_mtime, UTC).date())
    landing.ended()
    return days


def _lift_top(into: Path) -> None:
    """Archives often hold one folder that holds everything."""
    inner = into
    for _ in range(DEEPEST_TOP):
        entries = list(inner.iterdir())
        only_folder = len(entries) == 1 and entries[0].is_dir()
        if not only_folder or is_folder(inner):
            break
        inner = entries[0]
    if inner != into:
        lift(into, inner)


def _add(into: Path, given: Given, rules: Rules) -> None:
    """Files that were sent beside the package."""
    landing = Landing(into, rules, rules.max_unpacked_bytes)
    for name, path in given.extra.items():
        place = landing.place(name)
        if place is None:
            raise BadPackage(f"{name!r} is no name for a file of a package")
        with path.open("rb") as file:
            landing.file(place, file)


def _read(draft: Draft) -> Package:
    found = next((kind for kind, (fits, _) in LAYOUTS.items() if fits(draft.root)), None)
    if found:
        draft.format = found
        LAYOUTS[found][1](draft)
    else:
        read_weights(draft, _only_weights(draft.root, draft.given))
    _look_into_pickles(draft)
    return draft.make()


def _only_weights(root: Path, given: Given) -> Path:
    files = [path for path in root.iterdir() if path.is_file()]
    beside = {path_parts(name)[0] for name in given.extra}
    sent = [path for path in files if path.name not in beside]
    found = sent if len(sent) == 1 else weights_in(root)
    if len(found) == 1:
        return found[0]
    if found:
        raise BadPackage(
            f"the package has several files of weights ({', '.join(path.name for path in found)}) and no "
            "model.py that says what to do with them"
        )
    shown = ", ".join(sorted(path.name for path in root.iterdir())[:10])
    raise BadPackage(f"this is no package: at its top there must be {EXPECTED}; there is {shown}")


def _look_into_pickles(draft: Draft) -> None:
    """Pickles are only good for the version of the library that wrote them."""
    found: dict[str, set[str]] = {}
    for path in _pickled(draft.root):
        for name, version in pickles.look(path, draft.rules).versions.items():
            found.setdefault(name, set()).add(version)
    for name, versions in found.items():
        if len(versions) > 1:
            told = ", ".join(sorted(versions))
            draft.note("several_versions", f"files were pickled with {name} {told}; the newest is used")
    newest = {name: pickles.newest(versions) for name, versions in found.items()}
    draft.fields["pickled_with"] = newest | draft.fields.get("pickled_with", {})


def _pickled(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in pickles.SUFFIXES and path.is_file() and pickles.is_pickle(path):
            yield path


def _newest(days: list[date]) -> date | None:
    latest = datetime.now(UTC).date() + timedelta(days=1)
    return max((day for day in days if BELIEVED_FROM <= day <= latest), default=None)
