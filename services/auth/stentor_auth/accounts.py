"""What can be done with an account: register, sign in, read, change, remove.

Passwords are hashed outside of transactions: it takes long, and the database must not wait for it.
"""

import uuid
from datetime import timedelta
from typing import Any

import structlog

from stentor_auth.errors import PasswordTooShort, RegistrationClosed, WrongCredentials, WrongPassword
from stentor_auth.names import email_key, username_key
from stentor_auth.parts import AuthParts
from stentor_auth.repository import UserRepository
from stentor_auth.tables import User
from stentor_auth.tokens import AccessToken, issue
from stentor_common.auth import Caller
from stentor_common.runtime import Runtime
from stentor_common.webhooks.repository import SecretRepository

log = structlog.get_logger()


class Accounts:
    """Names and addresses come in as `names.clean_username` and an email check let them through."""

    def __init__(self, runtime: Runtime, parts: AuthParts) -> None:
        self._runtime = runtime
        self._parts = parts

    async def register(self, caller: Caller, *, username: str, email: str, password: str) -> User:
        """Raises RegistrationClosed, Throttled, PasswordTooShort, UsernameTaken, EmailTaken."""
        if not self._parts.settings.registration:
            raise RegistrationClosed
        await self._runtime.throttle.count_sign_in(caller)
        now = self._runtime.clock.now()
        user = User(
            id=uuid.uuid4(),
            username=username,
            username_key=username_key(username),
            email=email_key(email),
            password_hash=await self._hashed(password),
            created_at=now,
            modified_at=now,
        )
        async with self._runtime.begin() as work:
            await UserRepository(work.session).add(user)
        log.info("user registered", user_id=str(user.id))
        return user

    async def sign_in(self, caller: Caller, name: str, password: str) -> AccessToken:
        """`name` is a user name or an email address. Raises Throttled, WrongCredentials."""
        await self._runtime.throttle.count_sign_in(caller)
        user = await self._called(name)
        checked = await self._parts.passwords.check(password, user.password_hash if user else None)
        if user is None or not checked.right:
            log.warning("sign-in refused", address=caller.address)
            raise WrongCredentials
        if checked.better_hash:
            async with self._runtime.begin() as work:
                await UserRepository(work.session).renew_hash(user, checked.better_hash)
        lifetime = timedelta(seconds=self._parts.settings.access_token_seconds)
        return issue(self._parts.keys.signing, user.id, now=self._runtime.clock.now(), lifetime=lifetime)

    async def read(self, user_id: uuid.UUID) -> User:
        """Raises AccountGone."""
        async with self._runtime.db.reading() as session:
            return await UserRepository(session).get(user_id)

    async def confirm_password(self, caller: Caller, password: str) -> None:
        """Ask for the password again before something grave. Raises Throttled, WrongPassword."""
        await self._runtime.throttle.count_sign_in(caller)
        user = await self.read(caller.need_user())
        if not (await self._parts.passwords.check(password, user.password_hash)).right:
            raise WrongPassword

    async def change(
        self,
        user_id: uuid.UUID,
        *,
        username: str | None = None,
        email: str | None = None,
        password: str | None = None,
    ) -> User:
        """Change what is given. Raises PasswordTooShort, UsernameTaken, EmailTaken, AccountGone."""
        values: dict[str, Any] = {"modified_at": self._runtime.clock.now()}
        if username is not None:
            values |= {"username": username, "username_key": username_key(username)}
        if email is not None:
            values["email"] = email_key(email)
        if password is not None:
            values["password_hash"] = await self._hashed(password)
        async with self._runtime.begin() as work:
            users = UserRepository(work.session)
            user = await users.get(user_id, hold=True)
            await users.change(user, values)
        return user

    async def remove(self, user_id: uuid.UUID) -> None:
        """Remove the user, all API tokens and webhook secrets. Jobs stay until their retention ends."""
        async with self._runtime.begin() as work:
            await UserRepository(work.session).remove(user_id)
            await SecretRepository(work.session).forget(user_id)
        self._parts.recent.forget(user_id)
        log.info("user removed", user_id=str(user_id))

    async def _called(self, name: str) -> User | None:
        if not name.isprintable():
            return None
        async with self._runtime.db.reading() as session:
            users = UserRepository(session)
            if "@" in name:
                return await users.with_email(email_key(name))
            return await users.named(username_key(name))

    async def _hashed(self, password: str) -> str:
        shortest = self._parts.settings.password_min_length
        if len(password) < shortest:
            raise PasswordTooShort(shortest)
        return await self._parts.passwords.hash(password)
