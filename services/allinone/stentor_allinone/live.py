"""`stentor transcribe --live`, `stentor listen`: sound to a server as it is spoken, its text as it comes."""

import asyncio
import json
import signal
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import httpx2
from rich.console import Console
from rich.live import Live
from rich.text import Text
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from stentor_allinone.client import Refused, connected
from stentor_allinone.sources import RATE, Source

PATH = "/v1/transcriptions/live"


async def transcribe(source: Source, options: Mapping[str, Any], server: str, token: str) -> str:
    """Shows what is said while it is said, and returns it, a turn in a line. Ctrl-C ends the sound, and the
    rest is waited for. Raises Refused."""
    try:
        async with connected(server, token) as client, _opened(client) as socket:
            await socket.send(json.dumps({**options, "sample_rate": RATE}))
            _told(await socket.recv())
            with _interrupted() as stop, Screen(Console()) as screen:
                await _both(_send(socket, source, stop), _show(socket, screen))
                return screen.said
    except (OSError, httpx2.TransportError, InvalidHandshake, ConnectionClosed) as error:
        raise _refused(error, server) from error


class Screen:
    """What is settled, and behind it, dim, what may still change; into a file or pipe only the former."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = (
            Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        )
        self._lines: list[str] = []
        self._settled = ""

    @property
    def said(self) -> str:
        return "\n".join(line for line in self._lines if line)

    def __enter__(self) -> "Screen":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def take(self, event: Mapping[str, Any]) -> None:
        match event["type"]:
            case "settled":
                self._settled += event["text"]
                self._show("")
                self._write(event["text"])
            case "tentative":
                self._show(event["text"])
            case "final":
                self._lines.append(event["text"])
                self._settled = ""
                self._show("")
                if self._live and event["text"]:
                    self._console.print(Text(event["text"]))
                self._write("\n" if event["text"] else "")

    def _show(self, tentative: str) -> None:
        if self._live:
            self._live.update(Text(self._settled) + Text(tentative, style="dim"), refresh=True)

    def _write(self, text: str) -> None:
        if self._live is None:
            self._console.file.write(text)
            self._console.file.flush()


def _opened(client: httpx2.AsyncClient) -> connect:
    url = str(client.base_url.join(PATH)).replace("http", "ws", 1)
    token = client.headers.get("authorization")
    return connect(url, additional_headers={"Authorization": token} if token else None, compression=None)


async def _both(*acts: Coroutine[Any, Any, None]) -> None:
    """Until both have ended, or one has failed."""
    tasks = [asyncio.create_task(act) for act in acts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _send(socket: ClientConnection, source: Source, stop: asyncio.Event) -> None:
    pieces = source()
    stopping = asyncio.create_task(stop.wait())
    try:
        while not stop.is_set():
            piece = asyncio.ensure_future(anext(pieces, b""))
            await asyncio.wait([piece, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not piece.done():
                piece.cancel()
            elif found := piece.result():
                await socket.send(found)
            else:
                break
        await socket.send(json.dumps({"type": "finish"}))
    finally:
        stopping.cancel()


async def _show(socket: ClientConnection, screen: Screen) -> None:
    async for message in socket:
        event = _told(message)
        screen.take(event)
        if event["type"] == "done":
            return
    raise Refused("the server ended the session")


def _told(message: str | bytes) -> Mapping[str, Any]:
    """The event. Raises Refused for an error."""
    event: Mapping[str, Any] = json.loads(message)
    if event["type"] in ("error", "failed"):
        raise Refused(event["error"]["message"])
    return event


@contextmanager
def _interrupted() -> Iterator[asyncio.Event]:
    """An event that the first Ctrl-C sets, where signals can be taken."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    with suppress(NotImplementedError, RuntimeError):
        loop.add_signal_handler(signal.SIGINT, stop.set)
    try:
        yield stop
    finally:
        with suppress(NotImplementedError, RuntimeError):
            loop.remove_signal_handler(signal.SIGINT)


def _refused(error: Exception, server: str) -> Refused:
    if isinstance(error, InvalidStatus):
        try:
            return Refused(json.loads(error.response.body or b"")["error"]["message"])
        except (ValueError, KeyError, TypeError):
            return Refused(f"the server answered with status {error.response.status_code}")
    if isinstance(error, ConnectionClosed):
        return Refused(f"the server ended the session{': ' + error.reason if error.reason else ''}")
    return Refused(f"no Stentor answers at {server or 'its own port'} ({type(error).__name__})")
