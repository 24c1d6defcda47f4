"""Tasks of transformers pipelines: https://huggingface.co/docs/transformers/main_classes/pipelines."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

BY_ARCHITECTURE = {
    "ForMaskedLM": "fill-mask",
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
    "ForCTC": "automatic-speech-recognition",
    "ForSpeechSeq2Seq": "automatic-speech-recognition",
    "WhisperForConditionalGeneration": "automatic-speech-recognition",
    "ForAudioClassification": "audio-classification",
    "ForImageClassification": "image-classification",
    "ForObjectDetection": "object-detection",
    "Model": "feature-extraction",
}
"""By the end of the name of a model's class; the first that fits."""

PIECES = ("spiece.model", "sentencepiece.bpe.model", "tokenizer.model")


def task_of(config: dict[str, Any]) -> str | None:
    """Of a model by its `config.json`, if it says so."""
    found = config.get("architectures")
    names = [name for name in found if isinstance(name, str)] if isinstance(found, list) else []
    return next((task for name in names for end, task in BY_ARCHITECTURE.items() if name.endswith(end)), None)


def needs_of(task: str, folder: Path) -> Iterator[str]:
    """What running a saved pipeline requires."""
    yield from ("transformers", "torch", "numpy")
    if task.startswith(("image", "object", "depth", "mask", "zero-shot-image", "visual", "document")):
        yield from ("pillow", "torchvision")
    if not (folder / "tokenizer.json").is_file() and any((folder / name).is_file() for name in PIECES):
        yield from ("sentencepiece", "protobuf")
