"""`stentor deploy`: pack a folder, send it, show how its build goes, say where the model is called."""

import asyncio
import json
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from stentor_allinone.client import Refused, connected, told
from stentor_allinone.following import Bar, shown

PATH = "/v1/deployments"
OWN_SERVER = "http://127.0.0.1:8000"
LEFT_OUT = ("__pycache__", ".git", ".venv", ".DS_Store")
ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
LOOK_SECONDS = 0.5
UNDER_WAY = ("queued", "building", "loading")


@dataclass(frozen=True, slots=True)
class Asked:
    source: str
    """A folder, an archive, a file of weights, or the https address of a repository."""
    name: str
    fields: Mapping[str, str]
    """Fields of the request, as the API names them."""


async def deploy(asked: Asked, server: str, token: str) -> str:
    """How the model is called, once it is ready. Raises Refused."""
    if not token:
        raise Refused(
            "deploying needs an account: register at POST /v1/users, make a token at POST /v1/token, and "
            "give it as --token or STENTOR_TOKEN"
        )
    server = server or OWN_SERVER
    with shown() as bar:
        try:
            async with connected(server, token) as client:
                revision = await _sent(client, asked, bar)
                await _followed(client, revision, bar)
        except httpx2.TransportError as error:
            raise Refused(
                f"no Stentor answers at {server} ({type(error).__name__}); start it with `stentor up`"
            ) from error
    url = f"{server.rstrip('/')}{PATH}/{revision['name']}/predict"
    return f"revision {revision['number']} of {revision['name']} is ready: POST {url}"


async def _sent(client: httpx2.AsyncClient, asked: Asked, bar: Bar) -> dict[str, Any]:
    """Name and number of what was made: a new deployment, or a further revision of the one there is."""
    bar.show("sending")
    there = asked.name and (await client.get(f"{PATH}/{asked.name}")).is_success
    path = f"{PATH}/{asked.name}/revisions" if there else PATH
    fields = {**asked.fields, **({"name": asked.name} if asked.name and not there else {})}
    if asked.source.startswith("https://"):
        answer = await client.post(path, json={**fields, "git_url": asked.source})
    else:
        with _file(Path(asked.source)) as (field, filename, file):
            answer = await client.post(path, files={field: (filename, file)}, data=fields, timeout=None)
    made = told(answer).json()
    name = asked.name if there else made["name"]
    return {"name": name, "number": made["number"] if there else made["latest"]["number"]}


async def _followed(client: httpx2.AsyncClient, revision: Mapping[str, Any], bar: Bar) -> None:
    """Show the last line of the build until it is over. Raises Refused."""
    path = f"{PATH}/{revision['name']}"
    while True:
        now = told(await client.get(f"{path}/revisions/{revision['number']}")).json()
        if now["status"] not in UNDER_WAY:
            break
        params = {"kind": "build", "revision": revision["number"], "tail": 1}
        lines = told(await client.get(f"{path}/logs", params=params)).json()["data"]
        said = lines[0]["line"] if lines else ""
        bar.show(f"{now['status']}: {said}" if said else now["status"])
        await asyncio.sleep(LOOK_SECONDS)
    if now["status"] != "ready":
        reason = now["reason"] or {}
        details = f"\n{reason['details']}" if reason.get("details") else ""
        raise Refused(f"{now['status']}: {reason.get('message') or 'see its logs'}{details}")


@contextmanager
def _file(path: Path) -> Iterator[tuple[str, str, Any]]:
    """Field, name and content of what is sent: a folder is packed. Raises Refused."""
    if path.is_file():
        field = "archive" if path.name.lower().endswith(ARCHIVES) else "file"
        with path.open("rb") as file:
            yield field, path.name, file
        return
    if not path.is_dir():
        raise Refused(f"there is no file or folder {path}")
    with tempfile.TemporaryFile() as packed:
        with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
            archive.add(path, ".", filter=_wanted)
        packed.seek(0)
        yield "archive", f"{path.resolve().name}.tar.gz", packed


def _wanted(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if Path(member.name).name in LEFT_OUT else member


def fields_of(options: Mapping[str, str], requirements: Path | None, examples: str) -> dict[str, str]:
    """The fields that were given. Raises Refused."""
    fields = {name: value for name, value in options.items() if value}
    if requirements:
        fields["requirements"] = requirements.read_text()
    if examples:
        try:
            json.loads(examples)
        except ValueError:
            raise Refused("--examples must be a JSON list of inputs") from None
        fields["examples"] = examples
    return fields
