"""Packages of PyTorch and transformers: tiny models, made on the spot, answer the same when packed."""

import importlib
import importlib.util
import io
import json
import warnings
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stentor_deploy.errors import BadPackage
from stentor_deploy.packages.opening import open_package
from stentor_deploy.packages.packer import Packing, pack_torch, pack_transformers
from stentor_deploy.packages.rules import Given, Rules

pytestmark = [
    pytest.mark.models,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:TypedStorage is deprecated"),
]

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "day", "a"]
Served = Callable[..., Any]


@pytest.fixture
def served(tmp_path: Path) -> Served:
    def serve(source: Path, **given: Any) -> Any:
        root = tmp_path / "package"
        config = open_package(source, root, Rules(), Given(**given)).config
        spec = importlib.util.spec_from_file_location(
            "served", root / config["model_module_dir"] / "model.py"
        )
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        model = module.Model(config=config, data_dir=root / "data")
        model.load()
        return model

    return serve


@pytest.fixture
def torch() -> Any:
    return importlib.import_module("torch")


@pytest.fixture
def transformers() -> Any:
    return importlib.import_module("transformers")


@pytest.fixture
def doubling(torch: Any) -> Any:
    layer = torch.nn.Linear(2, 1, bias=False)
    layer.weight.data = torch.tensor([[2.0, 3.0]])
    return layer


class TestTorch:
    def test_a_module_answers_as_torchscript(self, served: Served, tmp_path: Path, doubling: Any) -> None:
        model = served(pack_torch(doubling, tmp_path / "packed", Packing(example=[[1, 1]])))
        assert model.predict([[1, 2], [0, 0]]) == {"predictions": [[8.0], [0.0]]}
        assert model.predict({"inputs": [[1, 2]]}) == {"predictions": [[8.0]]}
        assert model.predict({"input": [[1, 2]]}) == {"predictions": [[8.0]]}

    def test_whole_numbers_stay_such_for_an_embedding(
        self, served: Served, tmp_path: Path, torch: Any
    ) -> None:
        words = torch.nn.Sequential(torch.nn.Embedding(4, 2), torch.nn.Flatten())
        torch.jit.script(words).save(str(tmp_path / "words.pt"))
        found = served(tmp_path / "words.pt").predict([[0, 3]])["predictions"]
        assert np.allclose(found, words(torch.tensor([[0, 3]])).detach().numpy())

    def test_a_package_of_torch_is_run(self, served: Served, tmp_path: Path, doubling: Any) -> None:
        path = tmp_path / "model.pt"
        with importlib.import_module("torch.package").PackageExporter(str(path)) as exporter:
            exporter.extern("torch.**")
            exporter.save_pickle("net", "model.pkl", doubling)
        assert served(path).predict([[1, 1]]) == {"predictions": [[5.0]]}

    def test_weights_without_code_are_refused(
        self, served: Served, tmp_path: Path, doubling: Any, torch: Any
    ) -> None:
        path = tmp_path / "model.pt"
        torch.save(doubling.state_dict(), path)
        with pytest.raises(BadPackage, match=r"torch\.jit"):
            served(path)


@pytest.fixture
def vocabulary(tmp_path: Path, transformers: Any) -> Any:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(WORDS))
    return transformers.BertTokenizer(str(path))


@pytest.fixture
def small(torch: Any, transformers: Any) -> Any:
    """The measures of a model of a few thousand weights."""
    torch.manual_seed(0)
    return transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
    )


class TestTransformers:
    def test_a_pipeline_is_packed_with_its_weights(
        self, served: Served, tmp_path: Path, vocabulary: Any, small: Any, transformers: Any
    ) -> None:
        weights = transformers.BertForMaskedLM(small).eval()
        made = transformers.pipeline("fill-mask", model=weights, tokenizer=vocabulary, device=-1)
        packing = Packing(example="a [MASK] day")
        model = served(pack_transformers(made, tmp_path / "packed", packing))
        found = model.predict("a [MASK] day")["predictions"]
        assert [each["token_str"] for each in found] == [each["token_str"] for each in made("a [MASK] day")]

    def test_a_saved_folder_is_served_by_its_task(
        self, served: Served, tmp_path: Path, vocabulary: Any, small: Any, transformers: Any
    ) -> None:
        folder = tmp_path / "saved"
        transformers.BertForSequenceClassification(small).save_pretrained(folder)
        vocabulary.save_pretrained(folder)
        model = served(folder)
        assert len(model.predict(["good day", "bad day"])["predictions"]) == 2
        asked = {"inputs": "good day", "parameters": {"top_k": 2}}
        assert {each["label"] for each in model.predict(asked)["predictions"]} == {"LABEL_0", "LABEL_1"}

    def test_speech_comes_as_samples_or_as_a_file(
        self, served: Served, tmp_path: Path, transformers: Any
    ) -> None:
        folder = tmp_path / "saved"
        save_speech_model(transformers, folder)
        model = served(folder)
        tone = np.sin(np.arange(16_000) / 20)
        at_16 = model.predict(tone.tolist())
        assert set(at_16["predictions"]) == {"text"}
        assert model.predict({"raw": tone.tolist(), "sampling_rate": 16_000}) == at_16
        assert model.predict(wav(tone, 16_000)).keys() == at_16.keys()
        assert model.predict(wav(tone[::2], 8_000)).keys() == at_16.keys()
        with pytest.raises(ValueError, match="no WAV file"):
            model.predict(b"ID3")


def save_speech_model(transformers: Any, folder: Path) -> None:
    folder.mkdir()
    letters = folder / "vocab.json"
    letters.write_text(json.dumps({"<pad>": 0, "<unk>": 1, "|": 2, "A": 3, "B": 4}))
    transformers.Wav2Vec2CTCTokenizer(str(letters)).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    config = transformers.Wav2Vec2Config(
        vocab_size=5,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8, 8),
        conv_stride=(8, 8),
        conv_kernel=(10, 8),
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        num_feat_extract_layers=2,
        apply_spec_augment=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformers.Wav2Vec2ForCTC(config).save_pretrained(folder)


def wav(samples: Any, rate: int) -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return content.getvalue()
