"""What routes ask for: the runtime, the caller, settings, links; as FastAPI dependencies.

All of them serve requests and WebSockets alike.
"""

import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Annotated, TypeVar

from fastapi import Depends
from pydantic_settings import BaseSettings
from starlette.requests import HTTPConnection

from stentor_common.auth import Authenticator, Caller, Scope, credential_in
from stentor_common.errors import Forbidden, Unauthenticated
from stentor_common.runtime import Runtime

R = TypeVar("R")
S = TypeVar("S", bound=BaseSettings)


async def get_runtime(connection: HTTPConnection) -> Runtime:
    runtime: Runtime = connection.app.state.runtime
    return runtime


RuntimeDep = Annotated[Runtime, Depends(get_runtime)]


async def get_visitor(connection: HTTPConnection) -> Caller:
    """Whoever it is; a credential that is sent must be good all the same."""
    credential = credential_in(connection.headers)
    if credential is None and connection.scope["type"] == "websocket":
        # A web page cannot set headers of a WebSocket.
        credential = connection.query_params.get("token")
    return await identified(connection, credential) if credential else known_by_address(connection)


async def identified(connection: HTTPConnection, credential: str) -> Caller:
    """The owner of a credential, for contracts that send it elsewhere than in a header.

    Raises Unauthenticated, Unavailable.
    """
    authenticator: Authenticator = connection.app.state.authenticator
    identity = await authenticator.identify(credential)
    return Caller(_address(connection), identity.user_id, identity.token_id, identity.scopes)


def known_by_address(connection: HTTPConnection) -> Caller:
    return Caller(_address(connection))


VisitorDep = Annotated[Caller, Depends(get_visitor)]


async def get_stranger(connection: HTTPConnection) -> Caller:
    """Known by the address only, whatever credential is sent: for signing in, where one that has expired
    must not stand in the way."""
    return known_by_address(connection)


StrangerDep = Annotated[Caller, Depends(get_stranger)]


async def get_caller(caller: VisitorDep, runtime: RuntimeDep) -> Caller:
    if caller.user_id is None and not runtime.settings.anonymous_access:
        raise Unauthenticated("this installation needs a token: send `Authorization: Bearer <token>`")
    return caller


async def get_reader(caller: Annotated[Caller, Depends(get_caller)]) -> Caller:
    caller.need(Scope.jobs_read)
    return caller


async def get_writer(caller: Annotated[Caller, Depends(get_caller)]) -> Caller:
    caller.need(Scope.jobs_write)
    return caller


ReaderDep = Annotated[Caller, Depends(get_reader)]
"""Somebody who may see jobs: with a token that says so, or without any where that is allowed."""
WriterDep = Annotated[Caller, Depends(get_writer)]
"""Somebody who may make and change jobs."""


async def need_operator(connection: HTTPConnection, runtime: RuntimeDep) -> None:
    """Lets only those pass who send STENTOR_ADMIN_TOKEN. Raises Forbidden, Unauthenticated."""
    token = runtime.settings.admin_token.get_secret_value()
    if not token:
        raise Forbidden("this is for the operator, who sets STENTOR_ADMIN_TOKEN and sends that token here")
    sent = credential_in(connection.headers)
    if sent is None:
        raise Unauthenticated("this is for the operator: send `Authorization: Bearer <STENTOR_ADMIN_TOKEN>`")
    if not hmac.compare_digest(sent.encode(), token.encode()):
        raise Forbidden("this is for the operator, and the token is not STENTOR_ADMIN_TOKEN")


def settings_of(kind: type[S]) -> Callable[[HTTPConnection], Awaitable[S]]:
    """A dependency that gives a service's own settings."""

    async def get(connection: HTTPConnection) -> S:
        found: S = connection.app.state.settings[kind]
        return found

    return get


def resource_of(kind: type[R]) -> Callable[[HTTPConnection], Awaitable[R]]:
    """A dependency that gives what a service keeps for its routes."""

    async def get(connection: HTTPConnection) -> R:
        found: R = connection.app.state.resources[kind]
        return found

    return get


def public_base(connection: HTTPConnection) -> str:
    """How the client reaches us, without a slash at the end: answers hold absolute links."""
    runtime: Runtime = connection.app.state.runtime
    return (runtime.settings.public_url or str(connection.base_url)).rstrip("/")


def _address(connection: HTTPConnection) -> str:
    """The client's address; of IPv6 the network, because one household has all of its addresses."""
    client = connection.scope.get("client")
    return _network(client[0] if client else "unknown")


@lru_cache(maxsize=10_000)
def _network(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 6:
        return str(ipaddress.ip_network(f"{address}/64", strict=False))
    return str(address)
