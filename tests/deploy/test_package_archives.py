"""Archives that strangers send: whatever they are called and however they are packed, they land in one folder
or are refused, and what is refused leaves nothing behind."""

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path

import pytest

from stentor_common.errors import AppError, TooLarge
from stentor_deploy.errors import BadPackage
from stentor_deploy.packages import Package
from stentor_deploy.packages.opening import open_package
from stentor_deploy.packages.rules import Given, Rules

MODEL = b"class Model:\n    def predict(self, model_input):\n        return model_input\n"
ECHO = {"config.yaml": b"model_name: echo\n", "model/__init__.py": b"", "model/model.py": MODEL}
SMALL = Rules(max_package_bytes=2**20, max_unpacked_bytes=2**20, max_files=20)

Open = Callable[..., Package]


def tar(files: dict[str, bytes], *, made_at: float = 0, extra: Iterable[tarfile.TarInfo] = ()) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(text), int(made_at)
            archive.addfile(member, io.BytesIO(text))
        for member in extra:
            archive.addfile(member)
    return content.getvalue()


def zipped(files: dict[str, bytes], **options: int) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", **options) as archive:  # type: ignore[call-overload]
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "package"


@pytest.fixture
def opened(tmp_path: Path, folder: Path) -> Open:
    def open_it(content: bytes, rules: Rules = SMALL, given: Given | None = None) -> Package:
        source = tmp_path / "upload"
        source.write_bytes(content)
        return open_package(source, folder, rules, given or Given())

    return open_it


def test_the_content_tells_how_an_archive_is_packed_not_its_name(opened: Open, folder: Path) -> None:
    plain = tar(ECHO)
    for packed in (plain, gzip.compress(plain), bz2.compress(plain), lzma.compress(plain), zipped(ECHO)):
        assert opened(packed).model_name == "echo"
        assert (folder / "model" / "model.py").read_bytes() == MODEL
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


def test_one_folder_around_everything_is_taken_off(opened: Open, folder: Path) -> None:
    opened(tar({f"my_model/my_model/{name}": text for name, text in ECHO.items()}))
    assert (folder / "model" / "model.py").is_file()


def test_what_systems_leave_behind_is_left_out(opened: Open, folder: Path) -> None:
    junk = [
        "._config.yaml",
        ".DS_Store",
        "model/__pycache__/model.cpython-38.pyc",
        "__MACOSX/x",
        ".git/config",
    ]
    opened(tar(ECHO | dict.fromkeys(junk, b"junk")))
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == set(ECHO)


def test_the_newest_file_tells_when_a_package_was_made(opened: Open) -> None:
    made = time.mktime((2023, 9, 18, 12, 0, 0, 0, 0, 0))
    assert opened(tar(ECHO, made_at=made)).made_on == date(2023, 9, 18)


def test_archives_without_true_times_tell_no_day(opened: Open) -> None:
    assert opened(tar(ECHO, made_at=0)).made_on is None


def test_a_time_in_the_future_is_not_believed(opened: Open) -> None:
    assert opened(tar(ECHO, made_at=time.time() + 10**8)).made_on is None


@pytest.mark.parametrize(
    "name",
    ["../evil", "model/../../evil", "/etc/evil", "C:\\evil", "..\\evil", "model\\..\\..\\evil", "\\evil"],
)
@pytest.mark.parametrize("pack", [tar, zipped])
def test_a_path_out_of_the_folder_is_refused(
    opened: Open, folder: Path, pack: Callable[[dict[str, bytes]], bytes], name: str
) -> None:
    with pytest.raises(BadPackage, match=r"absolute|leads out"):
        opened(pack(ECHO | {name: b"evil"}))
    assert not folder.exists()
    assert not any(path.name.endswith("evil") for path in folder.parent.rglob("*"))


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (special("data/link", tarfile.SYMTYPE, "/etc/passwd"), "is a link"),
        (special("data/link", tarfile.SYMTYPE, "model/model.py"), "is a link"),
        (special("data/link", tarfile.LNKTYPE, "config.yaml"), "is a link"),
        (special("data/device", tarfile.CHRTYPE), "no plain file"),
        (special("data/device", tarfile.BLKTYPE), "no plain file"),
        (special("data/pipe", tarfile.FIFOTYPE), "no plain file"),
    ],
)
def test_only_plain_files_are_taken_from_tars(opened: Open, member: tarfile.TarInfo, words: str) -> None:
    with pytest.raises(BadPackage, match=words):
        opened(tar(ECHO, extra=[member]))


def test_links_in_zips_are_refused(opened: Open) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        link = zipfile.ZipInfo("data/link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(BadPackage, match="is a link"):
        opened(content.getvalue())


def test_encrypted_zips_are_refused_in_words(opened: Open) -> None:
    content = bytearray(zipped(ECHO))
    at = content.index(b"PK\x01\x02")
    content[at + 8] |= 1
    with pytest.raises(BadPackage, match="without a password"):
        opened(bytes(content))


@pytest.mark.parametrize("second", ["config.yaml", "./config.yaml", ".//config.yaml"])
def test_no_file_comes_twice(opened: Open, second: str) -> None:
    with pytest.raises(BadPackage, match="twice"):
        opened(tar(ECHO, extra=[special(second, tarfile.REGTYPE)]))


def test_a_name_is_not_a_file_and_a_folder(opened: Open) -> None:
    with pytest.raises(BadPackage, match="as a file and as a folder"):
        opened(tar(ECHO | {"config.yaml/x": b""}))


@pytest.mark.parametrize("name", ["a\x1bb", "a\nb", "x" * 300, "/".join("d" * 60), "caf\udce9"])
def test_names_that_no_file_should_have_are_refused(opened: Open, name: str) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", errors="surrogateescape") as archive:
        archive.addfile(tarfile.TarInfo(f"data/{name}"))
    with pytest.raises(BadPackage, match=r"control|longer|deep|UTF-8"):
        opened(content.getvalue())


def test_names_in_other_letters_are_kept(opened: Open, folder: Path) -> None:
    opened(zipped(ECHO | {"data/ключ-鍵-é.txt": b"x"}))
    assert (folder / "data" / "ключ-鍵-é.txt").is_file()


def test_names_in_utf_8_are_read_as_such_though_a_zip_does_not_say_so(opened: Open, folder: Path) -> None:
    content = bytearray(zipped(ECHO | {"data/é.txt": b"x"}))
    for at in range(len(content) - 8):
        if content[at : at + 4] == b"PK\x03\x04":
            content[at + 7] &= ~0x08
        if content[at : at + 4] == b"PK\x01\x02":
            content[at + 9] &= ~0x08
    opened(bytes(content))
    assert (folder / "data" / "é.txt").is_file()


def test_an_archive_that_is_too_large_is_refused_before_it_is_read(opened: Open) -> None:
    with pytest.raises(TooLarge, match="larger than"):
        opened(os.urandom(2**20 + 1))


@pytest.mark.parametrize("pack", [tar, zipped])
def test_unpacked_bytes_are_counted_as_they_come(
    opened: Open, folder: Path, pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    packed = pack(ECHO | {"data/zeros": bytes(2**20)})
    for content in (gzip.compress(packed), zipped({"inner": packed}, compression=zipfile.ZIP_DEFLATED)):
        if pack is zipped and content[:2] == b"\x1f\x8b":
            continue
        with pytest.raises(TooLarge, match="when it is unpacked"):
            opened(content)
        assert not folder.exists()


def test_bytes_that_are_left_out_count_too(opened: Open) -> None:
    with pytest.raises(TooLarge, match="when it is unpacked"):
        opened(gzip.compress(tar(ECHO | {"__pycache__/zeros": bytes(2**21)})))


def test_an_archive_that_swells_beyond_reason_is_refused(opened: Open) -> None:
    roomy = Rules(max_ratio=50)
    with pytest.raises(TooLarge, match="50 times as large"):
        opened(gzip.compress(tar(ECHO | {"data/zeros": bytes(80 * 2**20)}), 1), roomy)


@pytest.mark.parametrize("pack", [tar, zipped])
def test_files_are_counted(opened: Open, pack: Callable[[dict[str, bytes]], bytes]) -> None:
    with pytest.raises(TooLarge, match="more than 20 files"):
        opened(pack(ECHO | {f"data/{number}": b"" for number in range(18)}))


def test_folders_and_what_is_left_out_are_counted_too(opened: Open) -> None:
    with pytest.raises(TooLarge, match="files"):
        opened(tar(ECHO | {f"__pycache__/{number}.pyc": b"" for number in range(50)}))


def test_a_zip_whose_directory_is_huge_is_refused_before_it_is_read(opened: Open) -> None:
    content = bytearray(zipped(ECHO))
    at = content.rindex(b"PK\x05\x06")
    struct.pack_into("<L", content, at + 12, 2**30)
    with pytest.raises(TooLarge, match="files"):
        opened(bytes(content))


def test_a_header_that_claims_to_be_huge_is_not_believed(opened: Open) -> None:
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2**40
    with pytest.raises((BadPackage, TooLarge)):
        opened(header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))


def test_a_size_that_is_a_lie_is_found_out(opened: Open) -> None:
    content = bytearray(zipped(ECHO))
    at = content.index(b"PK\x01\x02")
    struct.pack_into("<L", content, at + 24, 5)
    with pytest.raises(BadPackage, match="damaged"):
        opened(bytes(content))


@pytest.mark.parametrize("cut", [0.3, 0.7, 0.95])
@pytest.mark.parametrize("packed", [gzip.compress(tar(ECHO), 0), zipped(ECHO)], ids=["tar.gz", "zip"])
def test_an_archive_that_is_cut_off_is_refused(opened: Open, folder: Path, packed: bytes, cut: float) -> None:
    with pytest.raises(BadPackage):
        opened(packed[: int(len(packed) * cut)])
    assert not folder.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"hello, world\n", "nor of a framework"),
        (tar({}), "holds no files|nor of a framework"),
        (tar({"notes.txt": b"x", "more.txt": b"y"}), "this is no package.*model.py.*notes.txt"),
    ],
)
def test_what_is_no_package_is_told_what_one_is(opened: Open, content: bytes, words: str) -> None:
    with pytest.raises(BadPackage, match=words):
        opened(content)


def test_a_folder_that_is_in_use_is_left_alone(opened: Open, folder: Path) -> None:
    folder.mkdir()
    (folder / "precious").touch()
    with pytest.raises(FileExistsError):
        opened(tar(ECHO))
    assert (folder / "precious").exists()


def test_a_folder_is_read_as_an_archive_is(tmp_path: Path, folder: Path) -> None:
    source = tmp_path / "source"
    for name, text in (ECHO | {".git/config": b"x"}).items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    assert open_package(source, folder, SMALL, Given()).model_name == "echo"
    assert not (folder / ".git").exists()


def test_links_in_a_folder_are_refused(tmp_path: Path, folder: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "secrets").symlink_to("/etc")
    with pytest.raises(BadPackage, match="no plain file"):
        open_package(source, folder, SMALL, Given())


def test_files_beside_a_package_are_put_where_they_say(tmp_path: Path, opened: Open, folder: Path) -> None:
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"12")
    opened(tar(ECHO), given=Given(extra={"data/deep/weights.bin": weights}))
    assert (folder / "data" / "deep" / "weights.bin").read_bytes() == b"12"


@pytest.mark.parametrize("name", ["../x", "/x", "config.yaml", "__pycache__/x", ""])
def test_files_beside_a_package_stay_within_it(tmp_path: Path, opened: Open, name: str) -> None:
    beside = tmp_path / "beside"
    beside.touch()
    with pytest.raises(AppError):
        opened(tar(ECHO), given=Given(extra={name: beside}))
