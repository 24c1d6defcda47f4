"""Weights that only the model hub could have."""

from pathlib import Path

import httpx2
import pytest

from stentor_common.shelf import ModelNotFound
from stentor_summarize.engines import EngineSettings, weights


def test_a_hub_that_does_not_answer_is_told_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(hub_name: str) -> list[str]:
        # What the hub's library raises after its own attempts, which take half a minute.
        raise httpx2.ConnectError("Name or service not known")

    monkeypatch.setattr(weights, "list_repo_files", unreachable)
    with pytest.raises(ModelNotFound, match="check the name and the network, or put"):
        weights.folder_of("transformers", EngineSettings("our/model", tmp_path))
