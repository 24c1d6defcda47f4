"""From a file to its text, in the process that is made for it. Libraries are loaded before it is limited:
after that no file can be opened any more."""

import encodings
import importlib
import pkgutil
from codecs import lookup
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import BinaryIO, Protocol, cast

from stentor_summarize.documents.sniffing import HEAD_BYTES, form_of
from stentor_summarize.documents.wire import Bounds, Extracted, Fault, Form, Refused, Task

MODULES: Mapping[Form, str] = {
    Form.text: "stentor_summarize.documents.plain_reader",
    Form.markdown: "stentor_summarize.documents.markdown_reader",
    Form.html: "stentor_summarize.documents.html_reader",
    Form.pdf: "stentor_summarize.documents.pdf_reader",
    Form.docx: "stentor_summarize.documents.docx_reader",
}
"""One for each form. It has the functions of Reader."""


class Reader(Protocol):
    def prepare(self) -> None:
        """Load what reading needs and would else load on the way."""

    def read(self, file: BinaryIO, bounds: Bounds) -> Extracted:
        """The text of a document of this form. Raises Refused, and whatever a library says of what is
        damaged."""


def extracted(file: BinaryIO, task: Task, confine: Callable[[], None]) -> Extracted:
    """What the document says. `confine` is called before anything of it is understood, beyond what it is.

    Raises Refused.
    """
    head = file.read(HEAD_BYTES)
    file.seek(0)
    form = form_of(head, task.suffix)
    try:
        reader = cast("Reader", importlib.import_module(MODULES[form]))
    except ModuleNotFoundError as error:
        raise Refused(Fault.NOT_INSTALLED, found=error.name or "") from error
    _prepare_encodings()
    reader.prepare()
    confine()
    found = reader.read(file, task.bounds)
    found = replace(found, text=_clean(found.text))
    if len(found.text) > task.bounds.characters:
        raise Refused(Fault.TOO_LONG)
    if not found.text.strip():
        raise Refused(Fault.NO_TEXT if found.pages else Fault.EMPTY, found=form)
    return found


def _clean(text: str) -> str:
    """Without what is no letter, and what no database or encoding takes."""
    return text.replace("\x00", "").encode(errors="replace").decode()


def _prepare_encodings() -> None:
    """Python loads each at its first use."""
    for module in pkgutil.iter_modules(encodings.__path__):
        with suppress(LookupError, ImportError):
            lookup(module.name)
