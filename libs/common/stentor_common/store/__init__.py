"""The store port: uploads, large results, later model archives. Objects are written once, under a key."""

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from stentor_common.adapters import Adapter
from stentor_common.errors import Unavailable


class ObjectMissing(Exception):
    """No object has this key."""


class StoreUnavailable(Unavailable):
    """The object store does not answer."""


class Store(Protocol):
    """Keys are our own words joined by `/`; never text from outside."""

    async def save(self, key: str, chunks: AsyncIterable[bytes]) -> int:
        """Write an object as its bytes come; returns how many there were.

        All or nothing: if `chunks` raises, the error passes through and no object is left.
        """

    def read(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The object's bytes, in pieces; of those from `start` until before `stop` as many as there are.
        Raises ObjectMissing."""

    def fetch(self, key: str) -> AbstractAsyncContextManager[Path]:
        """The object as a file on this machine while the block lasts. Raises ObjectMissing."""

    async def delete(self, key: str) -> None:
        """Remove an object; it is no error if there is none."""

    async def ping(self) -> None:
        """Raises StoreUnavailable when objects could not be written now."""


STORES = {
    "file": Adapter("stentor_common.store.local:LocalStore"),
    "s3+http": Adapter("stentor_common.store.s3:S3Store", extra="cluster"),
    "s3+https": Adapter("stentor_common.store.s3:S3Store", extra="cluster"),
}
"""By the scheme of the store's URL."""
