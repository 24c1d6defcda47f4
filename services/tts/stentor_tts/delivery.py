"""Sound from the store as the answer to a request: whole, or the part that a player asks for."""

import re
from collections.abc import AsyncIterator

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from stentor_common.errors import AppError
from stentor_common.runtime import Runtime
from stentor_tts.formats import FORMATS
from stentor_tts.sounds import Facts

RANGE = re.compile(r"bytes=\s*(?P<first>\d{0,18})\s*-\s*(?P<last>\d{0,18})\s*")


class RangeNotThere(AppError):
    status = 416
    code = "range_not_satisfiable"

    def __init__(self, size: int) -> None:
        super().__init__(
            f"the sound has {size} bytes, and none of them is in that range",
            headers={"Content-Range": f"bytes */{size}"},
        )


def span(header: str, size: int) -> tuple[int, int] | None:
    """The bytes that a Range header asks for (RFC 9110, section 14), as start and stop; None where all are
    to be sent, as for several ranges at once. Raises RangeNotThere."""
    found = RANGE.fullmatch(header.strip())
    if found is None or not (found["first"] or found["last"]):
        return None
    if not found["first"]:
        start, stop = max(0, size - int(found["last"])), size
    else:
        start, stop = int(found["first"]), min(size, int(found["last"]) + 1) if found["last"] else size
        if found["last"] and int(found["last"]) < start:
            return None
    if start >= stop:
        raise RangeNotThere(size)
    return start, stop


def sound_response(request: Request, runtime: Runtime, facts: Facts, name: str) -> Response:
    """The sound as a file called `name`, without its extension. Raises RangeNotThere."""
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": f'"{name}"',
        "Content-Disposition": disposition(name, facts.format),
        "X-Content-Type-Options": "nosniff",
    }
    asked = request.headers.get("range", "")
    if request.headers.get("if-range", headers["ETag"]) != headers["ETag"]:
        asked = ""
    part = span(asked, facts.size_bytes)
    start, stop = part or (0, facts.size_bytes)
    headers["Content-Length"] = str(stop - start)
    if part:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{facts.size_bytes}"
    content: AsyncIterator[bytes] = runtime.store.read(facts.store_key, start, stop)
    return StreamingResponse(content, 206 if part else 200, headers=headers, media_type=facts.media_type)


def disposition(name: str, format: str) -> str:
    return f'inline; filename="{name}.{FORMATS[format].extension}"'
