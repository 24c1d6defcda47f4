"""Hashing and checking passwords: slow and hungry on purpose, so in threads and only a few at a time."""

import asyncio
from base64 import b64encode
from dataclasses import dataclass
from secrets import token_bytes

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

AT_A_TIME = 2
"""Each takes tens of megabytes: a rush of sign-ins must queue, not exhaust the memory."""


@dataclass(frozen=True, slots=True)
class Checked:
    right: bool
    better_hash: str | None
    """To be stored instead, when the hash was made with other parameters than today's."""


class Passwords:
    def __init__(self, *, memory_kib: int, passes: int, lanes: int) -> None:
        self._hasher = PasswordHash((Argon2Hasher(passes, memory_kib, lanes),))
        self._room = asyncio.Semaphore(AT_A_TIME)
        salt, digest = (b64encode(token_bytes(size)).decode().rstrip("=") for size in (16, 32))
        # Costs as much to check as a real one, and no password is known to fit.
        self._nobody = f"$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${digest}"

    async def hash(self, password: str) -> str:
        async with self._room:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def check(self, password: str, stored: str | None) -> Checked:
        """Whether the password fits. Without a stored hash it does not, and that takes as long to say."""
        async with self._room:
            right, better = await asyncio.to_thread(
                self._hasher.verify_and_update, password, stored or self._nobody
            )
        return Checked(right, better)
