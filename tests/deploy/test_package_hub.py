"""Weights that a package only names: where they are looked for, and what is said when they are nowhere."""

from pathlib import Path

import pytest
import yaml

from stentor_deploy.errors import BadPackage
from stentor_deploy.packages import Format, Package
from stentor_deploy.packages.draft import DEFAULTS
from stentor_deploy.packages.hub import Shelves, bring_weights

NAME = "our/tiny"


@pytest.fixture
def package() -> Package:
    metadata = {"transformer_config": {"model": NAME, "revision": None}}
    return Package(format=Format.truss, config={**DEFAULTS, "model_metadata": metadata}, hub_model=NAME)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def shelves(folder: Path, most_bytes: int = 1000) -> Shelves:
    return Shelves(folder, download=False, most_bytes=most_bytes)


def weights(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "pytorch_model.bin", "evil.py", "vocab.txt"):
        (folder / name).write_text(name)


async def test_they_come_from_the_operators_folder_without_code_or_doubles(
    tmp_path: Path, package: Package
) -> None:
    weights(tmp_path / "models" / NAME)
    into = tmp_path / "package"
    into.mkdir()
    brought = await bring_weights(package, into, shelves(tmp_path))
    found = sorted(path.name for path in (into / "data" / "model").iterdir())
    assert found == ["config.json", "model.safetensors", "vocab.txt"]
    assert brought.hub_model is None
    written = yaml.safe_load((into / "config.yaml").read_text())
    for config in (brought.config, written):
        assert config["model_metadata"]["transformer_config"] == {"model": "data/model", "revision": None}
    assert package.config["model_metadata"]["transformer_config"]["model"] == NAME


async def test_they_come_from_the_hubs_cache_whose_links_are_followed(
    tmp_path: Path, cache: Path, package: Package
) -> None:
    weights(cache / "blobs")
    snapshot = cache / "models--our--tiny" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (snapshot / name).symlink_to(cache / "blobs" / name)
    (tmp_path / "package").mkdir()
    await bring_weights(package, tmp_path / "package", shelves(tmp_path))
    assert not (tmp_path / "package" / "data" / "model" / "config.json").is_symlink()


async def test_what_is_nowhere_is_asked_for(tmp_path: Path, package: Package) -> None:
    with pytest.raises(BadPackage, match="save_pretrained") as refused:
        await bring_weights(package, tmp_path, shelves(tmp_path))
    assert "models/our/tiny" in refused.value.message


async def test_what_is_too_large_is_not_brought(tmp_path: Path, package: Package) -> None:
    weights(tmp_path / "models" / NAME)
    with pytest.raises(BadPackage, match="limit of 10"):
        await bring_weights(package, tmp_path / "package", shelves(tmp_path, most_bytes=10))
    assert not (tmp_path / "package").exists()


@pytest.mark.parametrize("name", ["../../etc", "a/b/c", "/etc/passwd", ""])
async def test_a_name_leads_out_of_no_folder(tmp_path: Path, package: Package, name: str) -> None:
    with pytest.raises(BadPackage, match="no name of a model"):
        await bring_weights(package.model_copy(update={"hub_model": name}), tmp_path, shelves(tmp_path))
