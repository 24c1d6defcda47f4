"""`stentor summarize`: send a document or a text, show how far it is, return what it comes to."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import httpx2

from stentor_allinone.client import Refused, connected, told
from stentor_allinone.following import Bar, follow, shown

PATH = "/v1/summaries"


class Format(StrEnum):
    text = "text"
    json = "json"


@dataclass(frozen=True, slots=True)
class Asked:
    source: Path | str
    """A document, or a text."""
    format: Format
    options: Mapping[str, str]
    """Fields of the request, as the API names them."""


def source_of(name: str) -> Path | str:
    """The document of this name, or what comes on standard input. Raises Refused."""
    if name == "-":
        return sys.stdin.read()
    if not Path(name).is_file():
        raise Refused(f"there is no file {name}")
    return Path(name)


async def summarize(asked: Asked, server: str, token: str) -> str:
    """The summary in the format asked for. Raises Refused."""
    with shown() as bar:
        try:
            async with connected(server, token) as client:
                job_id = await _submit(client, asked, bar)
                await follow(client, f"{PATH}/{job_id}", bar)
                answer = told(await client.get(f"{PATH}/{job_id}", params={"format": asked.format.value}))
        except httpx2.TransportError as error:
            raise Refused(
                f"no Stentor answers at {server or 'its own port'} ({type(error).__name__})"
            ) from error
    if asked.format is Format.json:
        return json.dumps(answer.json(), indent=2, ensure_ascii=False)
    return answer.text


async def _submit(client: httpx2.AsyncClient, asked: Asked, bar: Bar) -> str:
    bar.show("sending")
    if isinstance(asked.source, str):
        answer = await client.post(PATH, json={"text": asked.source, **asked.options})
    else:
        with asked.source.open("rb") as file:
            answer = await client.post(
                PATH, files={"file": (asked.source.name, file)}, data=dict(asked.options)
            )
    return str(told(answer).json()["id"])
