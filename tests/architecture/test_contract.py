"""docs/openapi.json and docs/settings.md are what the code says."""

from pathlib import Path

from stentor_allinone.contract import as_text, contract
from stentor_allinone.settings_page import page

DOCS = Path(__file__).parents[2] / "docs"


async def test_the_written_contract_is_the_one_that_is_served() -> None:
    same = as_text(await contract()) == (DOCS / "openapi.json").read_text()
    assert same, "the HTTP contract has changed: run `make reference` and look at what git says about it"


def test_the_written_settings_are_the_ones_that_are_read() -> None:
    same = page() == (DOCS / "settings.md").read_text()
    assert same, "settings have changed: run `make reference` and look at what git says about it"
