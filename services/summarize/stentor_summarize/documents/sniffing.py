"""What a document is, by its first bytes. Its name only tells apart what is text anyway. Pure."""

from stentor_summarize.documents.wire import Fault, Form, Refused

HEAD_BYTES = 8 * 1024
"""So much of a document is looked at."""

PDF_WITHIN = 1024
"""Readers accept a PDF that begins so many bytes later, and files made by mail programs do."""

SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Word, Excel or PowerPoint file, or one with a password"),
    (b"{\\rtf", "an RTF file"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"II*\x00", "a picture"),
    (b"MM\x00*", "a picture"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a rar archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"%!PS", "a PostScript file"),
    (b"ID3", "a recording"),
    (b"OggS", "a recording"),
    (b"fLaC", "a recording"),
    (b"RIFF", "a recording, a film or a picture"),
    (b"\x1aE\xdf\xa3", "a film"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90\x00", "a program"),
    (b"SQLite format 3\x00", "a database"),
)
"""First bytes of usual files that are no documents for us, so that the answer can name them."""

BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")

BY_SUFFIX = {
    ".txt": Form.text,
    ".text": Form.text,
    ".md": Form.markdown,
    ".markdown": Form.markdown,
    ".html": Form.html,
    ".htm": Form.html,
    ".xhtml": Form.html,
    ".pdf": Form.pdf,
    ".docx": Form.docx,
}

HTML_BEGINS = (b"<!doctype html", b"<html", b"<head", b"<body")
XML_BEGINS = b"<?xml"


def form_of(head: bytes, suffix: str) -> Form:
    """The form of a document by its first bytes and the end of its name.

    Raises Refused: EMPTY, UNKNOWN for what is certainly something else, MISNAMED for text that is called a
    PDF or Word file, as pages are that a server sends in place of one.
    """
    if not head.strip(b" \t\r\n\x00"):
        raise Refused(Fault.EMPTY)
    if b"%PDF-" in head[:PDF_WITHIN]:
        return Form.pdf
    if head.startswith(b"PK\x03\x04"):
        return Form.docx
    for signature, found in SIGNATURES:
        if head.startswith(signature):
            raise Refused(Fault.UNKNOWN, found=found)
    return _text_form(head, suffix)


def _text_form(head: bytes, suffix: str) -> Form:
    if b"\x00" in head and not head.startswith(BYTE_ORDER_MARKS):
        raise Refused(Fault.UNKNOWN)
    named = BY_SUFFIX.get(suffix)
    if named in (Form.pdf, Form.docx):
        raise Refused(Fault.MISNAMED, found=suffix)
    return Form.html if _looks_like_html(head) else named or Form.text


def _looks_like_html(head: bytes) -> bool:
    for mark in BYTE_ORDER_MARKS:
        head = head.removeprefix(mark)
    begin = head.lstrip().lower()
    if begin.startswith(XML_BEGINS):
        return b"<html" in begin[:1024]
    while begin.startswith(b"<!--") and b"-->" in begin:
        begin = begin.partition(b"-->")[2].lstrip()
    return begin.startswith(HTML_BEGINS)
