"""What routes ask for: the runtime, the caller, settings, links; as FastAPI dependencies."""

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import Depends, Request
from pydantic_settings import BaseSettings

from stentor_common.auth import Authenticator, Caller, Scope, credential_in
from stentor_common.errors import Unauthenticated
from stentor_common.runtime import Runtime

S = TypeVar("S", bound=BaseSettings)


async def get_runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


RuntimeDep = Annotated[Runtime, Depends(get_runtime)]


async def get_visitor(request: Request) -> Caller:
    """Whoever it is; a credential that is sent must be good all the same."""
    address = _address(request)
    credential = credential_in(request.headers)
    if credential is None:
        return Caller(address)
    authenticator: Authenticator = request.app.state.authenticator
    identity = await authenticator.identify(credential)
    return Caller(address, identity.user_id, identity.token_id, identity.scopes)


VisitorDep = Annotated[Caller, Depends(get_visitor)]


async def get_stranger(request: Request) -> Caller:
    """Known by the address only, whatever credential is sent: for signing in, where one that has expired
    must not stand in the way."""
    return Caller(_address(request))


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


def settings_of(kind: type[S]) -> Callable[[Request], Awaitable[S]]:
    """A dependency that gives a service's own settings."""

    async def get(request: Request) -> S:
        found: S = request.app.state.settings[kind]
        return found

    return get


def public_base(request: Request) -> str:
    """How the client reaches us, without a slash at the end: answers hold absolute links."""
    runtime: Runtime = request.app.state.runtime
    return (runtime.settings.public_url or str(request.base_url)).rstrip("/")


def _address(request: Request) -> str:
    """The client's address; of IPv6 the network, because one household has all of its addresses."""
    host = request.client.host if request.client else "unknown"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 6:
        return str(ipaddress.ip_network(f"{address}/64", strict=False))
    return str(address)
