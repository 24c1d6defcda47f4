"""What routes and authenticator of one process share."""

from dataclasses import dataclass

from stentor_auth.keys import Keys
from stentor_auth.passwords import Passwords
from stentor_auth.recent import Recent
from stentor_auth.settings import AuthSettings


@dataclass(frozen=True, slots=True)
class AuthParts:
    settings: AuthSettings
    keys: Keys
    passwords: Passwords
    recent: Recent
