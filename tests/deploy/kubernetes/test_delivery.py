"""Files of models on their way through the object store."""

import io
import os
import stat
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stentor_common.store import ObjectMissing
from stentor_common.store.local import LocalStore
from stentor_deploy.delivery import bring, environment_key, package_key, publish, stored

KEY = package_key("a")


def tar_of(*members: tarfile.TarInfo) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return made.getvalue()


def member(name: str, **more: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = 0 if "type" in more else 1
    for field, value in more.items():
        setattr(info, field, value)
    return info


async def chunks(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 1000):
        yield content[start : start + 1000]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "made"
    (made / "model").mkdir(parents=True)
    (made / "model" / "model.py").write_text("class Model: ...")
    (made / "data").mkdir()
    (made / "weights").write_bytes(os.urandom(700_000))
    (made / "run.sh").touch(mode=0o755)
    return made


async def test_a_folder_arrives_as_it_was(store: LocalStore, folder: Path, tmp_path: Path) -> None:
    await publish(store, KEY, folder)
    await bring(store, KEY, tmp_path / "there")
    there = tmp_path / "there"
    assert (there / "model" / "model.py").read_text() == "class Model: ..."
    assert (there / "weights").read_bytes() == (folder / "weights").read_bytes()
    assert (there / "data").is_dir()
    assert (there / "run.sh").stat().st_mode & stat.S_IXUSR


async def test_what_is_stored_is_not_stored_again(store: LocalStore, folder: Path, tmp_path: Path) -> None:
    assert not await stored(store, KEY)
    await publish(store, KEY, folder)
    assert await stored(store, KEY)
    (folder / "weights").write_bytes(b"others")
    await publish(store, KEY, folder)
    await bring(store, KEY, tmp_path / "there")
    assert (tmp_path / "there" / "weights").stat().st_size == 700_000


async def test_the_interpreter_of_an_environment_stays_a_link(
    store: LocalStore, bare_environment: Path, tmp_path: Path
) -> None:
    await publish(store, environment_key("e"), bare_environment)
    await bring(store, environment_key("e"), tmp_path / "there")
    python = tmp_path / "there" / "bin" / "python"
    assert python.is_symlink()
    assert python.resolve() == (bare_environment / "bin" / "python").resolve()


async def test_what_is_neither_file_nor_folder_nor_link_stays_behind(
    store: LocalStore, folder: Path, tmp_path: Path
) -> None:
    os.mkfifo(folder / "pipe")
    await publish(store, KEY, folder)
    await bring(store, KEY, tmp_path / "there")
    assert not (tmp_path / "there" / "pipe").exists()
    assert (tmp_path / "there" / "weights").exists()


@pytest.mark.parametrize(
    "hostile",
    [
        member("../outside"),
        member("link", type=tarfile.SYMTYPE, linkname="/etc"),
        member("link", type=tarfile.SYMTYPE, linkname="../../outside"),
        member("data/bin/python", type=tarfile.SYMTYPE, linkname="/etc"),
        member("hard", type=tarfile.LNKTYPE, linkname="../outside"),
        member("device", type=tarfile.CHRTYPE),
    ],
    ids=lambda each: f"{each.name}-{each.linkname}",
)
async def test_nothing_leads_out_of_the_folder(
    store: LocalStore, tmp_path: Path, hostile: tarfile.TarInfo
) -> None:
    await store.save(KEY, chunks(tar_of(member("first"), hostile)))
    with pytest.raises(tarfile.FilterError):
        await bring(store, KEY, tmp_path / "there")
    assert not (tmp_path / "outside").exists()


async def test_nothing_is_written_through_the_link_to_the_interpreter(
    store: LocalStore, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link = member("bin/python", type=tarfile.SYMTYPE, linkname=str(outside))
    await store.save(KEY, chunks(tar_of(link, member("bin/python/planted"))))
    with pytest.raises(tarfile.FilterError):
        await bring(store, KEY, tmp_path / "there")
    assert not list(outside.iterdir())


async def test_an_archive_that_is_cut_short_is_an_error(
    store: LocalStore, folder: Path, tmp_path: Path, store_folder: Path
) -> None:
    await publish(store, KEY, folder)
    whole = (store_folder / KEY).read_bytes()
    await store.delete(KEY)
    await store.save(KEY, chunks(whole[: len(whole) // 2]))
    with pytest.raises((tarfile.TarError, OSError)):
        await bring(store, KEY, tmp_path / "there")


async def test_what_is_not_in_the_store_is_said(store: LocalStore, tmp_path: Path) -> None:
    with pytest.raises(ObjectMissing):
        await bring(store, KEY, tmp_path / "there")


async def test_a_folder_that_is_gone_leaves_nothing_in_the_store(store: LocalStore, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await publish(store, KEY, tmp_path / "nowhere")
    assert not await stored(store, KEY)


async def test_what_cannot_be_unpacked_does_not_block_the_store(
    store: LocalStore, folder: Path, tmp_path: Path
) -> None:
    """More is on its way than fits between the two."""
    await publish(store, KEY, folder)
    (tmp_path / "there").mkdir()
    with pytest.raises(FileExistsError):
        await bring(store, KEY, tmp_path / "there")
