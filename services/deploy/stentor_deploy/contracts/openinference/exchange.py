"""Requests for inference and their answers, as the protocol has them and as models take and give them."""

import base64
import binascii
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from stentor_common.errors import BadInput
from stentor_common.forms import checked
from stentor_deploy.contracts.calls import json_payload, value_of
from stentor_deploy.contracts.openinference.binary import packed, unpacked
from stentor_deploy.contracts.openinference.signature import OUTPUT, Signature, Slot
from stentor_deploy.contracts.openinference.tensors import (
    DATATYPES,
    Tensor,
    checked_data,
    checked_shape,
    tensor_of,
    wrong,
)
from stentor_deploy.running import Payload, PayloadKind

JSON_LENGTH = "Inference-Header-Content-Length"
"""The header that says how long the JSON of a body is, after which its binary tensors come."""

Parameters = dict[str, Any]


class InputTensor(BaseModel):
    model_config = ConfigDict(extra="ignore", use_attribute_docstrings=True)

    name: str = Field(max_length=256)
    shape: Any
    """Sizes of the dimensions."""
    datatype: str
    """`BOOL`, `UINT8` … `UINT64`, `INT8` … `INT64`, `FP16`, `FP32`, `FP64`, `BYTES`."""
    parameters: Parameters = {}
    """`binary_data_size`: so many bytes after the JSON are its data. `content_type` of BYTES: `json` for any
    value as JSON text, `base64` for a file."""
    data: Any = None
    """All elements, row by row, flat or nested."""


class OutputWanted(BaseModel):
    model_config = ConfigDict(extra="ignore", use_attribute_docstrings=True)

    name: str
    parameters: Parameters = {}
    """`binary_data`: its bytes come after the JSON."""


class InferRequest(BaseModel):
    model_config = ConfigDict(extra="ignore", use_attribute_docstrings=True)

    id: str | None = None
    """Told again in the answer."""
    parameters: Parameters = {}
    """`binary_data_output`: all outputs come as bytes after the JSON."""
    inputs: list[InputTensor] = Field(min_length=1, max_length=1000)
    outputs: list[OutputWanted] = Field(default=[], max_length=1000)
    """Those that are wanted; without any, all."""


@dataclass(frozen=True, slots=True)
class Inference:
    """A request that was read."""

    request: InferRequest
    tensors: tuple[Tensor, ...]


def read(body: bytes, json_length: str | None) -> Inference:
    """Raises BadInput, RequestValidationError."""
    size = _json_size(body, json_length)
    try:
        sent = json.loads(body[:size])
    except (ValueError, RecursionError):
        raise BadInput("the request body is not valid JSON") from None
    if not isinstance(sent, dict):
        raise BadInput("the request body must be a JSON object")
    request = checked(InferRequest, sent)
    rest, tensors = body[size:], []
    for each in request.inputs:
        tensor, rest = _tensor(each, rest)
        tensors.append(tensor)
    if rest:
        raise BadInput(f"{len(rest)} bytes after the JSON belong to no input; see its binary_data_size")
    if len({tensor.name for tensor in tensors}) != len(tensors):
        raise BadInput("two inputs have the same name", param="inputs")
    return Inference(request, tuple(tensors))


def payload_of(tensors: Sequence[Tensor], signature: Signature) -> Payload:
    """What the model is given: the value of a single tensor, an object of several by their names. A file
    alone is given as bytes. Raises BadInput."""
    alone = tensors[0] if len(tensors) == 1 else None
    if alone and (file := _file(alone)) is not None:
        return Payload(file, PayloadKind.bytes)
    values = {tensor.name: _value(tensor, _slot(signature, tensor, alone)) for tensor in tensors}
    return json_payload(values[alone.name] if alone and not signature.by_name else values)


def outputs_of(payload: Payload) -> list[Tensor]:
    """The answer of a model as tensors: one for each key of an object."""
    if payload.kind is PayloadKind.bytes:
        return [Tensor(OUTPUT, "BYTES", (1,), [payload.body])]
    value = value_of(payload)
    if isinstance(value, dict) and value:
        return [tensor_of(name, each) for name, each in value.items()]
    return [tensor_of(OUTPUT, value)]


def written(
    told: Mapping[str, Any], request: InferRequest, outputs: Sequence[Tensor]
) -> tuple[bytes, dict[str, str]]:
    """The body of an answer, and the headers that say what it is. Raises BadInput for an output that there
    is not."""
    whole = request.parameters.get("binary_data_output") is True
    described, binaries = [], []
    for tensor, wish in _wanted(outputs, request.outputs):
        head: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
        if (wish.parameters.get("binary_data", whole) if wish else whole) is True:
            binaries.append(packed(tensor))
            head["parameters"] = {**tensor.parameters, "binary_data_size": len(binaries[-1])}
        else:
            head |= _in_json(tensor)
        described.append(head)
    body = json.dumps({**told, "outputs": described}, separators=(",", ":")).encode()
    if not binaries:
        return body, {"Content-Type": "application/json"}
    headers = {"Content-Type": "application/octet-stream", JSON_LENGTH: str(len(body))}
    return b"".join([body, *binaries]), headers


def _in_json(tensor: Tensor) -> dict[str, Any]:
    data, parameters = list(tensor.data), tensor.parameters
    if data and isinstance(data[0], bytes):
        data = [base64.b64encode(each).decode() for each in data]
        parameters = {"content_type": "base64"}
    return {"parameters": dict(parameters), "data": data} if parameters else {"data": data}


def _json_size(body: bytes, json_length: str | None) -> int:
    if json_length is None:
        return len(body)
    if not (json_length.isascii() and json_length.isdigit() and int(json_length) <= len(body)):
        raise BadInput(f"{JSON_LENGTH} must be how many bytes of the body are JSON")
    return int(json_length)


def _tensor(sent: InputTensor, rest: bytes) -> tuple[Tensor, bytes]:
    """The tensor, and what is left of the bytes after the JSON."""
    if sent.datatype not in DATATYPES:
        known = ", ".join(DATATYPES)
        raise wrong(sent.name, "datatype", f"{sent.datatype[:32]!r} is not known; it must be one of {known}")
    shape = checked_shape(sent.name, sent.shape)
    size = sent.parameters.get("binary_data_size")
    if size is None:
        if sent.data is None:
            raise wrong(sent.name, "data", "is missing")
        data = checked_data(sent.name, sent.datatype, shape, sent.data)
    else:
        if type(size) is not int or not 0 <= size <= len(rest):
            raise wrong(sent.name, "data", f"should be binary_data_size bytes, and {len(rest)} have come")
        data = unpacked(sent.name, sent.datatype, math.prod(shape), rest[:size])
        rest = rest[size:]
    return Tensor(sent.name, sent.datatype, shape, data, sent.parameters), rest


def _slot(signature: Signature, tensor: Tensor, alone: Tensor | None) -> Slot | None:
    """What the model knows this input as. A single one is meant whatever its name."""
    if alone and len(signature.inputs) == 1 and not signature.by_name:
        return signature.inputs[0]
    return signature.slot(tensor.name)


def _value(tensor: Tensor, slot: Slot | None) -> Any:
    if tensor.datatype == "BYTES":
        texts = [_text(tensor.name, element) for element in tensor.data]
        tensor = Tensor(tensor.name, tensor.datatype, tensor.shape, texts, tensor.parameters)
        kind = tensor.parameters.get("content_type") or (slot and slot.content_type)
        if kind == "json":
            return _from_json(tensor)
    one = slot is not None and slot.scalar and len(tensor.data) == 1
    return tensor.data[0] if one else tensor.value()


def _from_json(tensor: Tensor) -> Any:
    if len(tensor.data) != 1:
        raise wrong(tensor.name, "data", "must be a single text, which is JSON")
    try:
        return json.loads(tensor.data[0])
    except (ValueError, RecursionError):
        raise wrong(tensor.name, "data", "is not valid JSON, as the content_type json asks for") from None


def _file(tensor: Tensor) -> bytes | None:
    """The content of a file: base64 that says so, or bytes that are no text."""
    if tensor.datatype != "BYTES" or len(tensor.data) != 1:
        return None
    element = tensor.data[0]
    declared = tensor.parameters.get("content_type") == "base64"
    if isinstance(element, bytes):
        return element if declared or not _is_text(element) else None
    if not declared:
        return None
    try:
        return base64.b64decode(element, validate=True)
    except (binascii.Error, ValueError):
        raise wrong(tensor.name, "data", "is not base64, as the content_type base64 says") from None


def _is_text(element: bytes) -> bool:
    try:
        element.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text(name: str, element: str | bytes) -> str:
    if isinstance(element, str):
        return element
    try:
        return element.decode()
    except UnicodeDecodeError:
        raise wrong(
            name, "data", "holds bytes that are no text; a file must be the only element of the only input"
        ) from None


def _wanted(
    outputs: Sequence[Tensor], wishes: Sequence[OutputWanted]
) -> list[tuple[Tensor, OutputWanted | None]]:
    if not wishes:
        return [(tensor, None) for tensor in outputs]
    by_name = {tensor.name: tensor for tensor in outputs}
    for wish in wishes:
        if wish.name not in by_name:
            known = ", ".join(by_name)
            raise BadInput(
                f"the model gives no output {wish.name[:64]!r}; there is {known}", param="outputs.name"
            )
    return [(by_name[wish.name], wish) for wish in wishes]
