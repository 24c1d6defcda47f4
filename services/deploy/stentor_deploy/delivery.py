"""How a model's files travel to where it runs: as tar archives in the object store.

`python -m stentor_deploy.delivery` is what pods run before the model's own code does: `fetch` brings a
package, its environment and the runner into a folder; `build` makes an environment there, and `save` puts
it into the store.
"""

import argparse
import asyncio
import os
import shutil
import sys
import tarfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from stentor_common.adapters import resolve
from stentor_common.errors import AppError, Unavailable
from stentor_common.fetch import Fetcher
from stentor_common.settings import Settings
from stentor_common.store import STORES, ObjectMissing, Store
from stentor_deploy.environments import Lock
from stentor_deploy.environments.environments import Environments
from stentor_deploy.environments.rules import EnvironmentRules
from stentor_deploy.errors import BuildFailed
from stentor_deploy.settings import DeploySettings

PIECE = 256 * 1024
BUILD_FAILED = 65
"""Status of a build that failed because of what was asked of it (EX_DATAERR of sysexits.h)."""
LAST_WORDS = "error: "
"""Before the reason, in the last line of what failed."""
BUILD_SETTINGS = {
    *("python", "index_url", "extra_index_urls", "find_links", "fetch_allowed", "build_seconds"),
    *("allow_source_builds", "allow_url_requirements"),
}
"""What `build` is told of how things are set."""
RUNNER = Path(__file__).parent / "runner"


def package_key(revision: str) -> str:
    """Where the store has the opened package of a revision."""
    return f"deploy/packages/{revision}.tar"


def environment_key(key: str) -> str:
    """Where the store has the environment of this key."""
    return f"deploy/environments/{key}.tar"


async def stored(store: Store, key: str) -> bool:
    """Whether there is such an object."""
    try:
        async for _ in store.read(key, 0, 1):
            pass
    except ObjectMissing:
        return False
    return True


async def publish(store: Store, key: str, folder: Path) -> None:
    """Put a folder into the store, where it is not there yet: what has a key never changes."""
    if not await stored(store, key):
        await store.save(key, _packed(folder))


async def bring(store: Store, key: str, into: Path) -> None:
    """Unpack what `publish` put there into a folder that is not there yet. Raises ObjectMissing, and OSError
    or tarfile.TarError where it cannot be unpacked; the folder is then left half full."""
    reading, writing = os.pipe()
    poured, unpacked = await asyncio.gather(
        _pour(store, key, writing), asyncio.to_thread(_unpack, reading, into), return_exceptions=True
    )
    # Where unpacking gave up, the pipe broke too; where the store did, the archive was cut too.
    for error in (None if isinstance(poured, BrokenPipeError) else poured, unpacked):
        if error is not None:
            raise error


async def _pour(store: Store, key: str, writing: int) -> None:
    try:
        async for piece in store.read(key):
            await asyncio.to_thread(_write, writing, piece)
    finally:
        os.close(writing)


async def _packed(folder: Path) -> AsyncIterator[bytes]:
    reading, writing = os.pipe()
    packing = asyncio.create_task(asyncio.to_thread(_pack, folder, writing))
    try:
        while piece := await asyncio.to_thread(os.read, reading, PIECE):
            yield piece
    finally:
        # Whoever packs finds out by a broken pipe that nobody reads any more.
        os.close(reading)
        with suppress(BrokenPipeError):
            await packing


def _pack(folder: Path, writing: int) -> None:
    with os.fdopen(writing, "wb") as sink, tarfile.open(fileobj=sink, mode="w|", bufsize=PIECE) as archive:
        archive.add(folder, ".", filter=_ordinary)


def _ordinary(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Files, folders and links; who owns them here means nothing elsewhere."""
    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _unpack(reading: int, into: Path) -> None:
    with (
        os.fdopen(reading, "rb") as source,
        tarfile.open(fileobj=source, mode="r|", bufsize=PIECE) as archive,
    ):
        into.mkdir(parents=True)
        archive.extractall(into, filter=_safe)  # noqa: S202 - the filter is what the rule asks for


def _safe(member: tarfile.TarInfo, into: str) -> tarfile.TarInfo | None:
    """The interpreter of an environment is a link to one outside; nothing else leads out of the folder."""
    path = PurePosixPath(member.name)
    if member.issym() and path.parent == PurePosixPath("bin") and path.name.startswith("python"):
        return member
    return tarfile.data_filter(member, into)


def _write(writing: int, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[os.write(writing, left) :]


async def open_store() -> Store:
    """That of `STENTOR_STORE_URL`."""
    url = Settings().resolved_store_url
    store: Store = await resolve(STORES, url.partition(":")[0]).open(url)
    return store


async def fetch(package: str, environment: str, into: Path) -> None:
    """All that a pod needs to run a revision: `package`, `environment` and `runner`, folders of `into`.
    Raises ObjectMissing, StoreUnavailable, Unavailable."""
    store = await open_store()
    # A container that is started again finds what the last attempt left.
    for name in ("package", "environment", "runner"):
        shutil.rmtree(into / name, ignore_errors=True)
    await asyncio.gather(
        bring(store, package_key(package), into / "package"),
        bring(store, environment_key(environment), into / "environment"),
    )
    shutil.copytree(RUNNER, into / "runner", ignore=shutil.ignore_patterns("__pycache__"))
    interpreter = into / "environment" / "bin" / "python"
    if not interpreter.exists():
        raise Unavailable(
            f"the environment is for {interpreter.resolve()}, which this image lacks: pods must run the "
            "image that environments are made with"
        )


async def build(given: Path, into: Path) -> None:
    """Make the environment of `lock.json` as `settings.json` allows: folder `environment` of `into`.
    Raises BuildFailed, Unavailable."""
    lock = Lock.model_validate_json((given / "lock.json").read_bytes())
    settings = DeploySettings.model_validate_json((given / "settings.json").read_bytes())
    place, work = into / "environment", into / "work"
    fetcher = Fetcher(allowed=settings.fetch_allowed) if settings.allow_url_requirements else None
    made = await Environments(work, EnvironmentRules.of(settings), fetcher).ensure(lock, _say)
    made.folder.rename(place)
    # All of it: nobody knows yet which modules the model needs. Files never change, so none is compared.
    python, mode = place / "bin" / "python", "unchecked-hash"
    options = ("-q", "-j", "0", "--invalidation-mode", mode, str(place / "lib"))
    await _run(str(python), "-I", "-S", "-m", "compileall", *options)
    shutil.rmtree(work, ignore_errors=True)


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL)
    # Some files of libraries are not meant for this Python: that is no failure.
    await process.wait()


async def save(key: str, made: Path) -> None:
    """Put the environment that `build` made into the store."""
    await publish(await open_store(), environment_key(key), made / "environment")


def main(arguments: list[str]) -> None:
    """Ends with BUILD_FAILED, and the reason as its last words, where that is the package's fault; with 1
    where another attempt may do better."""
    parser = argparse.ArgumentParser(prog="python -m stentor_deploy.delivery", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    _command(commands, "fetch", package=str, environment=str, into=Path)
    _command(commands, "build", given=Path, into=Path)
    _command(commands, "save", key=str, made=Path)
    asked = vars(parser.parse_args(arguments))
    work: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {"fetch": fetch, "build": build, "save": save}
    try:
        asyncio.run(work[asked.pop("command")](**asked))
    except AppError as error:
        sys.exit(_last_words(error.message, BUILD_FAILED if isinstance(error, BuildFailed) else 1))
    except ObjectMissing as error:
        sys.exit(_last_words(f"the object store has no {error}", 1))


def _command(commands: Any, name: str, **arguments: Callable[[str], Any]) -> None:
    parser = commands.add_parser(name)
    for argument, kind in arguments.items():
        parser.add_argument(argument, type=kind)


def _last_words(message: str, status: int) -> int:
    _say(f"{LAST_WORDS}{message}")
    return status


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
