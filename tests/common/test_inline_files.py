"""Files written as text within JSON."""

import base64

import pytest

from stentor_common.errors import BadInput
from stentor_common.inline_files import decoded

CONTENT = bytes(range(250))
TEXT = base64.b64encode(CONTENT).decode()
URL_TEXT = base64.urlsafe_b64encode(CONTENT).decode()


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT.rstrip("="),
        URL_TEXT,
        f" {TEXT[:76]}\r\n{TEXT[76:]}\n",
        f"data:audio/wav;base64,{TEXT}",
        f"DATA:audio/wav;codecs=1;BASE64,{TEXT}",
        f"data:;base64,{URL_TEXT.rstrip('=')}",
        "data:application/octet-stream," + "".join(f"%{byte:02x}" for byte in CONTENT),
    ],
)
def test_every_way_to_write_the_same_bytes_is_read(text: str) -> None:
    assert decoded(text, param="audio") == CONTENT


@pytest.mark.parametrize("text", ["not base64!", "AAAAA", f"data:audio/wav;base64,{TEXT}*", "é" * 8])
def test_anything_else_is_refused_with_the_name_of_the_field(text: str) -> None:
    with pytest.raises(BadInput, match=r"audio: .* neither base64 nor a data URL") as refused:
        decoded(text, param="audio")
    assert refused.value.param == "audio"
