"""What a model takes and gives, in tensors: as its package declares it, else as its examples show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stentor_deploy.contracts.openinference.tensors import DATATYPES, tensor_of
from stentor_deploy.packages import Package
from stentor_deploy.trials import Trial

INPUT, OUTPUT = "input", "output"
"""Names of what a model takes and gives that has none of its own."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One tensor that a model takes or gives."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    """-1: any size."""
    scalar: bool = False
    """The model knows it as a single value, not as a list of one."""
    content_type: str | None = None
    """`json`: any value, as JSON in a text."""

    def described(self) -> dict[str, Any]:
        told = {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}
        return told | ({"parameters": {"content_type": self.content_type}} if self.content_type else {})


@dataclass(frozen=True, slots=True)
class Signature:
    inputs: tuple[Slot, ...] = ()
    outputs: tuple[Slot, ...] = ()
    by_name: bool = False
    """The model takes an object with its inputs, also where it is a single one."""

    def slot(self, name: str) -> Slot | None:
        return next((slot for slot in self.inputs if slot.name == name), None)


def signature_of(package: Package, trial: Trial) -> Signature:
    """What `model_metadata` declares as `inputs` and `outputs`, or the first example and its answer show."""
    metadata = package.config.get("model_metadata")
    declared = metadata if isinstance(metadata, Mapping) else {}
    example = package.examples[0] if package.examples else None
    answer = package.expected[0] if package.expected else None
    if answer is None and trial.examples:
        answer = trial.examples[0].output
    inputs = _declared(declared.get("inputs"))
    outputs = _declared(declared.get("outputs"))
    if example is not None and not inputs:
        inputs = _shown(INPUT, example)
    if answer is not None and not outputs:
        outputs = _shown(OUTPUT, answer)
    return Signature(inputs, outputs, by_name=_by_name(example, inputs))


def _by_name(example: Any, inputs: Sequence[Slot]) -> bool:
    """Whether the example is an object that has these inputs."""
    return isinstance(example, Mapping) and bool(inputs) and all(slot.name in example for slot in inputs)


def _declared(listed: Any) -> tuple[Slot, ...]:
    """What can be read of it: packages of others may hold anything there."""
    if not isinstance(listed, Sequence):
        return ()
    slots = [_slot(each) for each in listed if isinstance(each, Mapping)]
    return tuple(slot for slot in slots if slot)


def _slot(declared: Mapping[str, Any]) -> Slot | None:
    name, datatype, shape = (declared.get(key) for key in ("name", "datatype", "shape"))
    sizes = shape if isinstance(shape, Sequence) and not isinstance(shape, str) else ()
    if not isinstance(name, str) or datatype not in DATATYPES or not all(type(size) is int for size in sizes):
        return None
    return Slot(name, str(datatype), tuple(sizes))


def _shown(name: str, example: Any) -> tuple[Slot, ...]:
    """The tensors of an example: one for each key of an object, else one of this name."""
    if isinstance(example, Mapping) and example and all(isinstance(key, str) for key in example):
        return tuple(_of_example(key, value) for key, value in example.items())
    return (_of_example(name, example),)


def _of_example(name: str, value: Any) -> Slot:
    tensor = tensor_of(name, value)
    content_type = tensor.parameters.get("content_type")
    scalar = not isinstance(value, list)
    # How many there are is the caller's affair; how long each is belongs to the model.
    shape = tensor.shape if scalar or content_type else (-1, *tensor.shape[1:])
    return Slot(name, tensor.datatype, shape, scalar, content_type)
