"""Packages as they are on this machine: opened once, kept in the store, brought here when they are needed."""

import asyncio
import os
import shutil
import tarfile
import uuid
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

from stentor_common.errors import NotFound
from stentor_common.store import ObjectMissing, Store
from stentor_deploy.delivery import bring, package_key, publish
from stentor_deploy.repository import id_in


class PackageFiles:
    """A folder with one folder for each revision. What is in it can be brought again from the store."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turns: defaultdict[uuid.UUID, asyncio.Lock] = defaultdict(asyncio.Lock)

    def of(self, revision_id: uuid.UUID) -> Path:
        return self._folder / str(revision_id)

    def new(self) -> Path:
        """A folder to work in, beside the others; it is not there yet."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / f".{uuid.uuid4()}"

    async def keep(self, store: Store, revision_id: uuid.UUID, opened: Path) -> int:
        """Take an opened package, and put it into the store; returns how many bytes its files have."""
        async with self._turns[revision_id]:
            size = await asyncio.to_thread(self._settle, opened, self.of(revision_id))
            await publish(store, package_key(str(revision_id)), self.of(revision_id))
        return size

    async def here(self, store: Store, revision_id: uuid.UUID) -> Path:
        """The package's folder on this machine. Raises NotFound when it was deleted."""
        folder = self.of(revision_id)
        async with self._turns[revision_id]:
            if folder.is_dir():
                return folder
            coming = self.new()
            try:
                await bring(store, package_key(str(revision_id)), coming)
                await asyncio.to_thread(self._settle, coming, folder)
            except (ObjectMissing, tarfile.TarError) as error:
                raise NotFound("the files of this revision are gone; deploy it again") from error
            finally:
                await asyncio.to_thread(shutil.rmtree, coming, ignore_errors=True)
        return folder

    async def forget(self, store: Store, revision_id: uuid.UUID) -> None:
        await store.delete(package_key(str(revision_id)))
        self._turns.pop(revision_id, None)
        await asyncio.to_thread(shutil.rmtree, self.of(revision_id), ignore_errors=True)

    async def known(self) -> set[uuid.UUID]:
        """Revisions whose package is on this machine."""
        return await asyncio.to_thread(self._revisions)

    async def remove(self, revision_ids: Collection[uuid.UUID]) -> None:
        """From this machine."""
        for revision_id in revision_ids:
            await asyncio.to_thread(shutil.rmtree, self.of(revision_id), ignore_errors=True)

    def _revisions(self) -> set[uuid.UUID]:
        if not self._folder.is_dir():
            return set()
        return {found for path in self._folder.iterdir() if (found := id_in(path.name))}

    @staticmethod
    def _settle(coming: Path, folder: Path) -> int:
        """Move it into its place. Another process may have been faster: what is there is the same."""
        size = sum(path.stat().st_size for path in coming.rglob("*") if path.is_file())
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.rename(coming, folder)  # noqa: PTH104  fails where a folder with files is, as it must
        except OSError:
            if not folder.is_dir():
                raise
        return size
