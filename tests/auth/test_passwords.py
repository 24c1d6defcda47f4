"""Hashing and checking passwords."""

import time

from stentor_auth.passwords import Passwords


async def test_a_password_fits_its_own_hash_only() -> None:
    passwords = Passwords(memory_kib=8, passes=1, lanes=1)
    stored = await passwords.hash("a long password")

    assert stored != await passwords.hash("a long password")
    assert (await passwords.check("a long password", stored)).right
    assert not (await passwords.check("a long passwore", stored)).right
    assert not (await passwords.check("a long password", None)).right


async def test_an_unknown_user_takes_as_long_as_a_wrong_password() -> None:
    passwords = Passwords(memory_kib=8 * 1024, passes=2, lanes=1)
    stored = await passwords.hash("a long password")

    async def fastest(stored: str | None) -> float:
        took = []
        for _ in range(5):
            started = time.perf_counter()
            await passwords.check("a guess", stored)
            took.append(time.perf_counter() - started)
        return min(took)

    known, unknown = await fastest(stored), await fastest(None)

    assert 0.5 < unknown / known < 2
