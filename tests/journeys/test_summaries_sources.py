"""What can be summarized besides a text: documents, uploads, pages, transcriptions."""

import threading
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import docx
import httpx2
import pytest

from stentor_common.clock import ManualClock
from stentor_common.runtime import Runtime
from stentor_common.serve import background
from stentor_common.service import Service
from stentor_common.testing import eventually, sound
from stentor_common.testing_receiver import LOOPBACK, receiver
from stentor_summarize import inputs

Headers = dict[str, str]
SignUp = Callable[[str], Awaitable[Headers]]

PATH = "/v1/summaries"
WAIT = {"Prefer": "wait=20"}
TEXT = "The tide table hung beside the door. Nobody had looked at it since the harbour was closed."
HTML = f"<!doctype html><title>Harbour</title><nav>Menu</nav><article><p>{TEXT}</p></article>"
ECHO = pytest.mark.parametrize("summary_script", [{"kind": "extractive"}])
"""The engine answers the first words of the text, as many as are wanted."""


@pytest.fixture
def web() -> Iterator[str]:
    """A server that answers every path with a page, or with what its name says."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = 404 if "missing" in self.path else 200
            body = HTML.encode() if not self.path.endswith(".md") else f"# *Title*\n\n{TEXT}".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def stored(runtime: Runtime) -> list[str]:
    """Keys of all objects in the store."""
    root = runtime.settings.data_dir / "objects"
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


async def sent(client: httpx2.AsyncClient, **request: Any) -> dict[str, Any]:
    answer = await client.post(PATH, headers=WAIT, **request)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@ECHO
@pytest.mark.parametrize(
    ("name", "content", "form"),
    [
        ("notes.txt", TEXT.encode(), "text"),
        ("notes.md", f"*{TEXT}*".encode(), "markdown"),
        ("page.html", HTML.encode(), "html"),
    ],
)
async def test_a_document_in_a_form_is_summarized(
    client: httpx2.AsyncClient, name: str, content: bytes, form: str
) -> None:
    found = await sent(client, files={"file": (name, content)}, data={"length": '{"words": 5}'})
    assert (found["status"], found["error"]) == ("completed", None)
    assert found["text"].startswith("The tide table hung")
    source = found["source"]
    assert (source["kind"], source["name"], source["form"]) == ("document", name, form)


@ECHO
async def test_a_word_file_is_summarized(client: httpx2.AsyncClient, tmp_path: Any) -> None:
    document = docx.Document()
    document.add_paragraph(TEXT)
    document.save(tmp_path / "letter.docx")
    files = {"document": ("letter.docx", (tmp_path / "letter.docx").read_bytes())}
    found = await sent(client, files=files, data={"style": "headline", "length": "short"})
    assert found["source"]["form"] == "docx"


async def test_a_document_goes_with_its_job(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    await sent(client, files={"file": ("notes.txt", TEXT.encode())})
    await inputs.sweep(runtime)
    assert stored(runtime) == []


async def test_a_document_that_cannot_be_read_fails_its_job_with_the_reason(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    found = await sent(client, files={"file": ("scan.pdf", b"\x89PNG\r\n\x1a\n")})
    assert (found["status"], found["error"]["code"]) == ("failed", "document_type_unknown")
    assert "a picture" in found["error"]["message"]
    await inputs.sweep(runtime)
    assert stored(runtime) == []


@ECHO
async def test_a_long_text_may_be_a_field_of_a_form(client: httpx2.AsyncClient) -> None:
    found = await sent(client, files={"text": (None, TEXT * 20_000), "style": (None, "headline")})
    assert found["source"]["kind"] == "text"
    assert found["source"]["characters"] == len(TEXT * 20_000)


@pytest.mark.parametrize(
    ("request_of", "status", "said"),
    [
        ({"files": {"file": ("a.txt", b"")}}, 400, "empty"),
        ({"files": {"file": ("a.txt", b"x")}, "data": {"colour": "red"}}, 400, "colour"),
        ({"files": {"file": ("a.txt", b"x")}, "data": {"text": TEXT}}, 400, "text"),
        ({"files": {"file": ("a.txt", b"x")}, "data": {"model": "gpt-9"}}, 404, "gpt-9"),
        ({"files": {"sound": ("a.txt", b"x")}}, 400, "exactly one of text"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, "JSON"),
        ({"content": b"[1]", "headers": {"Content-Type": "application/json"}}, 400, "object"),
    ],
)
async def test_a_request_that_is_wrong_leaves_nothing(
    client: httpx2.AsyncClient, runtime: Runtime, request_of: dict[str, Any], status: int, said: str
) -> None:
    answer = await client.post(PATH, **request_of)
    assert answer.status_code == status
    assert said in answer.json()["error"]["message"]
    assert stored(runtime) == []


@pytest.mark.parametrize("changed_summarize_settings", [{"max_document_bytes": 50}])
async def test_a_document_over_the_limit_is_refused(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    answer = await client.post(PATH, files={"file": ("a.txt", TEXT.encode())})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert stored(runtime) == []


@ECHO
async def test_an_upload_is_summarized_by_its_id_or_url_and_stays(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    upload = (await client.post("/v1/uploads", files={"file": ("notes.md", f"*{TEXT}*".encode())})).json()
    for source in ({"upload_id": upload["id"]}, {"url": upload["url"]}):
        found = await sent(client, json=source | {"length": {"words": 5}})
        assert found["text"].startswith("The tide table hung")
        assert found["source"]["name"] == "notes.md"
    await inputs.sweep(runtime)
    assert stored(runtime) == [f"uploads/{upload['id']}"]


async def test_an_upload_that_has_expired_is_not_found(
    client: httpx2.AsyncClient, clock: ManualClock
) -> None:
    upload = (await client.post("/v1/uploads", files={"file": ("a.txt", TEXT.encode())})).json()
    clock.advance(hours=25)
    answer = await client.post(PATH, json={"upload_id": upload["id"]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@ECHO
@pytest.mark.parametrize("changed_summarize_settings", [{"fetch_allowed": LOOPBACK}])
@pytest.mark.parametrize(("path", "form"), [("/tides?today=1", "html"), ("/README.md", "markdown")])
async def test_a_page_behind_a_url_is_summarized(
    client: httpx2.AsyncClient, web: str, path: str, form: str
) -> None:
    found = await sent(client, json={"url": web + path, "length": {"words": 30}})
    assert TEXT in found["text"]
    assert "Menu" not in found["text"]
    source = found["source"]
    assert (source["kind"], source["url"], source["form"]) == ("url", web + path, form)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/a", "http://10.0.0.1/a", "http://[::1]/a", "http://169.254.169.254/latest"]
)
async def test_a_url_that_leads_inside_is_refused(client: httpx2.AsyncClient, url: str) -> None:
    found = await sent(client, json={"url": url})
    assert (found["status"], found["error"]["code"]) == ("failed", "url_refused")


@pytest.mark.parametrize(("url", "code"), [("file:///etc/passwd", "url_refused"), ("http://", "url_refused")])
async def test_a_url_that_is_none_is_refused(client: httpx2.AsyncClient, url: str, code: str) -> None:
    assert (await sent(client, json={"url": url}))["error"]["code"] == code


@pytest.mark.parametrize("changed_summarize_settings", [{"fetch_allowed": LOOPBACK}])
async def test_a_page_that_is_not_there_fails_the_job(client: httpx2.AsyncClient, web: str) -> None:
    found = await sent(client, json={"url": f"{web}/missing"})
    assert found["error"]["code"] == "url_unreadable"
    assert "404" in found["error"]["message"]


@pytest.mark.parametrize(
    "changed_summarize_settings", [{"fetch_allowed": LOOPBACK, "max_document_bytes": 50}]
)
async def test_a_page_over_the_limit_fails_the_job(client: httpx2.AsyncClient, web: str) -> None:
    found = await sent(client, json={"url": f"{web}/tides"})
    assert (found["status"], found["error"]["code"]) == ("failed", "too_large")


async def transcription(client: httpx2.AsyncClient, headers: Headers | None = None) -> str:
    answer = await client.post(
        "/v1/transcriptions", files={"file": ("talk.wav", sound())}, headers=WAIT | (headers or {})
    )
    return str(answer.json()["id"])


@ECHO
async def test_a_transcription_is_summarized_by_its_id(client: httpx2.AsyncClient) -> None:
    job_id = await transcription(client)
    found = await sent(client, json={"transcript_id": job_id, "length": {"words": 9}})
    assert found["text"] == "Hello world. How are you?"
    assert (found["source"]["kind"], found["source"]["name"]) == ("transcript", job_id)


async def test_a_transcription_that_is_not_done_is_refused(api: httpx2.AsyncClient) -> None:
    job = (await api.post("/v1/transcriptions", files={"file": ("talk.wav", sound())})).json()
    answer = await api.post(PATH, json={"transcript_id": job["id"]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "transcript_not_ready")
    assert f"/v1/transcriptions/{job['id']}/events" in answer.json()["error"]["message"]
    await api.post(f"/v1/transcriptions/{job['id']}/cancel")
    answer = await api.post(PATH, json={"transcript_id": job["id"]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "transcript_not_ready")


@pytest.mark.parametrize("script", [{"texts": ["..."]}])
async def test_a_transcription_in_which_nobody_speaks_has_nothing_to_summarize(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    job_id = await transcription(client)
    answer = await client.post(PATH, json={"transcript_id": job_id})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "nothing_to_summarize")


async def test_a_transcription_of_somebody_else_is_not_found(
    client: httpx2.AsyncClient, sign_up: SignUp
) -> None:
    job_id = await transcription(client, await sign_up("ada"))
    for other in ({}, await sign_up("bob")):
        answer = await client.post(PATH, json={"transcript_id": job_id}, headers=other)
        assert answer.status_code == 404


async def test_a_summary_is_no_transcription(client: httpx2.AsyncClient) -> None:
    found = await sent(client, json={"text": TEXT})
    assert (await client.post(PATH, json={"transcript_id": found["id"]})).status_code == 404


@pytest.mark.parametrize("changed_settings", [{"webhook_allowed": LOOPBACK}])
async def test_whoever_wants_is_told_of_the_end(
    client: httpx2.AsyncClient, runtime: Runtime, services: list[Service], sign_up: SignUp
) -> None:
    owner = await sign_up("ada")
    await client.post("/v1/webhooks/secrets", headers=owner)
    async with background(runtime, services), receiver() as server:
        wish = {"text": TEXT, "webhook_url": f"{server.url}/done"}
        job = (await client.post(PATH, json=wish, headers=owner)).json()

        async def arrived() -> bool:
            return bool(server.received)

        await eventually(arrived)
        (message,) = server.received
    assert b'"type":"summary.completed"' in message.body.replace(b" ", b"")
    assert job["id"].encode() in message.body
    assert b"Nobody looks at the tides." in message.body
