"""Word files. They are zip archives of XML, and may be much larger than they look."""

import io
import zipfile
from collections.abc import Iterable
from typing import BinaryIO

import docx
from docx.opc.exceptions import PackageNotFoundError
from docx.oxml.ns import qn
from docx.oxml.xmlchemy import BaseOxmlElement
from lxml.etree import XMLSyntaxError

from stentor_summarize.documents.wire import Bounds, Extracted, Fault, Form, Refused

MOST_FILES = 10_000
UNPACKED_PART = 0.5
"""Of the memory that reading may take, what the archive may unpack to: some of it is parsed."""

TEXT_FILE = "word/document.xml"
KINDS = {
    "xl/workbook.xml": "an Excel file",
    "ppt/presentation.xml": "a PowerPoint file",
    "META-INF/container.xml": "an EPUB book",
    "content.xml": "an OpenDocument file",
    "META-INF/MANIFEST.MF": "a program",
}
"""What else is a zip archive, by a file in it."""

PARAGRAPH, TEXT, TAB = qn("w:p"), qn("w:t"), qn("w:tab")
BREAKS = (qn("w:br"), qn("w:cr"))
# Word writes text boxes twice, the second time for readers that do not know the first form.
FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"


def prepare() -> None:
    made = docx.Document()
    made.add_paragraph("one")
    made.add_table(1, 1)
    file = io.BytesIO()
    made.save(file)
    read(file, Bounds())


def read(file: BinaryIO, bounds: Bounds) -> Extracted:
    try:
        _check(file, bounds)
        body = docx.Document(file).element.body
    except (zipfile.BadZipFile, PackageNotFoundError, XMLSyntaxError, KeyError, ValueError, OSError) as error:
        raise Refused(Fault.DAMAGED, remark=repr(error)) from error
    paragraphs = (_text(each) for each in body.iter(PARAGRAPH) if not _is_repeated(each))
    return Extracted("\n\n".join(each for each in paragraphs if each), Form.docx)


def _check(file: BinaryIO, bounds: Bounds) -> None:
    """Raises Refused for what is another kind of archive, and for one that would unpack to too much."""
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
    names = {entry.filename for entry in entries}
    if TEXT_FILE not in names:
        found = next((kind for name, kind in KINDS.items() if name in names), "a zip archive")
        raise Refused(Fault.UNKNOWN, found=found)
    unpacked = sum(entry.file_size for entry in entries)
    if len(entries) > MOST_FILES or unpacked > UNPACKED_PART * bounds.memory_mib * 1024 * 1024:
        raise Refused(Fault.TOO_BIG)


def _is_repeated(paragraph: BaseOxmlElement) -> bool:
    return next(paragraph.iterancestors(FALLBACK), None) is not None


def _text(paragraph: BaseOxmlElement) -> str:
    """What stands in a paragraph, not what in a text box that is anchored there."""
    return "".join(_pieces(paragraph)).strip()


def _pieces(element: BaseOxmlElement) -> Iterable[str]:
    for child in element:
        if child.tag == TEXT:
            yield child.text or ""
        elif child.tag == TAB:
            yield "\t"
        elif child.tag in BREAKS:
            yield "\n"
        elif child.tag != PARAGRAPH and isinstance(child.tag, str):
            yield from _pieces(child)
