"""`stentor transcribe`: send a file, show how far it is, return what was said."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import httpx2

from stentor_allinone.client import Refused, connected, told
from stentor_allinone.following import Bar, follow, shown

__all__ = ["Asked", "Format", "Refused", "transcribe"]

PATH = "/v1/transcriptions"


class Format(StrEnum):
    text = "text"
    srt = "srt"
    vtt = "vtt"
    json = "json"


@dataclass(frozen=True, slots=True)
class Asked:
    file: Path
    format: Format
    options: Mapping[str, str]
    """Fields of the request, as the API names them."""


async def transcribe(asked: Asked, server: str, token: str) -> str:
    """The transcript in the format asked for. Raises Refused."""
    with shown() as bar:
        try:
            async with connected(server, token) as client:
                job_id = await _submit(client, asked, bar)
                await follow(client, f"{PATH}/{job_id}", bar)
                return await _fetch(client, job_id, asked.format)
        except httpx2.TransportError as error:
            raise Refused(
                f"no Stentor answers at {server or 'its own port'} ({type(error).__name__})"
            ) from error


async def _submit(client: httpx2.AsyncClient, asked: Asked, bar: Bar) -> str:
    bar.show("sending")
    with asked.file.open("rb") as file:
        answer = await client.post(PATH, files={"file": (asked.file.name, file)}, data=dict(asked.options))
    return str(told(answer).json()["id"])


async def _fetch(client: httpx2.AsyncClient, job_id: str, format: Format) -> str:
    answer = told(await client.get(f"{PATH}/{job_id}", params={"format": format.value}))
    if format is Format.json:
        return json.dumps(answer.json(), indent=2, ensure_ascii=False)
    return answer.text
