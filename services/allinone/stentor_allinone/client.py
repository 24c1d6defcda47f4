"""The API from the outside, for the command line: a server that runs, or a private one for this command."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

SECONDS_TO_START = 120


class Refused(Exception):
    """The server said no, or is not there; the message tells why."""


@asynccontextmanager
async def connected(server: str, token: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client for `server`; without one, for a private Stentor on a free port while the block lasts."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    timeout = httpx2.Timeout(30, read=120)
    if server:
        async with httpx2.AsyncClient(base_url=server, headers=headers, timeout=timeout) as client:
            yield client
        return
    async with _private_server() as url, httpx2.AsyncClient(base_url=url, timeout=timeout) as client:
        yield client


def told(answer: httpx2.Response) -> httpx2.Response:
    """The answer if it is a success. Raises Refused with the server's own words."""
    if answer.is_success:
        return answer
    try:
        reason = answer.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        reason = answer.text[:200]
    raise Refused(reason or f"the server answered with status {answer.status_code}")


@asynccontextmanager
async def _private_server() -> AsyncIterator[str]:
    """`stentor up` in a process of its own, so that its log and its end do not mix with ours."""
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "stentor_allinone.private"), stdout=asyncio.subprocess.PIPE
    )
    try:
        yield await _url(server)
    finally:
        if server.returncode is None:
            server.terminate()
        await server.wait()


async def _url(server: asyncio.subprocess.Process) -> str:
    assert server.stdout is not None
    try:
        async with asyncio.timeout(SECONDS_TO_START):
            url = (await server.stdout.readline()).decode().strip()
    except TimeoutError:
        url = ""
    if not url:
        raise Refused("Stentor did not start; its log above says why")
    return url
