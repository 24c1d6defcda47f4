"""Runs the published `slashml` client with models of torch and transformers: URL, API token, the folder with
these libraries, and the folder in which an operator keeps weights, as arguments.

The weights are made here, without training: answers are compared, not judged.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

url, token, libraries, shelf = sys.argv[1:]
# After the client's own, whose numpy it pins.
sys.path.append(libraries)

import torch  # noqa: E402
from slashml import ModelDeployment  # noqa: E402
from slashml_torch_model import Doubler  # type: ignore[import-not-found]  # noqa: E402
from transformers import BertConfig, BertForMaskedLM, BertTokenizer, pipeline  # noqa: E402

TEXT = "the cat sat on the [MASK]"

ModelDeployment._base_url = f"{url}/model-deployment/v1"
client = ModelDeployment(api_key=token)
torch.manual_seed(0)


def answer(name: str, model: Any, asked: Any) -> dict[str, Any]:
    made = client.deploy(model_name=name, model=model)
    status = client.status(model_version_id=made.id)
    while status.status not in ("READY", "FAILED"):
        time.sleep(0.3)
        status = client.status(model_version_id=made.id)
    found: dict[str, Any] = {"status": status.to_dict()}
    if status.status == "READY":
        response = client.predict(model_version_id=made.id, model_input=asked).model_response
        found["predictions"] = response["predictions"]
    return found


def tiny_bert(folder: Path) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "dog", "sat", "on", "mat"]
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(words))
    tokenizer = BertTokenizer(str(folder / "vocab.txt"))
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
    )
    BertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def scores(found: list[dict[str, Any]]) -> list[tuple[str, float]]:
    return [(each["token_str"], round(each["score"], 4)) for each in found]


folder = Path(shelf) / "our" / "tiny-bert"
tiny_bert(folder)
fill = pipeline("fill-mask", model=str(folder))
expected = fill(TEXT)
# As if it had come from the hub: packages of this client hold nothing but the name.
fill.model.name_or_path = fill.model.config._name_or_path = "our/tiny-bert"
filled = answer("filler", fill, TEXT)

rows = [[1.0, 2.0, 3.0]]
doubler = Doubler()
doubled = answer("doubler", doubler, rows)

sys.stdout.write(
    json.dumps(
        {
            "filler": filled["status"],
            "filled": scores(filled.get("predictions", [])),
            "expected_filled": scores(expected),
            "doubler": doubled["status"],
            "doubled": doubled.get("predictions"),
            "expected_doubled": doubler(torch.tensor(rows)).tolist(),
        }
    )
)
