"""Packages from repositories: what a real git server hands out, and how little a hostile one can do."""

import asyncio
import datetime
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from stentor_common.errors import AppError, TooLarge
from stentor_common.fetch import Reach, UrlRefused
from stentor_deploy.errors import BadPackage
from stentor_deploy.packages.git import fetch_git
from stentor_deploy.packages.opening import open_package
from stentor_deploy.packages.rules import Given, Rules

pytestmark = pytest.mark.live

HOST = "git.example"
GIT = ["git", "-c", "safe.directory=*", "-c", "uploadpack.allowAnySHA1InWant=true"]
MODEL = "class Model:\n    def predict(self, model_input):\n        return model_input\n"
MADE = "2024-02-03T04:05:06+00:00"
RULES = Rules(reach=Reach.to(["127.0.0.0/8"]), git_seconds=30)


class Repository:
    """A repository with a working tree, as its owner has it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git("init", "--quiet", "--initial-branch=main", str(folder), inside=False)

    def git(self, *words: str, inside: bool = True, given: bytes = b"") -> str:
        who = {
            f"GIT_{role}_{what}": MADE if what == "DATE" else "a@b.example"
            for role in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL", "DATE")
        }
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder.parent), **who}
        done = subprocess.run(
            ["git", *words],
            cwd=self.folder if inside else None,
            env=environment,
            input=given,
            capture_output=True,
            check=True,
        )
        return done.stdout.decode().strip()

    def commit(self, files: dict[str, str]) -> str:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=work")
        return self.git("rev-parse", "HEAD")


class GitServer:
    """Serves the repositories of a folder over https, the way git itself does it behind a web server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.redirect = ""
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                if outer.redirect:
                    self.send_response(302)
                    self.send_header("Location", outer.redirect + self.path)
                    self.end_headers()
                    return
                path, _, query = self.path.partition("?")
                length = int(self.headers.get("Content-Length") or 0)
                environment = {
                    "PATH": os.environ["PATH"],
                    "GIT_PROJECT_ROOT": str(outer.folder),
                    "GIT_HTTP_EXPORT_ALL": "1",
                    "PATH_INFO": path,
                    "QUERY_STRING": query,
                    "REQUEST_METHOD": self.command,
                    "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                    "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                    "HTTP_GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                    "CONTENT_LENGTH": str(length),
                }
                done = subprocess.run(
                    [
                        "git",
                        "-c",
                        "safe.directory=*",
                        "-c",
                        "uploadpack.allowAnySHA1InWant=true",
                        "http-backend",
                    ],
                    env=environment,
                    input=self.rfile.read(length),
                    capture_output=True,
                    check=False,
                )
                head, _, body = done.stdout.partition(b"\r\n\r\n")
                lines = [line.split(": ", 1) for line in head.decode().splitlines()]
                status = next((value for name, value in lines if name == "Status"), "200 OK")
                self.send_response(int(status[:3]))
                for name, value in lines:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def start(self, context: ssl.SSLContext) -> None:
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, name: str = "work/.git") -> str:
        return f"https://{HOST}:{self.port}/{name}"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """For the host of the tests, signed by itself: the file of it, and that of its key."""
    folder = tmp_path_factory.mktemp("certificate")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def server(
    tmp_path: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[GitServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    monkeypatch.setenv("GIT_SSL_CAINFO", str(certificate[0]))
    made = GitServer(tmp_path / "served")
    made.folder.mkdir()
    made.start(context)
    yield made
    made.close()


@pytest.fixture
def repository(server: GitServer) -> Repository:
    return Repository(server.folder / "work")


async def here(host: str, port: int, **_: Any) -> Any:
    """A resolver that knows one host: this machine."""
    if host != HOST:
        raise socket.gaierror(f"{host} is not known")
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "fetched"


async def test_a_repository_becomes_a_package(server: GitServer, repository: Repository, into: Path) -> None:
    commit = repository.commit({"model.py": MODEL, "requirements.txt": "numpy\n"})
    fetched = await fetch_git(server.url(), None, into, RULES, resolve=here)
    assert (fetched.commit, fetched.day) == (commit, datetime.date(2024, 2, 3))
    package = open_package(into, into.parent / "package", RULES, Given())
    assert package.requirements == ("numpy",)
    assert package.made_on == fetched.day
    assert not (into / ".git").exists()


async def test_a_branch_a_tag_or_a_commit_may_be_asked_for(
    server: GitServer, repository: Repository, into: Path
) -> None:
    first = repository.commit({"model.py": MODEL})
    repository.git("tag", "v1.0")
    repository.commit({"model.py": MODEL + "# later\n"})
    for ref in ("v1.0", first):
        assert (await fetch_git(server.url(), ref, into, RULES, resolve=here)).commit == first
        shutil.rmtree(into)
    assert (await fetch_git(server.url(), "main", into, RULES, resolve=here)).commit != first


@pytest.mark.parametrize("ref", ["--upload-pack=touch x", "-x", "a..b", "a b", "", "a:b", "@{-1}"])
async def test_a_ref_is_a_name(server: GitServer, into: Path, ref: str) -> None:
    with pytest.raises(BadPackage, match="no name of a branch"):
        await fetch_git(server.url(), ref, into, RULES, resolve=here)


async def test_what_is_not_there_is_told_without_its_address(
    server: GitServer, repository: Repository, into: Path
) -> None:
    repository.commit({"model.py": MODEL})
    for url, ref in ((server.url("nothing"), None), (server.url(), "gone")):
        with pytest.raises(BadPackage, match="cannot be fetched") as refused:
            await fetch_git(url, ref, into, RULES, resolve=here)
        assert HOST not in refused.value.message
        assert not into.exists()


@pytest.mark.parametrize(
    "url",
    [
        "http://git.example/x",
        "git://git.example/x",
        "ssh://git@git.example/x",
        "file:///etc",
        "/etc",
        "ext::sh -c true",
        "https://user:password@git.example/x",
        "https://127.0.0.1:1/x",
        "https://[::1]/x",
    ],
)
async def test_only_public_addresses_over_https_are_asked(into: Path, url: str) -> None:
    with pytest.raises(AppError):
        await fetch_git(url, None, into, Rules(), resolve=here)
    assert not into.exists()


async def test_a_name_that_leads_inside_is_refused(server: GitServer, into: Path) -> None:
    closed = replace(RULES, reach=Reach(ports=frozenset({server.port})))
    with pytest.raises(UrlRefused, match="not public"):
        await fetch_git(server.url(), None, into, closed, resolve=here)
    assert server.asked == []


async def test_a_name_is_resolved_once_and_kept(
    server: GitServer, repository: Repository, into: Path
) -> None:
    """The name of the tests is known to no other resolver, so git can only have used what it was told."""
    repository.commit({"model.py": MODEL})
    asked = []

    async def once(host: str, port: int, **options: Any) -> Any:
        asked.append(host)
        return await here(host, port, **options)

    await fetch_git(server.url(), None, into, RULES, resolve=once)
    assert asked == [HOST]


async def test_redirects_are_not_followed(server: GitServer, repository: Repository, into: Path) -> None:
    repository.commit({"model.py": MODEL})
    server.redirect = f"https://127.0.0.1:{server.port}"
    with pytest.raises(BadPackage, match="cannot be fetched"):
        await fetch_git(server.url(), None, into, RULES, resolve=here)
    assert len(server.asked) == 1


async def test_links_and_submodules_are_left_out(
    server: GitServer, repository: Repository, into: Path
) -> None:
    inner = repository.commit({"model.py": MODEL})
    (repository.folder / "link").symlink_to("/etc/passwd")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{inner},sub")
    (repository.folder / ".gitmodules").write_text(
        '[submodule "sub"]\n\tpath = sub\n\turl = https://x.example\n'
    )
    repository.git("add", "link", ".gitmodules")
    repository.git("commit", "--quiet", "--message=links")
    await fetch_git(server.url(), None, into, RULES, resolve=here)
    assert not (into / "link").exists()
    assert list((into / "sub").iterdir()) == []


async def test_nothing_of_a_repository_is_run(
    server: GitServer, repository: Repository, into: Path, tmp_path: Path
) -> None:
    repository.commit(
        {
            "model.py": MODEL,
            ".gitattributes": "* filter=evil\n",
            ".lfsconfig": "[lfs]\n\turl = https://x.example\n",
        }
    )
    evil = tmp_path / "home" / ".gitconfig"
    evil.parent.mkdir()
    evil.write_text(f'[filter "evil"]\n\tsmudge = "touch {tmp_path}/sprung; cat"\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(evil.parent))
        patch.setenv("GIT_CONFIG_GLOBAL", str(evil))
        await fetch_git(server.url(), None, into, RULES, resolve=here)
    assert (into / "model.py").read_text() == MODEL
    assert not (tmp_path / "sprung").exists()


async def test_a_tree_that_names_one_file_a_million_times_is_not_written(
    server: GitServer, repository: Repository, into: Path
) -> None:
    blob = repository.git("hash-object", "-w", "--stdin", given=b"x" * 100)
    inner = f"100644 blob {blob}"
    for _ in range(6):
        lines = "".join(f"{inner}\tn{number}\n" for number in range(10))
        tree = repository.git("mktree", given=lines.encode())
        inner = f"040000 tree {tree}"
    commit = repository.git("commit-tree", tree, "-m", "bomb")
    repository.git("update-ref", "refs/heads/main", commit)
    with pytest.raises(TooLarge, match="files"):
        await fetch_git(server.url(), None, into, RULES, resolve=here)
    assert not into.exists()


async def test_a_repository_that_is_too_large_is_refused(
    server: GitServer, repository: Repository, into: Path
) -> None:
    repository.commit({"model.py": MODEL, "weights": "0" * 300_000})
    with pytest.raises(TooLarge, match="bytes"):
        await fetch_git(server.url(), None, into, replace(RULES, max_unpacked_bytes=200_000), resolve=here)


async def test_a_server_that_never_answers_is_given_up(into: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    impatient = replace(RULES, git_seconds=0.5)
    async with server:
        with pytest.raises(BadPackage, match=r"longer than 0\.5 seconds"):
            await fetch_git(f"https://{HOST}:{port}/x", None, into, impatient, resolve=here)
    assert not into.exists()
