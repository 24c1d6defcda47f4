"""Accounts by the contract of the DeepSpeech REST API, at both generations of its paths.

Ids are opaque texts here, where the original had numbers, and a list of users holds oneself alone. Access
tokens are the ones that POST /v1/token gives.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from stentor_auth.api import SECRET, AccountsDep
from stentor_auth.contracts.deepspeech_words import (
    RULES,
    MissingCredentials,
    NotJson,
    checked,
    render_error,
)
from stentor_auth.schemas import UserView
from stentor_auth.tables import User
from stentor_common.auth import Caller, Scope
from stentor_common.errors import BadInput, Unauthenticated
from stentor_common.forms import content_kind, read_fields
from stentor_common.requests import StrangerDep, VisitorDep

ERROR_STYLES = dict.fromkeys(("/users", "/token", "/api/v1"), render_error)
NO_TOKEN = "Authorization header not present."  # noqa: S105  what is said when there is none

router = APIRouter(tags=["DeepSpeech"])

HELLO = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Stentor</title></head>
<body>
<h1>Speech to text</h1>
<p>POST a recording to <code>/api/v1/stt/http</code>, or send it on the WebSocket <code>/api/v1/stt/ws</code>;
stream a microphone on <code>/api/v1/stt/mic</code>. The <a href="/docs">reference</a> has all of it.</p>
</body>
</html>
"""


async def read_json(request: Request) -> dict[str, Any]:
    if content_kind(request) != "application/json":
        raise NotJson
    try:
        return dict(await read_fields(request))
    except BadInput:
        raise NotJson from None


async def get_owner(caller: VisitorDep) -> Caller:
    if caller.user_id is None:
        raise Unauthenticated(NO_TOKEN)
    caller.need(Scope.account)
    return caller


OwnerDep = Annotated[Caller, Depends(get_owner)]
JsonDep = Annotated[dict[str, Any], Depends(read_json)]


async def get_own_id(user_id: str, caller: OwnerDep) -> Caller:
    """Whoever asks for the account, which must be the own one."""
    if user_id != str(caller.user_id):
        raise Unauthenticated("Unauthorized access.")
    return caller


OwnDep = Annotated[Caller, Depends(get_own_id)]


def _view(user: User) -> dict[str, Any]:
    return UserView.model_validate(user).model_dump(mode="json")


def _body(*required: str) -> dict[str, Any]:
    """The body for the OpenAPI document: read by hand, for the contract's own words about it."""
    fields = {
        name: {"type": "string", "minLength": rules.get("minlength", 0), "maxLength": rules["maxlength"]}
        for name, rules in RULES.items()
    }
    schema = {"type": "object", "properties": fields, "required": list(required)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.get("/api/v1", response_class=HTMLResponse)
async def say_hello() -> str:
    """A page that says what is here."""
    return HELLO


@router.post("/users", openapi_extra=_body(*RULES))
@router.post("/api/v1/users", include_in_schema=False)
@router.post("/api/v1/users/register", include_in_schema=False)
async def register(body: JsonDep, accounts: AccountsDep, caller: StrangerDep) -> dict[str, Any]:
    """Make an account."""
    user = await accounts.register(caller, **checked(body, required=RULES))
    return {**_view(user), "message": f"User {user.username} is successfully created."}


@router.get("/users")
@router.get("/api/v1/users", include_in_schema=False)
async def list_users(accounts: AccountsDep, caller: OwnerDep) -> list[dict[str, Any]]:
    """The accounts you may see: your own."""
    return [_view(await accounts.read(caller.need_user()))]


@router.get("/users/{user_id}")
@router.get("/api/v1/users/{user_id}", include_in_schema=False)
async def read_user(accounts: AccountsDep, caller: OwnDep) -> dict[str, Any]:
    """Your account."""
    return _view(await accounts.read(caller.need_user()))


@router.put("/users/{user_id}", openapi_extra=_body())
@router.put("/api/v1/users/{user_id}", include_in_schema=False)
async def change_user(body: JsonDep, accounts: AccountsDep, caller: OwnDep) -> dict[str, str]:
    """Change what is sent of your name, address and password."""
    await accounts.change(caller.need_user(), **checked(body, required=()))
    return {"message": "User successfully updated."}


@router.delete("/users/{user_id}")
@router.delete("/api/v1/users/{user_id}", include_in_schema=False)
async def remove_user(accounts: AccountsDep, caller: OwnDep) -> dict[str, str]:
    """Remove your account with all its tokens."""
    await accounts.remove(caller.need_user())
    return {"message": "User successfully removed."}


@router.post("/token", dependencies=SECRET, openapi_extra=_body("username", "password"))
@router.post("/api/v1/token", dependencies=SECRET, include_in_schema=False)
async def sign_in(body: JsonDep, accounts: AccountsDep, caller: StrangerDep) -> dict[str, str]:
    """Get an access token for a user name, or an email address, and the password."""
    name, password = body.get("username"), body.get("password")
    if not isinstance(name, str) or not isinstance(password, str) or not (name and password):
        raise MissingCredentials
    return {"access_token": (await accounts.sign_in(caller, name, password)).text}


@router.get("/token/verify")
@router.get("/api/v1/token/verify", include_in_schema=False)
async def verify_token(caller: VisitorDep) -> dict[str, bool]:
    """Whether the token that comes with the request is good; 401 when it is not."""
    if caller.user_id is None:
        raise Unauthenticated(NO_TOKEN)
    return {"valid": True}


@router.get("/token/me")
@router.get("/api/v1/token/me", include_in_schema=False)
async def read_owner(accounts: AccountsDep, caller: OwnerDep) -> dict[str, Any]:
    """Whose token it is."""
    return {"me": _view(await accounts.read(caller.need_user()))}
