"""PDF files, page by page."""

import io
import logging
from typing import BinaryIO

from pypdf import PasswordType, PdfReader, PdfWriter
from pypdf.errors import FileNotDecryptedError, LimitReachedError, PyPdfError

from stentor_summarize.documents.paragraphs import reflowed, without_running_lines
from stentor_summarize.documents.wire import Bounds, Extracted, Fault, Form, Refused


def prepare() -> None:
    """Also what is loaded on the way only: for encrypted files, for fonts."""
    logging.disable()
    writer = PdfWriter()
    writer.add_blank_page(72, 72)
    writer.encrypt("", "owner", algorithm="AES-256")
    file = io.BytesIO()
    writer.write(file)
    _pages(file, Bounds())


def read(file: BinaryIO, bounds: Bounds) -> Extracted:
    try:
        pages = _pages(file, bounds)
    except FileNotDecryptedError:
        raise Refused(Fault.ENCRYPTED) from None
    except LimitReachedError as error:
        raise Refused(Fault.TOO_BIG, remark=repr(error)) from error
    except (PyPdfError, RecursionError, ValueError, KeyError, TypeError, AttributeError) as error:
        # The library says in many ways that a file is not what it should be.
        raise Refused(Fault.DAMAGED, remark=repr(error)) from error
    return Extracted(reflowed("\n".join(without_running_lines(pages))), Form.pdf, len(pages))


def _pages(file: BinaryIO, bounds: Bounds) -> list[str]:
    reader = PdfReader(file)
    # Many are encrypted with an empty password only to say what may be done with them.
    if reader.is_encrypted and reader.decrypt("") is PasswordType.NOT_DECRYPTED:
        raise Refused(Fault.ENCRYPTED)
    if len(reader.pages) > bounds.pages:
        raise Refused(Fault.TOO_MANY_PAGES)
    found: list[str] = []
    length = 0
    for page in reader.pages:
        found.append(page.extract_text())
        length += len(found[-1])
        if length > bounds.characters:
            raise Refused(Fault.TOO_LONG)
    return found
