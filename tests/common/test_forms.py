"""Bodies of contracts that take JSON, url-encoded forms and multipart alike."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fastapi import Request

from stentor_common.errors import BadInput, TooLarge
from stentor_common.forms import content_kind, read_fields

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"


@pytest.fixture
def request_of() -> Callable[[str, bytes], Request]:
    def made(kind: str, body: bytes) -> Request:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        headers = [(b"content-type", kind.encode())] if kind else []
        return Request({"type": "http", "headers": headers}, receive)

    return made


Make = Callable[[str, bytes], Request]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'{"url": "http://a/?b=c&d", "n": "1"}'),
        ("Application/JSON; charset=utf-8", b'{"url": "http://a/?b=c&d", "n": "1"}'),
        ("", b'{"url": "http://a/?b=c&d", "n": "1"}'),
        (FORM, b'{"url": "http://a/?b=c&d", "n": "1"}'),
        (FORM, b"url=http%3A%2F%2Fa%2F%3Fb%3Dc%26d&n=1"),
        ("", b"url=http%3A%2F%2Fa%2F%3Fb%3Dc%26d&n=1"),
        (
            MULTIPART,
            b'--b\r\nContent-Disposition: form-data; name="url"\r\n\r\nhttp://a/?b=c&d\r\n'
            b'--b\r\nContent-Disposition: form-data; name="n"\r\n\r\n1\r\n--b--',
        ),
    ],
)
async def test_the_same_fields_come_out_of_every_form(request_of: Make, kind: str, body: bytes) -> None:
    assert await read_fields(request_of(kind, body)) == {"url": "http://a/?b=c&d", "n": "1"}


async def test_a_repeated_field_is_a_list(request_of: Make) -> None:
    assert await read_fields(request_of(FORM, b"a=1&a=2&a=3&b=4&c=")) == {
        "a": ["1", "2", "3"],
        "b": "4",
        "c": "",
    }


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("application/json", b"{", "not valid JSON"),
        ("application/json", b"", "not valid JSON"),
        ("application/json", b'"text"', "must be a JSON object"),
        ("", b"[1]", "must be a JSON object"),
        ("application/json", b'{"a": "\xff"}', "not valid JSON"),
        (FORM, b"\xff\xfe", "neither a form nor JSON"),
    ],
)
async def test_what_is_neither_is_refused(request_of: Make, kind: str, body: bytes, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        await read_fields(request_of(kind, body))


async def test_json_without_a_bottom_is_refused(request_of: Make) -> None:
    with pytest.raises(BadInput):
        await read_fields(request_of("application/json", b'{"a":' * 100_000))


async def test_the_kind_of_a_body_is_told_without_parameters(request_of: Make) -> None:
    assert content_kind(request_of("Text/Plain; charset=utf-8", b"")) == "text/plain"
    no_kind: Awaitable[Any] | str = content_kind(request_of("", b""))
    assert no_kind == ""


async def test_a_form_that_is_made_to_fill_the_memory_is_refused(request_of: Make) -> None:
    with pytest.raises(BadInput):
        await read_fields(request_of(FORM, b"a&" * 20_000))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (FORM, b"a=" + b"x" * 100),
        ("application/json", b'{"a": "' + b"x" * 100 + b'"}'),
        (MULTIPART, b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"x" * 100 + b"\r\n--b--"),
        (
            MULTIPART,
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1234567890\r\n' * 10 + b"--b--",
        ),
    ],
)
async def test_long_bodies_are_taken_up_to_the_limit_of_their_route(
    request_of: Make, kind: str, body: bytes
) -> None:
    assert await read_fields(request_of(kind, body), max_bytes=1000)
    with pytest.raises(TooLarge):
        await read_fields(request_of(kind, body), max_bytes=50)
