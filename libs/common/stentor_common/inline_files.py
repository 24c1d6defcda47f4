"""Files that are written as text within a JSON body."""

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

from stentor_common.errors import BadInput

DATA_URL = re.compile(r"data:[^,;]{0,200}(?:;[^,;]{0,200}){0,5},", re.IGNORECASE)
BLANKS = re.compile(r"\s+")


def decoded(text: str, *, param: str) -> bytes:
    """The bytes of base64 text, or of a data URL (RFC 2397). Raises BadInput, which names the field."""
    head = DATA_URL.match(text)
    if head and not head[0].lower().endswith(";base64,"):
        return unquote_to_bytes(text[head.end() :])
    content = BLANKS.sub("", text[head.end() :] if head else text).rstrip("=")
    # Some writers leave the padding out.
    padded = content + "=" * (-len(content) % 4)
    try:
        return base64.b64decode(padded, altchars=_altchars(content), validate=True)
    except (binascii.Error, ValueError):
        raise BadInput(f"{param}: this is neither base64 nor a data URL", param=param) from None


def _altchars(content: str) -> bytes | None:
    """The two characters that the alphabet for URLs has instead."""
    return b"-_" if "-" in content or "_" in content else None
