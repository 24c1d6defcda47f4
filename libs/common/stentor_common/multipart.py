"""Multipart bodies read as a stream: a file of any size passes through, and is never held whole."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from stentor_common.errors import BadInput, TooLarge

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FIELD_BYTES = 1024 * 1024
"""Longest text field."""

PARTS = 200
"""A form of more parts than this is not one of ours."""


@dataclass(slots=True)
class Part:
    """One part of a form. Its content must be read before the next part is asked for."""

    name: str
    filename: str | None
    content_type: str
    _content: AsyncIterator[bytes] = field(repr=False)

    def chunks(self) -> AsyncIterator[bytes]:
        return self._content

    async def text(self, limit: int = FIELD_BYTES) -> str:
        """The part as text. Raises TooLarge, BadInput."""
        content = bytearray()
        async for chunk in self._content:
            content += chunk
            if len(content) > limit:
                raise TooLarge(f"the field {self.name!r} is longer than {limit} bytes", param=self.name)
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise BadInput(f"the field {self.name!r} is not UTF-8 text", param=self.name) from None


async def parts(body: AsyncIterator[bytes], content_type: str) -> AsyncIterator[Part]:
    """The parts of a multipart/form-data body, in order (RFC 7578). Raises BadInput when it is broken."""
    reader = _Reader(body, _boundary(content_type))
    for _ in range(PARTS):
        part = await reader.next_part()
        if part is None:
            return
        yield part
        # Whatever the caller did not read of this part is passed over.
        async for _ in part.chunks():
            pass
    raise BadInput(f"the form has more than {PARTS} parts")


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise BadInput("the body must be multipart/form-data with a boundary")
    return boundary


class _Reader:
    """Feeds the push parser as much as is needed for what is asked next."""

    def __init__(self, body: AsyncIterator[bytes], boundary: bytes) -> None:
        self._body = body
        self._events: list[tuple[str, bytes]] = []
        callbacks: MultipartCallbacks = {
            "on_part_begin": lambda: self._events.append(("part", b"")),
            "on_header_field": lambda data, start, end: self._events.append(("field", data[start:end])),
            "on_header_value": lambda data, start, end: self._events.append(("value", data[start:end])),
            "on_header_end": lambda: self._events.append(("header", b"")),
            "on_headers_finished": lambda: self._events.append(("headers", b"")),
            "on_part_data": lambda data, start, end: self._events.append(("data", data[start:end])),
            "on_part_end": lambda: self._events.append(("end", b"")),
            "on_end": lambda: self._events.append(("over", b"")),
        }
        self._parser = MultipartParser(boundary, callbacks)

    async def next_part(self) -> Part | None:
        headers: dict[bytes, bytes] = {}
        name = value = b""
        while True:
            kind, data = await self._next()
            if kind == "over":
                return None
            if kind == "field":
                name += data
            elif kind == "value":
                value += data
            elif kind == "header":
                headers[name.lower()] = value
                name = value = b""
            elif kind == "headers":
                return self._part(headers)

    def _part(self, headers: dict[bytes, bytes]) -> Part:
        _, options = parse_options_header(headers.get(b"content-disposition", b""))
        filename = options.get(b"filename")
        return Part(
            name=options.get(b"name", b"").decode(errors="replace"),
            filename=filename.decode(errors="replace") if filename is not None else None,
            content_type=headers.get(b"content-type", b"").decode(errors="replace"),
            _content=self._content(),
        )

    async def _content(self) -> AsyncIterator[bytes]:
        while True:
            kind, data = await self._next()
            if kind == "end":
                return
            yield data

    async def _next(self) -> tuple[str, bytes]:
        while not self._events:
            await self._feed()
        return self._events.pop(0)

    async def _feed(self) -> None:
        chunk = await anext(self._body, None)
        if chunk is None:
            raise BadInput("the form ends before its last boundary; was the upload cut off?")
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            raise BadInput(f"the form cannot be read: {error}") from error
