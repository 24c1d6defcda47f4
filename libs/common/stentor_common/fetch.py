"""Requests to URLs that users name, which may be traps: downloads, and messages sent to them.

A name is resolved once; one address that is not public condemns it; the connection goes to the very
address that was checked. Redirects of downloads are followed by hand and checked again, messages follow
none. No proxy, cookie or credential of ours goes along, nothing is decompressed, and both bytes and time
are bounded. What is refused is said, what was found behind the address is not.
"""

import asyncio
import ipaddress
import socket
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Self

import anyio
import httpcore2
import httpx2

from stentor_common.errors import BadInput, TooLarge

# Special-purpose ranges of the IANA registries and cloud metadata addresses. `is_global` alone lets
# multicast, 6to4, NAT64 and site-local addresses through on Python 3.11.
RANGES = """
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24
192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15
198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
::/96 ::ffff:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001:db8::/32 2002::/16
2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8
"""
DENIED = tuple(ipaddress.ip_network(text) for text in RANGES.split())
PORTS = {"http": 80, "https": 443}
REDIRECTS = 4
PIECE = 64 * 1024
INSIDE = "the URL leads to an address that is not public"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[..., Awaitable[Sequence[tuple[Any, ...]]]]


class UrlRefused(BadInput):
    code = "url_refused"


class UrlUnreadable(BadInput):
    code = "url_unreadable"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to somebody's server."""

    url: str
    content: bytes
    headers: Mapping[str, str]
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Answered:
    """What a server says to a message; of its body nothing is read."""

    status: int
    retry_after: str = ""
    """The header of that name: seconds, or a date."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where requests may go: to public addresses on the port of the scheme and on `ports`; and to
    `networks` though they are not public, for example a company's own; with any of these on any port."""

    networks: tuple[Network, ...] = ()
    ports: frozenset[int] = frozenset()

    @classmethod
    def to(cls, networks: Iterable[str], ports: Iterable[int] = ()) -> Self:
        return cls(tuple(map(ipaddress.ip_network, networks)), frozenset(ports))

    def permits(self, address: Address) -> bool:
        return public(address) or _within(address, self.networks)

    def checked(self, url: str) -> httpx2.URL:
        """What can be said of a URL without asking anybody. Raises UrlRefused, and UrlUnreadable for what
        is no URL at all."""
        try:
            target = httpx2.URL(url)
        except (httpx2.InvalidURL, ValueError) as error:
            raise UrlUnreadable("the URL cannot be read; is it right?") from error
        if target.scheme not in PORTS or not target.host:
            raise UrlRefused("the URL must begin with http:// or https:// and name a host")
        if target.userinfo:
            raise UrlRefused("the URL must not hold a user name or password")
        usual = sorted({PORTS[target.scheme], *self.ports})
        if target.port not in [None, *usual] and not self.networks:
            raise UrlRefused(f"the URL must use port {' or '.join(map(str, usual))}")
        address = _address(target.host)
        if address and not self.permits(address):
            raise UrlRefused(INSIDE)
        return target


class Fetcher:
    """Requests within a reach, see there for `allowed` and `ports`. `resolve` is the system's resolver
    unless a test brings its own."""

    def __init__(
        self,
        *,
        allowed: Iterable[str] = (),
        ports: Iterable[int] = (),
        resolve: Resolve = anyio.getaddrinfo,
    ) -> None:
        self._reach = Reach.to(allowed, ports)
        tls = httpx2.create_ssl_context(trust_env=False)
        transport = httpx2.AsyncHTTPTransport(verify=tls, trust_env=False, retries=0)
        # The library has no public way to give a transport its own network backend.
        transport._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls,
            network_backend=_CheckedBackend(self._reach, resolve),
            max_connections=20,
            http1=True,
        )
        self._http = httpx2.AsyncClient(
            transport=transport,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx2.Timeout(30, connect=5),
            headers={"accept-encoding": "identity", "user-agent": "stentor"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def download(self, url: str, *, max_bytes: int, max_seconds: float) -> AsyncGenerator[bytes, None]:
        """The body behind a URL, in pieces. Raises UrlRefused, UrlUnreadable, TooLarge."""
        size = 0
        try:
            async with asyncio.timeout(max_seconds), self._opened(url) as answer:
                if int(answer.headers.get("content-length") or 0) > max_bytes:
                    raise _too_large(max_bytes)
                async for piece in answer.aiter_raw(PIECE):
                    size += len(piece)
                    if size > max_bytes:
                        raise _too_large(max_bytes)
                    yield piece
        except TimeoutError:
            raise UrlUnreadable(f"the URL took longer than {max_seconds:.0f} seconds") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            raise UrlUnreadable("the URL cannot be read; is it right, and public?") from error

    async def send(self, message: Outgoing, *, max_seconds: float) -> Answered:
        """Deliver a message; whatever status it is answered with. Raises UrlRefused, UrlUnreadable."""
        target = self._reach.checked(message.url)
        sending = self._http.stream(
            message.method, target, content=message.content, headers=dict(message.headers)
        )
        try:
            async with asyncio.timeout(max_seconds), sending as answer:
                return Answered(answer.status_code, answer.headers.get("retry-after", ""))
        except TimeoutError:
            raise UrlUnreadable(f"there was no answer within {max_seconds:g} seconds") from None
        except (httpx2.HTTPError, ValueError) as error:
            raise UrlUnreadable("the server cannot be reached, or does not answer as a web server") from error

    @asynccontextmanager
    async def _opened(self, url: str) -> AsyncIterator[httpx2.Response]:
        for _ in range(REDIRECTS + 1):
            target = self._reach.checked(url)
            async with self._http.stream("GET", target) as answer:
                if answer.has_redirect_location:
                    url = str(target.join(answer.headers["location"]))
                    continue
                if answer.status_code != httpx2.codes.OK:
                    raise UrlUnreadable(f"the URL answers with status {answer.status_code}")
                if answer.headers.get("content-encoding", "identity") != "identity":
                    raise UrlUnreadable("the URL answers with a compressed body that was not asked for")
                yield answer
                return
        raise UrlUnreadable(f"the URL redirects more than {REDIRECTS} times")


def public(address: Address) -> bool:
    """Whether an address belongs to the internet at large."""
    return address.is_global and not _within(address, DENIED)


def _address(host: str) -> Address | None:
    """The address that a URL names in place of a name, in its usual spelling."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks if network.version == address.version)


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"the file behind the URL is larger than {max_bytes} bytes, the limit here")


class _CheckedBackend(httpcore2.AsyncNetworkBackend):
    """Connects only to addresses that were checked, and to exactly those."""

    def __init__(self, reach: Reach, resolve: Resolve) -> None:
        self._inner = httpcore2.AnyIOBackend()
        self._reach = reach
        self._resolve = resolve

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            found = await self._resolve(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error
        addresses = [ipaddress.ip_address(str(info[4][0]).partition("%")[0]) for info in found]
        if not all(map(self._reach.permits, addresses)):
            raise UrlRefused(INSIDE)
        if not addresses:
            raise httpcore2.ConnectError("no address")
        return await self._inner.connect_tcp(str(addresses[0]), port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)
