"""Connections carried from one network namespace to another, and names told, by a thread of its own."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self, cast

PIECE = 1 << 18
Address = tuple[str, int]
ADDRESS_RECORD, INTERNET = 1, 1
ANSWER, NO_SUCH_NAME = 0x8580, 0x8583
"""Flags of an answer that comes from who knows: RFC 1035, 4.1.1."""


class Relays:
    """For one `with` block; sockets that it is given are its own from then on."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relays")
        self._open: list[asyncio.Server | asyncio.DatagramTransport] = []
        self._carrying: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def carry(self, listening: socket.socket, dial: Callable[[], socket.socket], to: Address) -> None:
        """Whoever connects to a bound socket is carried on to an address, by a socket that `dial` makes."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task
            self._carrying.add(task)
            try:
                await _carry(reader, writer, dial(), to)
            finally:
                self._carrying.discard(task)

        async def start() -> None:
            self._open.append(await asyncio.start_server(serve, sock=listening, limit=PIECE))

        asyncio.run_coroutine_threadsafe(start(), self._loop).result()

    def tell_names(self, bound: socket.socket, names: Mapping[str, str]) -> None:
        """Answer questions of the DNS on a socket. Names have IPv4 addresses only; they may change."""

        async def start() -> None:
            transport, _ = await self._loop.create_datagram_endpoint(lambda: _Names(names), sock=bound)
            self._open.append(transport)

        asyncio.run_coroutine_threadsafe(start(), self._loop).result()

    async def _close(self) -> None:
        for each in self._open:
            each.close()
        for task in self._carrying:
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)


async def _carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, made: socket.socket, to: Address
) -> None:
    with contextlib.suppress(OSError), contextlib.closing(writer):
        try:
            made.setblocking(False)
            await asyncio.get_running_loop().sock_connect(made, to)
            there, back = await asyncio.open_connection(sock=made, limit=PIECE)
        except BaseException:
            made.close()
            raise
        with contextlib.closing(back):
            async with asyncio.TaskGroup() as both:
                both.create_task(_pour(reader, back))
                both.create_task(_pour(there, writer))


async def _pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while piece := await source.read(PIECE):
            sink.write(piece)
            await sink.drain()
        sink.write_eof()
    except OSError:
        # Cut at one end: at the other too.
        sink.transport.abort()


class _Names(asyncio.DatagramProtocol):
    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        with contextlib.suppress(IndexError, struct.error, UnicodeDecodeError):
            self._transport.sendto(_answer(data, self._names), addr)


def _answer(question: bytes, names: Mapping[str, str]) -> bytes:
    """To one question in the format of RFC 1035."""
    labels, position = [], 12
    while length := question[position]:
        labels.append(question[position + 1 : position + 1 + length].decode("ascii").lower())
        position += 1 + length
    (kind,) = struct.unpack_from("!H", question, position + 1)
    asked = question[12 : position + 5]
    address = names.get(".".join(labels))
    found = b""
    if address and kind == ADDRESS_RECORD:
        # 0xC00C points at the name in the question; kept for a second.
        found = struct.pack("!HHHIH", 0xC00C, kind, INTERNET, 1, 4) + socket.inet_aton(address)
    flags = ANSWER if address else NO_SUCH_NAME
    return question[:2] + struct.pack("!HHHHH", flags, 1, bool(found), 0, 0) + asked + found
