"""Documents of all kinds come out as text, hostile ones come to nothing, in a process that may do little."""

import asyncio
import io
import os
import sys
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import docx
import psutil
import pytest
from pypdf import PdfReader, PdfWriter

from stentor_common.testing import eventually
from stentor_summarize.documents.wire import Bounds, Extracted, Form
from stentor_summarize.errors import (
    DocumentDamaged,
    DocumentEmpty,
    DocumentEncrypted,
    DocumentTooLong,
    DocumentUnreadable,
    DocumentWithoutText,
    ReaderLost,
    UnknownDocument,
)
from stentor_summarize.extraction import Extractor

PROSE = "The tide table hung beside the door. Nobody had looked at it since the harbour was closed."

Read = Callable[..., "asyncio.Future[Extracted]"]

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells about other processes")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "document"


async def read(path: Path, content: bytes, name: str = "document", **bounds: float) -> Extracted:
    path.write_bytes(content)
    return await Extractor(Bounds(**bounds)).text(path, name)  # type: ignore[arg-type]


def pdf_of(
    streams: Sequence[bytes], *, filters: str = "", resources: str = "", more: Sequence[str] = ()
) -> bytes:
    """A PDF with a page for each content stream, in Helvetica; `more` are objects from number 4 on."""
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    objects += more
    kids = []
    for stream in streams:
        number = len(objects) + 1
        kids.append(f"{number} 0 R")
        page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {number + 1} 0 R"
        objects.append(f"{page} /Resources << /Font << /F1 3 0 R >> {resources} >> >>")
        body = stream.decode("latin-1")
        objects.append(f"<< /Length {len(stream)} {filters} >>\nstream\n{body}\nendstream")
    objects[1] = f"<< /Type /Pages /Count {len(kids)} /Kids [{' '.join(kids)}] >>"
    return assembled(objects)


def assembled(objects: Sequence[str]) -> bytes:
    file = io.BytesIO(b"%PDF-1.7\n")
    file.seek(0, io.SEEK_END)
    places = []
    for number, each in enumerate(objects, 1):
        places.append(file.tell())
        file.write(f"{number} 0 obj\n{each}\nendobj\n".encode("latin-1"))
    table = file.tell()
    lines = "".join(f"{place:010} 00000 n \n" for place in places)
    file.write(f"xref\n0 {len(places) + 1}\n0000000000 65535 f \n{lines}".encode())
    file.write(f"trailer\n<< /Size {len(places) + 1} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n".encode())
    return file.getvalue()


def lines(*texts: str) -> bytes:
    """The content of a page with these lines, one below the other."""
    shown = " ".join(f"({text}) Tj 0 -14 Td" for text in texts)
    return f"BT /F1 11 Tf 72 770 Td {shown} ET".encode("latin-1")


def encrypted(content: bytes, password: str, algorithm: str) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(content)))
    writer.encrypt(password, "the owner's", algorithm=algorithm)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def word_file(make: Callable[["docx.document.Document"], object]) -> bytes:
    document = docx.Document()
    make(document)
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def archive(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return file.getvalue()


def altered(content: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """A zip archive with one of its files changed."""
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        files = {each: packed.read(each) for each in packed.namelist()}
    return archive({**files, name: change(files[name])})


PDF = pdf_of([lines(PROSE)])
WORD = word_file(lambda document: document.add_paragraph(PROSE))


@pytest.mark.parametrize(
    ("content", "name", "form"),
    [
        (PROSE.encode(), "notes.txt", Form.text),
        (PROSE.encode(), "no ending at all", Form.text),
        (f"# Harbour\n\n{PROSE}".encode(), "notes.md", Form.markdown),
        (f"<!DOCTYPE html><title>Harbour</title><p>{PROSE}</p>".encode(), "page", Form.html),
        (f"<p>{PROSE}</p>".encode(), "part.html", Form.html),
        (PDF, "report.pdf", Form.pdf),
        (WORD, "letter.docx", Form.docx),
    ],
)
async def test_every_form_gives_its_text(path: Path, content: bytes, name: str, form: Form) -> None:
    found = await read(path, content, name)
    assert found.form is form
    assert PROSE in found.text


@pytest.mark.parametrize("name", ["report.txt", "report.docx", "report.html", "report"])
async def test_what_a_file_is_does_not_depend_on_its_name(path: Path, name: str) -> None:
    assert (await read(path, PDF, name)).form is Form.pdf
    assert (await read(path, WORD, name)).form is Form.docx


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Größe und Straße, Öl und Äpfel", "utf-8"),
        ("Größe und Straße, Öl und Äpfel", "utf-8-sig"),
        ("Größe und Straße, Öl und Äpfel", "utf-16"),
        ("Größe und Straße, Öl und Äpfel. " * 5, "cp1252"),
        ("Съешь же ещё этих мягких французских булок, да выпей чаю. " * 5, "cp1251"),
        ("吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。" * 5, "shift_jis"),
    ],
)
async def test_text_is_read_in_the_encoding_it_is_in(path: Path, text: str, encoding: str) -> None:
    assert (await read(path, text.encode(encoding))).text == text


async def test_lines_of_a_pdf_become_paragraphs_without_what_is_on_every_page(path: Path) -> None:
    pages = [
        lines(
            "Harbour Board, annual report",
            f"{ship} came in",
            f"The {ship} goes on over the end of its line, as a well",
            f"kept text about the {ship} does, and like every long re-",
            f"port it ends. So much of the {ship}, which",
            f"nobody has seen the {ship} since.",
            f"- {number} -",
        )
        for number, ship in enumerate(("Tern", "Plover", "Curlew"), 4)
    ]
    found = await read(path, pdf_of(pages), "report.pdf")
    assert found.pages == 3
    assert found.text.split("\n\n")[:2] == [
        "Tern came in",
        "The Tern goes on over the end of its line, as a well kept text about the Tern does, and like every "
        "long report it ends. So much of the Tern, which nobody has seen the Tern since.",
    ]
    assert "annual report" not in found.text
    assert "- 5 -" not in found.text


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
async def test_a_pdf_that_is_only_protected_against_change_is_read(path: Path, algorithm: str) -> None:
    assert PROSE in (await read(path, encrypted(PDF, "", algorithm), "a.pdf")).text


async def test_word_files_give_tables_text_boxes_and_accepted_changes(path: Path) -> None:
    def make(document: "docx.document.Document") -> None:
        document.add_heading("Harbour")
        document.add_paragraph("before")
        table = document.add_table(1, 2)
        table.cell(0, 0).text, table.cell(0, 1).text = "left", "right"
        document.add_paragraph("after\tthe tab")

    def change(xml: bytes) -> bytes:
        inserted = b"<w:ins w:id='1'><w:r><w:t>inserted</w:t></w:r></w:ins>"
        deleted = b"<w:del w:id='2'><w:r><w:delText>deleted</w:delText></w:r></w:del>"
        return xml.replace(b"<w:t>before</w:t></w:r>", b"<w:t>before </w:t></w:r>" + inserted + deleted)

    found = await read(path, altered(word_file(make), "word/document.xml", change), "a.docx")
    assert found.text.split("\n\n") == ["Harbour", "before inserted", "left", "right", "after\tthe tab"]


async def test_a_page_gives_its_article_and_not_its_menus(path: Path) -> None:
    article = "".join(
        f"<p>{PROSE} This is paragraph {number} of a longer article.</p>" for number in range(8)
    )
    menu = "<nav><ul>" + "<li><a href='/x'>Subscribe to our newsletter now</a></li>" * 5 + "</ul></nav>"
    script = "<script>track('everybody')</script><style>p {color: red}</style>"
    body = f"{menu}{script}<article><h1>Tides</h1>{article}</article><footer>{menu}</footer>"
    found = await read(path, f"<html><body>{body}</body></html>".encode(), "page.html")
    assert "This is paragraph 7" in found.text
    assert "Subscribe" not in found.text
    assert "track" not in found.text


async def test_markdown_loses_its_signs_and_its_code(path: Path) -> None:
    text = (
        "---\ntitle: hidden\n---\n# The *harbour*\n\nA [link](http://a/b) to\n`code` here.\n\n"
        "* one\n* two\n\n```\nx = 1\n```\n\n| a | b |\n|---|---|\n| c | d |\n"
    )
    found = await read(path, text.encode(), "README.md")
    assert found.text.split("\n\n") == ["The harbour", "A link to code here.", "one", "two", "a, b", "c, d"]


@pytest.mark.parametrize(
    ("content", "name", "error", "said"),
    [
        (b"", "a.txt", DocumentEmpty, "no text"),
        (b" \n\t ", "a.txt", DocumentEmpty, "no text"),
        (b"<html><body></body></html>", "a.html", DocumentEmpty, "no text"),
        (word_file(lambda _: None), "a.docx", DocumentEmpty, "no text"),
        (pdf_of([b"q 100 0 0 100 0 0 cm Q"]), "scan.pdf", DocumentWithoutText, "not recognized"),
        (encrypted(PDF, "secret", "AES-256"), "a.pdf", DocumentEncrypted, "without one"),
        (encrypted(PDF, "secret", "RC4-128"), "a.pdf", DocumentEncrypted, "without one"),
        (PDF[:60], "a.pdf", DocumentDamaged, "damaged"),
        (b"%PDF-1.7\nand nothing else", "a.pdf", DocumentDamaged, "damaged"),
        (WORD[: len(WORD) // 2], "a.docx", DocumentDamaged, "damaged"),
        (altered(WORD, "word/document.xml", lambda xml: xml[:300]), "a.docx", DocumentDamaged, "damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(999), "a.docx", UnknownDocument, "with a password"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "scan.pdf", UnknownDocument, "a picture"),
        (archive({"xl/workbook.xml": b"<x/>"}), "a.docx", UnknownDocument, "an Excel file"),
        (archive({"holiday.jpg": b"x"}), "a.docx", UnknownDocument, "a zip archive"),
        (b"<!doctype html><title>404</title>", "report.pdf", UnknownDocument, "named .pdf"),
        (b"plain words", "report.docx", UnknownDocument, "named .docx"),
        (os.urandom(4000), "noise.txt", UnknownDocument, "txt, md, html, pdf or docx"),
        (bytes(range(1, 32)) * 200, "control.txt", UnknownDocument, "txt, md, html, pdf or docx"),
    ],
)
async def test_what_cannot_be_read_says_why(
    path: Path, content: bytes, name: str, error: type[DocumentUnreadable], said: str
) -> None:
    with pytest.raises(error, match=said):
        await read(path, content, name)


BILLION = (
    b"<!DOCTYPE w [<!ENTITY a 'ha'>"
    + b"".join(b"<!ENTITY %c '%s'>" % (98 + n, (b"&%c;" % (97 + n)) * 10) for n in range(12))
    + b"]>"
)


@pytest.mark.parametrize("entity", ["&m;", "&file;"])
async def test_entities_of_a_word_file_are_not_expanded(path: Path, entity: str) -> None:
    def change(xml: bytes) -> bytes:
        head, sign, rest = xml.partition(b"?>")
        outside = BILLION.replace(b"]>", b"<!ENTITY file SYSTEM 'file:///etc/passwd'>]>")
        return head + sign + outside + rest.replace(b"The tide", entity.encode() + b" The tide")

    try:
        found = await read(path, altered(WORD, "word/document.xml", change), "a.docx")
    except DocumentUnreadable:
        return
    assert "haha" not in found.text
    assert "root:" not in found.text


async def test_an_archive_that_unpacks_to_too_much_is_refused(path: Path) -> None:
    bomb = altered(WORD, "word/document.xml", lambda xml: xml + b" " * 300_000_000)
    assert len(bomb) < 1_000_000
    with pytest.raises(DocumentTooLong, match="256 MiB"):
        await read(path, bomb, "a.docx", memory_mib=256)


async def test_a_stream_that_unpacks_to_too_much_is_refused(path: Path) -> None:
    bomb = pdf_of([zlib.compress(b" " * 300_000_000)], filters="/Filter /FlateDecode")
    with pytest.raises(DocumentTooLong, match="MiB"):
        await read(path, bomb, "a.pdf")


async def test_what_needs_more_memory_than_it_may_have_is_refused(path: Path) -> None:
    with pytest.raises(DocumentTooLong, match="256 MiB"):
        await read(path, b"<p>" + b"<b>x " * 20_000_000, "a.html", memory_mib=256)


async def test_what_draws_itself_comes_to_an_end(path: Path) -> None:
    itself = "/XObject << /X 4 0 R >>"
    form = f"<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << {itself} >> /Length 5 >>"
    drawn = f"{form}\nstream\n/X Do\nendstream"
    content = pdf_of([lines(PROSE) + b" /X Do"], resources=itself, more=[drawn])
    assert PROSE in (await read(path, content, "a.pdf", seconds=5)).text


async def test_pages_that_contain_themselves_come_to_an_end(path: Path) -> None:
    loop = assembled(["<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Count 1 /Kids [2 0 R] >>"])
    with pytest.raises(DocumentUnreadable):
        await read(path, loop, "a.pdf", seconds=5)


@pytest.mark.parametrize(
    ("content", "name", "bounds", "said"),
    [
        (pdf_of([lines(PROSE)] * 3), "a.pdf", {"pages": 2}, "2 pages"),
        (PDF, "a.pdf", {"characters": 40}, "40 characters"),
        (PROSE.encode(), "a.txt", {"characters": 40}, "40 characters"),
        (b"<p>" + PROSE.encode() * 9, "a.html", {"characters": 40}, "40 characters"),
        (WORD, "a.docx", {"characters": 40}, "40 characters"),
        (pdf_of([lines(*[PROSE] * 40)] * 40), "a.pdf", {"seconds": 0.01}, "0.01 s"),
    ],
)
async def test_limits_are_told_with_their_number(
    path: Path, content: bytes, name: str, bounds: dict[str, float], said: str
) -> None:
    with pytest.raises(DocumentTooLong, match=said):
        await read(path, content, name, **bounds)


@pytest.fixture
def slow(path: Path) -> Path:
    """A document that takes long to read."""
    path.write_bytes(pdf_of([lines(*[PROSE] * 50)] * 400))
    return path


def limits_of(process: psutil.Process) -> dict[str, tuple[int, int]]:
    """Soft and hard limits by the names that Linux gives them; those that do not limit are left out."""
    found = Path(f"/proc/{process.pid}/limits").read_text().splitlines()[1:]
    fields = {line[:26].strip(): line[26:].split() for line in found}
    return {
        name: (int(soft), int(hard))
        for name, (soft, hard, *_) in fields.items()
        if "unlimited" not in (soft, hard)
    }


async def reader_process(before: set[int]) -> psutil.Process:
    """The one that was started since then, once it has given up what it does not need."""

    async def confined() -> psutil.Process | None:
        found = [each for each in psutil.Process().children() if each.pid not in before]
        # The last of the limits that it takes upon itself.
        return found[0] if found and "Max address space" in limits_of(found[0]) else None

    found = await eventually(confined)
    assert found
    return found


def children() -> set[int]:
    return {each.pid for each in psutil.Process().children()}


@linux
async def test_the_process_that_reads_has_no_secrets_and_few_rights(
    slow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STENTOR_SECRET_KEY", "do not tell")
    before = children()
    reading = asyncio.create_task(Extractor(Bounds()).text(slow, "a.pdf"))
    process = await reader_process(before)
    assert "do not tell" not in str(process.environ())
    limits = limits_of(process)
    assert {limits[f"Max {name}"] for name in ("open files", "processes", "file size")} == {(0, 0)}
    assert limits["Max data size"] == (Bounds().memory_mib * 1024**2,) * 2
    reading.cancel()
    await asyncio.wait([reading])


@linux
async def test_giving_up_ends_the_process(slow: Path) -> None:
    before = children()
    reading = asyncio.create_task(Extractor(Bounds()).text(slow, "a.pdf"))
    process = await reader_process(before)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert not process.is_running()


@linux
async def test_a_reader_that_was_killed_may_be_tried_again(slow: Path) -> None:
    before = children()
    reading = asyncio.create_task(Extractor(Bounds()).text(slow, "a.pdf"))
    (await reader_process(before)).kill()
    with pytest.raises(ReaderLost) as raised:
        await reading
    assert raised.value.retryable
