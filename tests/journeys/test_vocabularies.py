"""Named vocabularies: hot-words and spellings saved once and named in requests."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from stentor_common.testing import sound

Headers = dict[str, str]
SignUp = Callable[[str], Awaitable[Headers]]

PATH = "/v1/vocabularies/novel"
NOVEL = {
    "hotwords": [{"text": "Elinor", "boost": 12.5}, "Norland", "Marianne:-3"],
    "spelling": [{"heard": "world", "written": "Wörld"}, "how=How"],
}
FILE = {"file": ("talk.wav", sound(), "audio/wav")}
WAIT = {"Prefer": "wait=20"}


async def transcribed(client: httpx2.AsyncClient, headers: Headers, **form: Any) -> dict[str, Any]:
    answer = await client.post("/v1/transcriptions", files=FILE, data=form, headers={**headers, **WAIT})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_vocabulary_is_saved_read_listed_replaced_and_deleted(
    api: httpx2.AsyncClient, sign_up: SignUp
) -> None:
    ada = await sign_up("ada")
    saved = (await api.put(PATH, json=NOVEL, headers=ada)).json()
    assert (saved["object"], saved["name"]) == ("vocabulary", "novel")
    assert saved["hotwords"] == [
        {"text": "Elinor", "boost": 12.5},
        {"text": "Norland", "boost": 7.5},
        {"text": "Marianne", "boost": -3.0},
    ]
    assert saved["spelling"][1] == {"heard": "how", "written": "How"}
    assert (await api.get(PATH, headers=ada)).json() == saved
    assert (await api.get("/v1/vocabularies", headers=ada)).json()["data"] == [saved]

    replaced = (await api.put(PATH, json={"hotwords": ["Barton"]}, headers=ada)).json()
    assert [each["text"] for each in replaced["hotwords"]] == ["Barton"]
    assert replaced["spelling"] == []

    assert (await api.delete(PATH, headers=ada)).status_code == 204
    assert (await api.get(PATH, headers=ada)).json()["error"]["code"] == "vocabulary_not_found"


async def test_its_spellings_are_found_in_the_transcript_and_the_requests_own_come_first(
    client: httpx2.AsyncClient, sign_up: SignUp
) -> None:
    ada = await sign_up("ada")
    await client.put(PATH, json=NOVEL, headers=ada)
    done = await transcribed(client, ada, vocabulary="novel")
    assert done["text"] == "Hello Wörld. How are you?"
    assert done["words"][1]["text"] == "Wörld."
    done = await transcribed(client, ada, vocabulary="novel", spelling="World=globe,hello=Hi")
    assert done["text"] == "Hi globe. How are you?"


async def test_it_belongs_to_whoever_saved_it(api: httpx2.AsyncClient, sign_up: SignUp) -> None:
    ada, eve = await sign_up("ada"), await sign_up("eve")
    await api.put(PATH, json=NOVEL, headers=ada)
    assert (await api.get(PATH, headers=eve)).status_code == 404
    assert (await api.get("/v1/vocabularies", headers=eve)).json()["data"] == []
    refused = await api.post("/v1/transcriptions", files=FILE, data={"vocabulary": "novel"}, headers=eve)
    assert refused.status_code == 404
    assert refused.json()["error"]["param"] == "vocabulary"
    assert (await api.put(PATH, json=NOVEL)).status_code == 401


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"hotwords": [{"text": "Elinor", "boost": 5000}]}, "hotwords.0.boost"),
        ({"hotwords": [""]}, "hotwords.0.text"),
        ({"spelling": ["heard, not written"]}, "spelling.0"),
        ({"words": ["Elinor"]}, "words"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    api: httpx2.AsyncClient, sign_up: SignUp, body: dict[str, Any], param: str
) -> None:
    refused = await api.put(PATH, json=body, headers=await sign_up("ada"))
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == param
