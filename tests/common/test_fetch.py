"""Downloads of URLs that strangers name: nothing inside is reached, and nothing is taken without measure."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from stentor_common.errors import AppError, TooLarge
from stentor_common.fetch import REDIRECTS, Answered, Fetcher, Outgoing, UrlRefused, UrlUnreadable

LOOPBACK = ["127.0.0.0/8"]
Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class Web:
    """Web servers on this machine, which a test writes word by word."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self._stack = AsyncExitStack()

    async def serve(self, answer: Answer) -> str:
        """Answers every request so; returns its URL."""

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(head)
                await answer(head, writer)
                await writer.drain()
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        self._stack.callback(server.close)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def say(self, content: bytes, *headers: str, status: str = "200 OK") -> str:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", *headers, "Connection: close"]

        async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
            writer.write("\r\n".join([*lines, "", ""]).encode() + content)

        return await self.serve(answer)

    async def close(self) -> None:
        await self._stack.aclose()


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    made = Web()
    yield made
    await made.close()


@pytest.fixture
async def make_fetcher() -> AsyncIterator[Callable[..., Fetcher]]:
    made: list[Fetcher] = []

    def make(**options: Any) -> Fetcher:
        made.append(Fetcher(**options))
        return made[-1]

    yield make
    for each in made:
        await each.close()


@pytest.fixture
def fetcher(make_fetcher: Callable[..., Fetcher]) -> Fetcher:
    """As it is in production."""
    return make_fetcher()


@pytest.fixture
def local(make_fetcher: Callable[..., Fetcher]) -> Fetcher:
    """One that may reach this machine."""
    return make_fetcher(allowed=LOOPBACK)


async def read(fetcher: Fetcher, url: str, *, max_bytes: int = 10**6, max_seconds: float = 5) -> bytes:
    found = fetcher.download(url, max_bytes=max_bytes, max_seconds=max_seconds)
    return b"".join([piece async for piece in found])


class Names:
    """A resolver that knows what a test tells it, answer by answer."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not addresses:
            raise socket.gaierror("no such name")
        return [(0, socket.SOCK_STREAM, 0, "", (address, port)) for address in addresses]


async def test_a_file_comes_as_it_is(web: Web, local: Fetcher) -> None:
    url = await web.say(b"sound" * 50_000)
    assert await read(local, f"{url}/talk.mp3?x=1") == b"sound" * 50_000
    assert web.requests[0].startswith(b"GET /talk.mp3?x=1 HTTP/1.1\r\n")


async def test_nothing_of_ours_goes_along(web: Web, local: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    await read(local, await web.say(b"x", "Set-Cookie: id=1"))
    await read(local, await web.say(b"x"))
    for head in map(bytes.lower, web.requests):
        assert not any(word in head for word in (b"cookie", b"authorization", b"referer"))
        assert b"accept-encoding: identity" in head


HOSTILE = [
    # The machine itself, in every spelling.
    "http://127.0.0.1/",
    "http://localhost/",
    "http://0.0.0.0/",
    "http://2130706433/",
    "http://017700000001/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://127.1/",
    "http://0/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b:1::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:7f00:1::]/",
    "http://\u2460\u2461\u2466.0.0.1/",
    "http://127\u30020\u30020\u30021/",
    # Its neighbours and the cloud it runs in.
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://168.63.129.16/",
    "http://[fd00:ec2::254]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25lo]/",
    "http://[fec0::1]/",
    "http://192.0.0.8/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://[ff02::1]/",
    # What is no web address, or not an honest one.
    "file:///etc/passwd",
    "ftp://example.com/a",
    "gopher://example.com/",
    "data:text/plain,x",
    "//example.com/a",
    "example.com/a",
    "http:///a",
    "http://",
    "",
    "http://user:secret@example.com/",
    "http://user@example.com/",
    "http://example.com@127.0.0.1/",
    "http://example.com:22/",
    "https://example.com:80/",
    "http://example.com:6379/",
    "http://exa mple.com/",
    "http://[::1/",
    "http://a\r\nb/",
]


@pytest.mark.parametrize("url", HOSTILE)
async def test_what_leads_inside_or_nowhere_is_refused(fetcher: Fetcher, url: str) -> None:
    with pytest.raises((UrlRefused, UrlUnreadable)) as refused:
        await read(fetcher, url)
    assert "127.0.0.1" not in refused.value.message
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203", "2002:a01:203::", "169.254.169.254", "fd00:ec2::254"],
)
async def test_a_name_that_leads_inside_is_refused(
    make_fetcher: Callable[..., Fetcher], address: str
) -> None:
    with pytest.raises(UrlRefused, match="not public"):
        await read(make_fetcher(resolve=Names([address])), "http://innocent.example/")


async def test_one_inside_address_condemns_a_name(make_fetcher: Callable[..., Fetcher]) -> None:
    for addresses in (["93.184.216.34", "127.0.0.1"], ["2606:2800:220:1::1", "::1", "93.184.216.34"]):
        with pytest.raises(UrlRefused):
            await read(make_fetcher(resolve=Names(addresses)), "http://innocent.example/")


async def test_a_name_is_asked_for_once_and_the_checked_address_is_used(
    web: Web, make_fetcher: Callable[..., Fetcher]
) -> None:
    """A name that changes its answer between the check and the connection has no chance: there is no
    second question."""
    url = await web.say(b"the one that was checked")
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    fetcher = make_fetcher(allowed=LOOPBACK, resolve=names)
    content = await read(fetcher, url.replace("127.0.0.1", "rebinding.example"))
    assert content == b"the one that was checked"
    assert names.asked == ["rebinding.example"]
    assert b"host: rebinding.example" in web.requests[0].lower()


async def test_a_name_that_turns_inside_later_is_refused_then(
    web: Web, make_fetcher: Callable[..., Fetcher]
) -> None:
    url = (await web.say(b"x")).replace("127.0.0.1", "rebinding.example")
    fetcher = make_fetcher(allowed=LOOPBACK, resolve=Names(["127.0.0.1"], ["10.0.0.1"]))
    assert await read(fetcher, url) == b"x"
    with pytest.raises(UrlRefused):
        await read(fetcher, url)


async def test_a_name_that_nobody_knows_is_unreadable(make_fetcher: Callable[..., Fetcher]) -> None:
    with pytest.raises(UrlUnreadable, match="cannot be read"):
        await read(make_fetcher(resolve=Names([])), "http://unknown.example/")


async def test_a_redirect_is_followed(web: Web, local: Fetcher) -> None:
    there = await web.say(b"found")
    here = await web.say(b"", f"Location: {there}/moved", status="302 Found")
    assert await read(local, here) == b"found"


@pytest.mark.parametrize(
    ("location", "error"),
    [
        ("http://10.0.0.1/", UrlRefused),
        ("http://169.254.169.254/latest/", UrlRefused),
        ("file:///etc/passwd", UrlRefused),
        ("ftp://127.0.0.1/", UrlRefused),
        ("http://user:secret@127.0.0.1/", UrlRefused),
        ("http://[", UrlUnreadable),
    ],
)
async def test_a_redirect_is_checked_like_the_first_url(
    web: Web, local: Fetcher, location: str, error: type[AppError]
) -> None:
    here = await web.say(b"", f"Location: {location}", status="302 Found")
    with pytest.raises(error):
        await read(local, here)


async def test_a_redirect_without_end_is_given_up(web: Web, local: Fetcher) -> None:
    here = await web.say(b"", "Location: /again", status="302 Found")
    with pytest.raises(UrlUnreadable, match="redirects more than"):
        await read(local, here)
    assert len(web.requests) == REDIRECTS + 1


@pytest.mark.parametrize("announced", [True, False])
async def test_a_file_over_the_limit_is_refused_with_the_limit(
    web: Web, local: Fetcher, announced: bool
) -> None:
    sent = 0

    async def endless(_: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n")
        writer.write(b"Content-Length: 100000000\r\n\r\n" if announced else b"Connection: close\r\n\r\n")
        for _turn in range(1000):
            writer.write(b"x" * 100_000)
            sent += 100_000
            await writer.drain()

    with pytest.raises(TooLarge, match="100000 bytes"):
        await read(local, await web.serve(endless), max_bytes=100_000)
    assert sent < 50_000_000


async def test_a_slow_drip_is_given_up(web: Web, local: Fetcher) -> None:
    async def drip(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _turn in range(1000):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    with pytest.raises(UrlUnreadable, match="took longer"):
        await read(local, await web.serve(drip), max_seconds=0.1)


async def test_a_compressed_body_is_refused(web: Web, local: Fetcher) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    with pytest.raises(UrlUnreadable, match="compressed"):
        await read(local, await web.say(bomb, "Content-Encoding: gzip"))


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops", "204 No Content", "206 Partial Content"])
async def test_any_answer_but_a_whole_file_is_an_error(web: Web, local: Fetcher, status: str) -> None:
    with pytest.raises(UrlUnreadable, match=status[:3]):
        await read(local, await web.say(b"", status=status))


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100_000,
    ],
)
async def test_a_server_that_talks_nonsense_is_unreadable(web: Web, local: Fetcher, said: bytes) -> None:
    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(said)

    with pytest.raises(UrlUnreadable) as refused:
        await read(local, await web.serve(answer))
    assert "SSH" not in refused.value.message


async def test_a_port_where_nobody_listens_is_unreadable(local: Fetcher, unused_tcp_port: int) -> None:
    with pytest.raises(UrlUnreadable):
        await read(local, f"http://127.0.0.1:{unused_tcp_port}/")


async def test_a_message_is_answered_with_a_status_whatever_it_is(web: Web, local: Fetcher) -> None:
    for status in ("200 OK", "302 Found", "404 Not Found", "503 Busy"):
        url = await web.say(b"", "Location: http://127.0.0.1:1/", "Retry-After: 7", status=status)
        answer = await local.send(Outgoing(url, b"{}", {"x-key": "k"}, "PUT"), max_seconds=5)
        assert answer == Answered(int(status[:3]), "7")
    assert all(head.startswith(b"PUT / HTTP/1.1\r\n") for head in web.requests)
    assert all(b"x-key: k\r\n" in head for head in web.requests)
    assert len(web.requests) == 4


async def test_the_body_of_an_answer_to_a_message_is_not_taken(web: Web, local: Fetcher) -> None:
    sent = 0

    async def endless(_: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for _turn in range(1000):
            writer.write(b"x" * 100_000)
            sent += 100_000
            await writer.drain()

    message = Outgoing(await web.serve(endless), b"{}", {})
    assert (await local.send(message, max_seconds=5)).status == 200
    assert sent < 50_000_000


async def test_a_receiver_that_drips_its_answer_is_given_up(web: Web, local: Fetcher) -> None:
    async def drip(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(1000):
            writer.write(f"x-{number}: y\r\n".encode())
            await writer.drain()
            await asyncio.sleep(0.01)

    with pytest.raises(UrlUnreadable, match=r"no answer within 0\.1 seconds"):
        await local.send(Outgoing(await web.serve(drip), b"{}", {}), max_seconds=0.1)


@pytest.mark.parametrize("url", HOSTILE)
async def test_no_message_goes_inside_or_nowhere(fetcher: Fetcher, url: str) -> None:
    with pytest.raises((UrlRefused, UrlUnreadable)) as refused:
        await fetcher.send(Outgoing(url, b"{}", {}), max_seconds=5)
    assert "127.0.0.1" not in refused.value.message


async def test_further_ports_may_be_allowed(make_fetcher: Callable[..., Fetcher]) -> None:
    inside = Names(["10.0.0.1"])
    fetcher, message = (
        make_fetcher(ports=[8443], resolve=inside),
        Outgoing("https://inn.example:8443/", b"", {}),
    )
    with pytest.raises(UrlRefused, match="not public"):
        await fetcher.send(message, max_seconds=5)
    assert inside.asked == ["inn.example"]
