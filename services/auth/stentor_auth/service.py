"""Puts the auth service together."""

from stentor_auth.api import build_router
from stentor_auth.api_tokens import forget_ended
from stentor_auth.authenticator import LocalAuthenticator
from stentor_auth.contracts import deepspeech
from stentor_auth.keys import Keys, load_keys
from stentor_auth.parts import AuthParts
from stentor_auth.passwords import Passwords
from stentor_auth.recent import Recent
from stentor_auth.settings import AuthSettings
from stentor_common.runtime import Runtime
from stentor_common.service import Service
from stentor_common.settings import Settings
from stentor_common.sweep import Sweep


def open_parts(settings: AuthSettings, platform: Settings) -> AuthParts:
    """Raises SigningKeyUnusable. At the first start of the embedded form this makes the signing key."""
    return parts_with(settings, load_keys(settings, platform))


def parts_with(settings: AuthSettings, keys: Keys) -> AuthParts:
    passwords = Passwords(
        memory_kib=settings.password_memory_kib,
        passes=settings.password_passes,
        lanes=settings.password_lanes,
    )
    return AuthParts(settings, keys, passwords, Recent())


def build_service(parts: AuthParts) -> Service:
    return Service(
        name="auth",
        routers=[build_router(parts, deepspeech.router)],
        error_styles=deepspeech.ERROR_STYLES,
        sweeps=[Sweep("auth-tokens", 3600, forget_ended)],
    )


def build_authenticator(runtime: Runtime, parts: AuthParts) -> LocalAuthenticator:
    """For the process that has the service. With the same parts, so that what is revoked is refused at
    once."""
    return LocalAuthenticator(runtime, parts)
