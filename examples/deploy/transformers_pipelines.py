"""Pipelines of transformers, from weights that are made on the spot: their answers mean nothing, and no model
hub is asked for anything. In place of `tiny(...)` comes `pipeline("fill-mask", model="...")`.

Say which: fill-mask, text-classification, feature-extraction, automatic-speech-recognition.
"""

import importlib
import io
import json
import math
import struct
import sys
import tempfile
import wave
from pathlib import Path
from typing import Any

from deploy_client import deploy, predict

from stentor_deploy.packages.packer import Packing, archived, pack_transformers

transformers: Any = importlib.import_module("transformers")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "good", "bad", "day"]
CLASSES = {
    "fill-mask": "BertForMaskedLM",
    "text-classification": "BertForSequenceClassification",
    "feature-extraction": "BertModel",
}
SPEECH = "automatic-speech-recognition"
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


def tiny(task: str, folder: Path) -> Any:
    """A pipeline with a few thousand weights."""
    if task == SPEECH:
        return tiny_speech(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    config = transformers.BertConfig(vocab_size=len(WORDS), max_position_embeddings=32, **SMALL)
    model = getattr(transformers, CLASSES[task])(config).eval()
    tokenizer = transformers.BertTokenizer(str(folder / "vocab.txt"))
    return transformers.pipeline(task, model=model, tokenizer=tokenizer, device=-1)


def tiny_speech(folder: Path) -> Any:
    path = folder / "vocab.json"
    path.write_text(json.dumps({"<pad>": 0, "<unk>": 1, "|": 2, "A": 3, "B": 4}))
    convolutions = {"conv_dim": (8, 8), "conv_stride": (8, 8), "conv_kernel": (10, 8)}
    positions = {"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}
    config = transformers.Wav2Vec2Config(vocab_size=5, **convolutions, **positions, **SMALL)
    return transformers.pipeline(
        SPEECH,
        model=transformers.Wav2Vec2ForCTC(config).eval(),
        tokenizer=transformers.Wav2Vec2CTCTokenizer(str(path)),
        feature_extractor=transformers.Wav2Vec2FeatureExtractor(),
        device=-1,
    )


def tone() -> bytes:
    """A second of sound as a WAV file."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        samples = (int(20_000 * math.sin(moment / 20)) for moment in range(16_000))
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return content.getvalue()


def main(tasks: list[str]) -> None:
    for task in tasks or [*CLASSES, SPEECH]:
        with tempfile.TemporaryDirectory() as made, tempfile.TemporaryDirectory() as packed:
            pipeline = tiny(task, Path(made))
            example = None if task == SPEECH else "a [MASK] day"
            packing = Packing(name=task, example=example)
            deploy(task, archived(pack_transformers(pipeline, Path(packed), packing)))
        answer = predict(task, tone() if task == SPEECH else "a [MASK] day")
        print(task, json.dumps(answer)[:200])


if __name__ == "__main__":
    main(sys.argv[1:])
