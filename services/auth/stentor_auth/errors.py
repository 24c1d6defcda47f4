"""What can be wrong with an account, a sign-in or a token.

BadInput
├── PasswordTooShort        400  shorter than this installation asks for
└── WrongPassword           400  the current password, asked again, is another one
Unauthenticated
├── WrongCredentials        401  no such user, or not the password; nobody learns which
├── AccountGone             401  the user was removed after signing in
├── UnknownApiToken         401  no such API token
├── ApiTokenExpired         401
└── ApiTokenRevoked         401
Forbidden
├── RegistrationClosed      403  this installation takes no new users
└── ScopeTooWide            403  a token asked for another with more scopes than its own
NotFound
└── ApiTokenNotFound        404  no such API token of this user
Conflict
├── UsernameTaken           409
└── EmailTaken              409
AppError
└── SigningKeyUnusable           the service cannot start: the key is missing, or is none
"""

from collections.abc import Collection
from datetime import datetime

from stentor_common.auth import Scope
from stentor_common.errors import AppError, BadInput, Conflict, Forbidden, NotFound, Unauthenticated


class PasswordTooShort(BadInput):
    code = "password_too_short"

    def __init__(self, shortest: int) -> None:
        super().__init__(f"password: use at least {shortest} characters", param="password")


class RegistrationClosed(Forbidden):
    code = "registration_closed"

    def __init__(self) -> None:
        super().__init__("this installation takes no new users; ask its operator for an account")


class WrongPassword(BadInput):
    code = "wrong_password"

    def __init__(self) -> None:
        super().__init__("current_password: that is not your password", param="current_password")


class WrongCredentials(Unauthenticated):
    def __init__(self) -> None:
        super().__init__("the user name or the password is wrong")


class AccountGone(Unauthenticated):
    code = "account_gone"

    def __init__(self) -> None:
        super().__init__("the account of this token was removed; register a new one at POST /v1/users")


class UnknownApiToken(Unauthenticated):
    def __init__(self) -> None:
        super().__init__("the API token is not known here; make one at POST /v1/tokens")


class ApiTokenExpired(Unauthenticated):
    code = "token_expired"

    def __init__(self, when: datetime) -> None:
        super().__init__(f"the API token expired at {when:%Y-%m-%dT%H:%M:%SZ}; make one at POST /v1/tokens")


class ApiTokenRevoked(Unauthenticated):
    code = "token_revoked"

    def __init__(self) -> None:
        super().__init__("the API token was revoked; make one at POST /v1/tokens")


class ScopeTooWide(Forbidden):
    code = "scope_too_wide"

    def __init__(self, excess: Collection[Scope]) -> None:
        names = ", ".join(sorted(excess))
        super().__init__(
            f"this API token cannot give scopes it does not have itself: {names}", param="scopes"
        )


class ApiTokenNotFound(NotFound):
    code = "token_not_found"


class UsernameTaken(Conflict):
    code = "username_taken"

    def __init__(self) -> None:
        super().__init__("username: somebody else has this name, choose another", param="username")


class EmailTaken(Conflict):
    code = "email_taken"

    def __init__(self) -> None:
        super().__init__("email: there is an account with this address already", param="email")


class SigningKeyUnusable(AppError):
    code = "signing_key_unusable"
