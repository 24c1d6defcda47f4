"""Environments by uv, and by pip where there is no uv, from an index that these tests keep."""

import asyncio
import base64
import contextlib
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from stentor_common.errors import AppError, Unavailable
from stentor_deploy.environments import Environment, Lock, Wanted
from stentor_deploy.environments.environments import Environments
from stentor_deploy.environments.indexes import configured_indexes
from stentor_deploy.environments.rules import EnvironmentRules
from stentor_deploy.errors import BuildFailed, Unsupported

THEN = date(2023, 8, 1)

ALPHA = {
    "alpha/__init__.py": "VERSION = '2.0'\ndef main():\n    print('hello')\n",
    "alpha-2.0.dist-info/entry_points.txt": "[console_scripts]\ngreet = alpha:main\n",
}


def wheel(name: str, version: str, files: dict[str, str], requires: tuple[str, ...] = ()) -> bytes:
    """A wheel, https://packaging.python.org/en/latest/specifications/binary-distribution-format/."""
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {line}\n" for line in requires)
    held = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')},"
        for path, text in held.items()
    ]
    held[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, text in held.items():
            archive.writestr(path, text)
    return packed.getvalue()


def metadata(packed: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith("/METADATA")))


class Index:
    """A package index over HTTP, https://packaging.python.org/en/latest/specifications/simple-repository-api/."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.uploaded: dict[str, date] = {}
        self.held_back: set[str] = set()
        """Files that are not handed out until the server stops."""
        self.waiting, self.open = threading.Event(), threading.Event()
        handler = type("Handler", (_Handler,), {"index": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/simple/"

    def add(
        self,
        name: str,
        version: str,
        *requires: str,
        files: dict[str, str] | None = None,
        uploaded: date | None = None,
    ) -> None:
        held = files if files is not None else {f"{name}/__init__.py": f"VERSION = {version!r}\n"}
        self.put(f"{name}-{version}-py3-none-any.whl", wheel(name, version, held, requires), uploaded)

    def put(self, file: str, content: bytes, uploaded: date | None = None) -> None:
        self.files.setdefault(file.partition("-")[0], {})[file] = content
        if uploaded:
            self.uploaded[file] = uploaded

    def page(self, name: str) -> bytes:
        listed = [
            {"filename": file, "url": f"/files/{name}/{file}", "hashes": {}, "core-metadata": True}
            | ({"upload-time": f"{self.uploaded[file]}T12:00:00Z"} if file in self.uploaded else {})
            for file in self.files[name]
        ]
        return json.dumps({"meta": {"api-version": "1.1"}, "name": name, "files": listed}).encode()


class _Handler(BaseHTTPRequestHandler):
    index: Index

    def do_GET(self) -> None:
        parts = self.path.strip("/").split("/")
        name, index = parts[1].replace("-", "_"), self.index
        if name not in index.files:
            self.send_error(404)
        elif parts[0] == "simple":
            self._send(index.page(name), "application/vnd.pypi.simple.v1+json")
        elif parts[2].endswith(".metadata"):
            self._send(metadata(index.files[name][parts[2].removesuffix(".metadata")]), "text/plain")
        else:
            if parts[2] in index.held_back:
                index.waiting.set()
                index.open.wait()
            self._send(index.files[name][parts[2]], "application/octet-stream")

    def _send(self, content: bytes, media_type: str) -> None:
        with contextlib.suppress(ConnectionError):
            self.send_response(200)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made = Index()
    made.add("alpha", "1.0")
    made.add("alpha", "2.0", "beta>=1", files=ALPHA)
    made.add("beta", "1.0")
    made.add("beta", "1.5")
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.open.set()
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def rules(index: Index, tmp_path: Path) -> EnvironmentRules:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    return EnvironmentRules(
        index_url=index.url, extra_index_urls=(index.url,), find_links=(str(wheels),), build_seconds=60
    )


@pytest.fixture
def environments(tmp_path: Path, rules: EnvironmentRules) -> Environments:
    return Environments(tmp_path / "deploy", rules)


@pytest.fixture(params=["uv", "pip"])
def either(request: pytest.FixtureRequest, tmp_path: Path, rules: EnvironmentRules) -> Environments:
    """By uv, and by what stands in for it."""
    return Environments(tmp_path / "deploy", rules, with_uv=request.param == "uv")


@pytest.fixture
def told() -> list[str]:
    return []


def wanted(*requirements: str, **more: Any) -> Wanted:
    return Wanted(requirements, **more)


async def failure(environments: Environments, *requirements: str, **more: Any) -> str:
    with pytest.raises(BuildFailed) as raised:
        await environments.resolve(wanted(*requirements, **more), print)
    return raised.value.message


def in_environment(environment: Environment, code: str) -> str:
    return printed(environment.python, "-c", code)


def printed(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def attempts(tmp_path: Path) -> list[Path]:
    return [*(tmp_path / "deploy").glob("**/.making*"), *(tmp_path / "deploy" / "locks").iterdir()]


async def test_requirements_become_a_lock_and_the_lock_an_environment(
    either: Environments, told: list[str]
) -> None:
    lock = await either.resolve(wanted("alpha"), told.append)
    assert lock.lines == ("alpha==2.0", "beta==1.5")
    assert lock.python == f"{sys.version_info[0]}.{sys.version_info[1]}"
    environment = await either.ensure(lock, told.append)
    assert in_environment(environment, "import alpha, beta; print(alpha.VERSION, beta.VERSION)") == "2.0 1.5"
    assert printed(environment.folder / "bin" / "greet") == "hello"
    assert told, "the installer is heard"


async def test_an_environment_has_nothing_of_ours(environments: Environments) -> None:
    environment = await environments.ensure(await environments.resolve(wanted(), print), print)
    code = "import importlib.util as u; print(u.find_spec('pydantic'), u.find_spec('stentor_common'))"
    assert in_environment(environment, code) == "None None"


async def test_what_resolves_to_the_same_shares_an_environment(
    environments: Environments, told: list[str]
) -> None:
    first = await environments.resolve(wanted("Alpha >= 2", "beta"), print)
    second = await environments.resolve(wanted("beta==1.5", "alpha"), print)
    other = await environments.resolve(wanted("beta==1.0", "alpha"), print)
    assert first.key == second.key != other.key
    made = await environments.ensure(first, print)
    assert await environments.ensure(second, told.append) == made
    assert told == []
    assert environments.known() == [made]


async def test_of_many_who_want_it_at_once_one_makes_it(
    tmp_path: Path, rules: EnvironmentRules, environments: Environments, told: list[str]
) -> None:
    lock = await environments.resolve(wanted("alpha"), print)
    another = Environments(tmp_path / "deploy", rules)
    made = await asyncio.gather(*(one.ensure(lock, told.append) for one in [environments, another] * 3))
    assert len({environment.folder for environment in made}) == 1
    assert sum("alpha==2.0" in line for line in told) == 1
    assert attempts(tmp_path) == []


async def test_cancelled_it_leaves_nothing_behind(
    tmp_path: Path, index: Index, environments: Environments
) -> None:
    lock = await environments.resolve(wanted("beta"), print)
    index.held_back.add("beta-1.5-py3-none-any.whl")
    making = asyncio.create_task(environments.ensure(lock, print))
    assert await asyncio.to_thread(index.waiting.wait, 30), "the installer asks for the file"
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert attempts(tmp_path) == []
    assert environments.known() == []
    assert [process.name() for process in psutil.Process().children(recursive=True)] == []


async def test_a_time_limit_ends_it(
    tmp_path: Path, index: Index, rules: EnvironmentRules, environments: Environments
) -> None:
    lock = await environments.resolve(wanted("beta"), print)
    index.held_back.add("beta-1.5-py3-none-any.whl")
    hasty = Environments(tmp_path / "hasty", replace(rules, build_seconds=0.5))
    with pytest.raises(BuildFailed, match=r"longer than 0\.5 seconds"):
        await hasty.ensure(lock, print)


async def test_the_disk_is_not_filled(
    tmp_path: Path, rules: EnvironmentRules, environments: Environments
) -> None:
    lock = await environments.resolve(wanted("beta"), print)
    thrifty = Environments(tmp_path / "deploy", replace(rules, keep_free_bytes=2**62))
    with pytest.raises(Unavailable, match="too little disk space"):
        await thrifty.ensure(lock, print)
    assert attempts(tmp_path) == []


async def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path, environments: Environments) -> None:
    lock = await environments.resolve(wanted("beta"), print)
    for key in (lock.key, "f" * 64):
        (tmp_path / "deploy" / "made" / f".making-{key}-0123" / "lib").mkdir(parents=True)
    environment = await environments.ensure(lock, print)
    left = {path.name for path in (tmp_path / "deploy" / "made").iterdir()}
    assert left == {lock.key, f".making-{'f' * 64}-0123"}
    assert environments.known() == [environment]
    await environments.remove_unused([lock.key], timedelta(days=1))
    assert attempts(tmp_path) == []


async def test_one_whose_interpreter_is_gone_is_made_again(environments: Environments) -> None:
    lock = await environments.resolve(wanted("beta"), print)
    environment = await environments.ensure(lock, print)
    environment.python.unlink()
    environment.python.symlink_to("/nowhere/python")
    assert environments.known() == []
    again = await environments.ensure(lock, print)
    assert in_environment(again, "import beta; print(beta.VERSION)") == "1.5"


async def test_a_lock_for_another_python_is_not_made_with_this_one(environments: Environments) -> None:
    lock = Lock(python="3.7", platform="cpython-other", lines=(), key="0" * 64)
    with pytest.raises(Unavailable, match=r"no Python 3\.7 for cpython-other"):
        await environments.ensure(lock, print)


@pytest.mark.parametrize(
    ("requirements", "words"),
    [
        (["nowhere"], "no package `nowhere`|has no `nowhere`"),
        (["alpha==7"], "no version of alpha that is ==7"),
        (["alpha==2.0", "beta<1"], "beta"),
        (["alpha==2.0", "beta==1.0", "gamma"], "gamma.*beta|beta.*gamma"),
    ],
)
async def test_what_cannot_be_had_is_named(
    index: Index, environments: Environments, requirements: list[str], words: str
) -> None:
    index.add("gamma", "1.0", "beta>1")
    message = await failure(environments, *requirements)
    assert re.search(words, message), message


async def test_nothing_is_built_from_source_unless_allowed(index: Index, environments: Environments) -> None:
    index.put("delta-1.0.tar.gz", b"never looked at")
    message = await failure(environments, "delta==1.0")
    assert "delta==1.0 has no build (wheel) for Python" in message
    assert "not allowed here" in message


async def test_an_error_about_the_version_of_a_pickle_says_so(environments: Environments) -> None:
    message = await failure(environments, "alpha", pickled_with=(("alpha", "0.9"),))
    assert "==0.9" in message
    assert "the model was saved with" in message


async def test_without_a_version_that_of_the_packages_day_is_taken(
    index: Index, environments: Environments
) -> None:
    index.add("gamma", "1.0", uploaded=date(2023, 5, 1))
    index.add("gamma", "2.0", uploaded=date(2024, 5, 1))
    lock = await environments.resolve(wanted("gamma", made_on=THEN), print)
    assert lock.lines == ("gamma==1.0",)
    assert (await environments.resolve(wanted("gamma"), print)).lines == ("gamma==2.0",)


async def test_where_the_index_knows_no_days_the_newest_is_taken_and_told(
    environments: Environments, told: list[str]
) -> None:
    lock = await environments.resolve(wanted("beta", made_on=THEN), told.append)
    assert lock.lines == ("beta==1.5",)
    assert [note.code for note in lock.notes] == ["date_not_used"]
    assert any("does not say when" in line for line in told)


async def test_a_build_that_the_index_lacks_is_taken_without_its_mark(environments: Environments) -> None:
    lock = await environments.resolve(wanted("beta==1.0+cpu"), print)
    assert lock.lines == ("beta==1.0",)
    assert [note.code for note in lock.notes] == ["build_not_found"]


async def test_builds_in_the_operators_folder_win_over_newer_versions(
    tmp_path: Path, environments: Environments
) -> None:
    files = {"beta/__init__.py": "VERSION = 'own'\n"}
    (tmp_path / "wheels" / "beta-1.2+cpu-py3-none-any.whl").write_bytes(wheel("beta", "1.2+cpu", files))
    lock = await environments.resolve(wanted("beta"), print)
    assert lock.lines == ("beta==1.2+cpu",)
    assert in_environment(await environments.ensure(lock, print), "import beta; print(beta.VERSION)") == "own"
    assert (await environments.resolve(wanted("beta==1.5"), print)).lines == ("beta==1.5",)


async def test_passwords_of_an_index_stay_with_the_operator(
    tmp_path: Path, index: Index, rules: EnvironmentRules, told: list[str]
) -> None:
    url = index.url.replace("//", "//somebody:s3cret@")
    rules = replace(rules, index_url=url, extra_index_urls=(url,))
    environments = Environments(tmp_path / "deploy", rules)
    with pytest.raises(BuildFailed) as raised:
        await environments.resolve(wanted("nowhere"), told.append)
    await environments.ensure(await environments.resolve(wanted("alpha"), told.append), told.append)
    assert "s3cret" not in "\n".join([*told, raised.value.message])
    assert str(tmp_path / "deploy") not in "\n".join(told)


async def test_a_package_cannot_bring_another_interpreter(index: Index, environments: Environments) -> None:
    index.add("gamma", "1.0", files={"gamma-1.0.data/data/bin/python": "#!/bin/sh\n"})
    lock = await environments.resolve(wanted("gamma"), print)
    with pytest.raises(AppError, match=r"interpreter|cannot be installed"):
        await environments.ensure(lock, print)
    assert environments.known() == []


async def test_unused_environments_are_removed(environments: Environments, tmp_path: Path) -> None:
    used, unused = [
        await environments.ensure(await environments.resolve(wanted(name), print), print)
        for name in ("alpha", "beta")
    ]
    assert await environments.remove_unused([used.key], timedelta(days=1)) == []
    os.utime(unused.folder, (0, 0))
    os.utime(used.folder, (0, 0))
    assert await environments.remove_unused([used.key], timedelta(days=1)) == [unused.key]
    assert environments.known() == [used]
    assert in_environment(used, "import alpha; print(alpha.VERSION)") == "2.0"
    assert attempts(tmp_path) == []


async def test_one_that_was_just_asked_for_is_not_unused(environments: Environments) -> None:
    lock = await environments.resolve(wanted("beta"), print)
    environment = await environments.ensure(lock, print)
    os.utime(environment.folder, (0, 0))
    await environments.ensure(lock, print)
    assert await environments.remove_unused([], timedelta(hours=1)) == []


async def test_bytecode_of_imported_modules_is_written_without_running_anything(
    index: Index, environments: Environments, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    files = {
        "gamma/__init__.py": f"open({str(ran)!r}, 'w')\n",
        "gamma/part.py": "VALUE = 1\n",
        "gamma/broken.py": "this is no Python\n",
        **{f"gamma/part{number}.py": "" for number in range(600)},
        "gamma.pth": f"import pathlib; pathlib.Path({str(ran)!r}).touch()\n",
    }
    index.add("gamma", "1.0", files=files)
    environment = await environments.ensure(await environments.resolve(wanted("gamma"), print), print)
    ran.unlink(missing_ok=True)
    odd = ["gamma.broken", "os", "../gamma", "gamma/part", "/etc/passwd", "", "."]
    names = [*odd, "gamma", "gamma.part", *(f"gamma.part{number}" for number in range(600))]
    assert await environments.compile(environment, names) == 602
    assert await environments.compile(environment, names) == 0
    assert not ran.exists()
    compiled = [path.name.partition(".")[0] for path in environment.folder.rglob("gamma/__pycache__/*.pyc")]
    assert len(compiled) == 602
    assert "broken" not in compiled


async def test_what_was_compiled_once_is_there_in_the_next_environment_with_the_same_files(
    index: Index, environments: Environments
) -> None:
    # One package brings bytecode for another's module: that must not get to who did not ask for it.
    tag = sys.implementation.cache_tag
    index.add("gamma", "1.0", files={"gamma/__init__.py": "", "gamma/part.py": "VALUE = 1\n"})
    index.add("evil", "1.0", files={"evil.py": "", f"gamma/__pycache__/part.{tag}.pyc": "anything"})
    first, second = [await environments.resolve(wanted("gamma", other), print) for other in ("evil", "beta")]
    made = await environments.ensure(first, print)
    assert await environments.compile(made, ["gamma", "gamma.part", "evil"]) == 2
    again = await environments.ensure(second, print)
    cached = f"lib/{made.python.resolve().name}/site-packages/gamma/__pycache__"
    ours = f"__init__.{tag}.pyc"
    assert [path.name for path in (again.folder / cached).iterdir()] == [ours]
    assert (again.folder / cached / ours).samefile(made.folder / cached / ours)


class Web:
    """Files behind addresses."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.count = 0

    async def download(self, url: str, *, max_bytes: int, max_seconds: float) -> AsyncGenerator[bytes, None]:
        self.count += 1
        yield self.files[url]


async def test_wheels_by_their_address_are_downloaded_by_us_and_held_to_their_content(
    tmp_path: Path, rules: EnvironmentRules
) -> None:
    url = "https://example.com/files/zeta-1.0-py3-none-any.whl"
    content = wheel("zeta", "1.0", {"zeta.py": "VALUE = 'zeta'\n"}, ("beta",))
    web = Web({url: content})
    environments = Environments(tmp_path / "deploy", replace(rules, allow_url_requirements=True), web)
    lock = await environments.resolve(wanted(url), print)
    assert lock.lines == ("beta==1.5", f"zeta @ {url}#sha256={hashlib.sha256(content).hexdigest()}")
    environment = await environments.ensure(lock, print)
    assert in_environment(environment, "import zeta, beta; print(zeta.VALUE)") == "zeta"
    assert web.count == 1
    web.files[url] = wheel("zeta", "1.0", {"zeta.py": "VALUE = 'another'\n"}, ("beta",))
    elsewhere = Environments(tmp_path / "other", replace(rules, allow_url_requirements=True), web)
    with pytest.raises(BuildFailed, match="another file than it was"):
        await elsewhere.ensure(lock, print)


async def test_wheels_by_their_address_are_refused_unless_allowed(
    tmp_path: Path, rules: EnvironmentRules
) -> None:
    environments = Environments(tmp_path / "deploy", rules, Web({}))
    with pytest.raises(Unsupported, match="ALLOW_URL_REQUIREMENTS"):
        await environments.resolve(wanted("https://example.com/zeta-1.0-py3-none-any.whl"), print)


async def test_what_the_operator_leaves_open_is_read_from_pips_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://example.com/simple\nextra-index-url =\n    file:///one\n    file:///two\n"
        "trusted-host = example.com\n[install]\nfind-links = /wheels\n"
    )
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    found = await configured_indexes(EnvironmentRules(), tmp_path)
    assert found.url == "https://example.com/simple"
    assert found.extra == ("file:///one", "file:///two")
    assert found.find_links == ("/wheels",)
    assert found.insecure_hosts == ("example.com",)
    ours = await configured_indexes(EnvironmentRules(index_url="https://ours.example.com"), tmp_path)
    assert (ours.url, ours.find_links) == ("https://ours.example.com", ("/wheels",))
