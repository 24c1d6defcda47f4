"""The published client of the SlashML contract, unmodified, has texts summarized by the default model."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TEXT = (
    "The harbour board met on Tuesday to decide about the old pier. Engineers had warned in March that its "
    "timbers would not survive another winter. Repairs would cost four million pounds, the treasurer said, "
    "and there is money for half. Several fishermen spoke against closing it, because the nearest other "
    "landing is nine miles away. After two hours the board voted to close the pier in October and to build a "
    "smaller one beside it. The mayor called the decision painful and necessary. Tea was served afterwards. "
    "Work on the new pier is to begin in the spring and will take eighteen months. Until then boats may land "
    "at the naval yard, which has agreed to open its northern gate on weekdays."
)

pytestmark = [
    pytest.mark.live,
    pytest.mark.models,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        sys.version_info >= (3, 12), reason="the client pins libraries that have no build for this Python"
    ),
]


def test_the_published_client_has_texts_summarized(
    client_python: Callable[..., Path], run_client: Callable[..., dict[str, Any]], url: str, tmp_path: Path
) -> None:
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    said = run_client(client_python("slashml==0.1.6"), "slashml_summary.py", url, path)
    assert said["submitted"] == "IN_PROGRESS"
    assert said["polled"] in ("IN_PROGRESS", "COMPLETED")
    assert said["status"] == "COMPLETED"
    assert said["summaries"] == [{"summary_text": said["summary"]}]
    # The default model picks sentences and invents nothing.
    assert 0 < len(said["summary"]) < len(TEXT)
    assert all(f"{sentence.rstrip('.')}." in TEXT for sentence in said["summary"].split(". "))
    assert said["by_vendor"] == said["summary"]
    assert said["choices"] == ["openai", "hugging-face"]
