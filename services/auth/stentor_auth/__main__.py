"""`python -m stentor_auth api`: the auth service as a process of its own."""

from functools import cache

from stentor_auth.parts import AuthParts
from stentor_auth.service import build_authenticator, build_service, open_parts
from stentor_auth.settings import AuthSettings
from stentor_common.process import main
from stentor_common.settings import Settings


@cache
def parts() -> AuthParts:
    """Opened where errors of a start are told in one line, and once for routes and authenticator."""
    return open_parts(AuthSettings(), Settings())


if __name__ == "__main__":
    main(lambda: build_service(parts()), lambda runtime: build_authenticator(runtime, parts()))
