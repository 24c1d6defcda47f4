"""Where the text of a job is, and how it comes here."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from stentor_common.fetch import Fetcher
from stentor_common.runtime import Runtime
from stentor_common.store import ObjectMissing
from stentor_common.uploads import store_key
from stentor_summarize.documents.wire import Bounds, Extracted
from stentor_summarize.errors import DocumentTooLong, InputGone
from stentor_summarize.extraction import Extractor
from stentor_summarize.settings import SummarizeSettings


class SourceKind(StrEnum):
    """How a text came."""

    text = "text"
    document = "document"
    url = "url"
    transcript = "transcript"


PLAIN = frozenset({SourceKind.text, SourceKind.transcript})
"""Kept as the text itself; others are files that have to be understood first."""


@dataclass(frozen=True, slots=True)
class Source:
    kind: SourceKind
    upload_id: str | None = None
    url: str | None = None
    name: str = ""
    """What its owner calls it: the name of a file, the id of a transcription."""
    came_with_job: bool = False
    """It was sent in the same request, so it goes when the job is over."""


class SourceReader:
    """Brings texts here, of whatever source."""

    def __init__(self, settings: SummarizeSettings) -> None:
        self._settings = settings
        self._fetcher = Fetcher(allowed=settings.fetch_allowed)
        self._extractor = Extractor(
            Bounds(
                pages=settings.max_pages,
                characters=settings.max_characters,
                memory_mib=settings.document_memory_mib,
                seconds=settings.document_seconds,
            )
        )

    async def read(self, runtime: Runtime, source: Source) -> tuple[str, Extracted | None]:
        """The text, and what else is known of it where it was a document.

        Raises InputGone, UrlRefused, UrlUnreadable, TooLarge, DocumentUnreadable, ReaderMissing, ReaderLost.
        """
        async with self._file(runtime, source) as path:
            if source.kind in PLAIN:
                return await asyncio.to_thread(path.read_text, "utf-8"), None
            if path.stat().st_size > self._settings.max_document_bytes:
                raise DocumentTooLong(f"{self._settings.max_document_bytes} bytes")
            found = await self._extractor.text(path, source.name)
            return found.text, found

    async def close(self) -> None:
        await self._fetcher.close()

    @asynccontextmanager
    async def _file(self, runtime: Runtime, source: Source) -> AsyncIterator[Path]:
        if source.upload_id is None:
            async with self._downloaded(source.url or "") as path:
                yield path
            return
        try:
            async with runtime.store.fetch(store_key(source.upload_id)) as path:
                yield path
        except ObjectMissing as error:
            raise InputGone from error

    @asynccontextmanager
    async def _downloaded(self, url: str) -> AsyncIterator[Path]:
        settings = self._settings
        pieces = self._fetcher.download(
            url, max_bytes=settings.max_document_bytes, max_seconds=settings.fetch_seconds
        )
        with tempfile.NamedTemporaryFile(prefix="stentor-") as file:
            async with aclosing(pieces):
                async for piece in pieces:
                    await asyncio.to_thread(file.write, piece)
            file.flush()
            yield Path(file.name)


def name_in(url: str) -> str:
    """What a file behind a URL is called: the end of its path."""
    try:
        return urlsplit(url).path.rpartition("/")[2]
    except ValueError:
        return ""
