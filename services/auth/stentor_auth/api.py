"""Routes for users, sign-in and tokens."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from stentor_auth.accounts import Accounts
from stentor_auth.api_tokens import ApiTokens
from stentor_auth.parts import AuthParts
from stentor_auth.schemas import (
    AccessTokenView,
    KeySet,
    KeyView,
    NewToken,
    NewUser,
    SignIn,
    TokenInUse,
    TokenList,
    TokenMade,
    TokenView,
    UserChange,
    UserView,
)
from stentor_auth.tables import ApiToken, User
from stentor_common.auth import Caller, Scope
from stentor_common.forms import checked, read_fields
from stentor_common.requests import RuntimeDep, StrangerDep, VisitorDep

router = APIRouter(tags=["auth"])

SIGN_IN_BODY = {
    "required": True,
    "content": {
        kind: {"schema": SignIn.model_json_schema()}
        for kind in ("application/json", "application/x-www-form-urlencoded")
    },
}


def build_router(parts: AuthParts, *contracts: APIRouter) -> APIRouter:
    """The routes, here and of other contracts, with what they work on."""

    def bring(request: Request) -> None:
        request.state.auth_parts = parts

    outer = APIRouter(dependencies=[Depends(bring)])
    for each in (router, *contracts):
        outer.include_router(each)
    return outer


async def get_parts(request: Request) -> AuthParts:
    parts: AuthParts = request.state.auth_parts
    return parts


PartsDep = Annotated[AuthParts, Depends(get_parts)]


async def get_accounts(runtime: RuntimeDep, parts: PartsDep) -> Accounts:
    return Accounts(runtime, parts)


async def get_api_tokens(runtime: RuntimeDep, parts: PartsDep) -> ApiTokens:
    return ApiTokens(runtime, parts)


async def get_owner(caller: VisitorDep) -> Caller:
    """Somebody with an account, and with the right to see and change it."""
    caller.need_user()
    caller.need(Scope.account)
    return caller


async def read_sign_in(request: Request) -> SignIn:
    """The body in either of its forms."""
    return checked(SignIn, await read_fields(request))


async def keep_out_of_caches(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"


AccountsDep = Annotated[Accounts, Depends(get_accounts)]
ApiTokensDep = Annotated[ApiTokens, Depends(get_api_tokens)]
OwnerDep = Annotated[Caller, Depends(get_owner)]
SignInDep = Annotated[SignIn, Depends(read_sign_in)]
SECRET = [Depends(keep_out_of_caches)]


@router.post("/v1/users", status_code=201, response_model=UserView)
async def register(body: NewUser, accounts: AccountsDep, caller: StrangerDep) -> User:
    """Make an account. 409 says whether the name or the address is taken."""
    return await accounts.register(
        caller, username=body.username, email=body.email, password=body.password.get_secret_value()
    )


@router.get("/v1/users/me", response_model=UserView)
async def read_account(accounts: AccountsDep, caller: OwnerDep) -> User:
    """Your account."""
    return await accounts.read(caller.need_user())


@router.patch("/v1/users/me", response_model=UserView)
async def change_account(body: UserChange, accounts: AccountsDep, caller: OwnerDep) -> User:
    """Change your name, address or password; a new password needs the one until now."""
    password = body.password.get_secret_value() if body.password else None
    if body.current_password:
        await accounts.confirm_password(caller, body.current_password.get_secret_value())
    return await accounts.change(
        caller.need_user(), username=body.username, email=body.email, password=password
    )


@router.delete("/v1/users/me", status_code=204, response_class=Response)
async def remove_account(accounts: AccountsDep, caller: OwnerDep) -> None:
    """Remove your account with all its tokens. Jobs are deleted when their retention ends."""
    await accounts.remove(caller.need_user())


@router.post("/v1/token", dependencies=SECRET, openapi_extra={"requestBody": SIGN_IN_BODY})
async def sign_in(body: SignInDep, accounts: AccountsDep, caller: StrangerDep) -> AccessTokenView:
    """Sign in with a user name, or an email address, and the password; as JSON or as a form."""
    token = await accounts.sign_in(caller, body.name, body.password.get_secret_value())
    return AccessTokenView(
        access_token=token.text,
        token_type="bearer",  # noqa: S106  a word of OAuth, no password
        expires_in=int(token.lifetime.total_seconds()),
    )


@router.post("/v1/tokens", status_code=201, dependencies=SECRET)
async def make_token(body: NewToken, api_tokens: ApiTokensDep, caller: OwnerDep) -> TokenMade:
    """Make an API token. Keep it: it is shown this once."""
    lifetime = timedelta(seconds=body.expires_in) if body.expires_in else None
    token, text = await api_tokens.make(caller, name=body.name, scopes=body.scopes, lifetime=lifetime)
    return TokenMade(
        id=token.id,
        name=token.name,
        token=text,
        scopes=[Scope(scope) for scope in token.scopes],
        created_at=token.created_at,
        expires_at=token.expires_at,
    )


@router.get("/v1/tokens")
async def list_tokens(api_tokens: ApiTokensDep, caller: OwnerDep) -> TokenList:
    """Your API tokens, newest first, without those you revoked."""
    found = await api_tokens.listed(caller.need_user())
    return TokenList(object="list", data=[TokenView.model_validate(token) for token in found])


@router.get("/v1/tokens/self", response_model=TokenInUse)
async def read_token_in_use(api_tokens: ApiTokensDep, caller: VisitorDep) -> ApiToken:
    """The API token this request came with; any scope will do."""
    return await api_tokens.in_use(caller)


@router.delete("/v1/tokens/{token_id}", status_code=204, response_class=Response)
async def revoke_token(token_id: str, api_tokens: ApiTokensDep, caller: OwnerDep) -> None:
    """Revoke an API token: the next request with it is refused."""
    await api_tokens.revoke(caller.need_user(), token_id)


@router.get("/.well-known/jwks.json")
async def list_keys(response: Response, parts: PartsDep) -> KeySet:
    """The public keys that verify access tokens."""
    response.headers["Cache-Control"] = "public, max-age=300"
    return KeySet(keys=[KeyView.model_validate(key) for key in parts.keys.public.values()])
