"""docs/openapi.json is what the code says."""

from pathlib import Path

from stentor_allinone.contract import as_text, contract

FROZEN = Path(__file__).parents[2] / "docs" / "openapi.json"


async def test_the_written_contract_is_the_one_that_is_served() -> None:
    same = as_text(await contract()) == FROZEN.read_text()
    assert same, "the HTTP contract has changed: run `make openapi` and look at what git says about it"
