"""What models take and give, as bytes and back. Libraries of numbers are known by what their values do."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import enum
import json
import math
import os
import uuid
from collections.abc import Mapping
from typing import Any

from stentor_deploy.runner import frames

MOST_NESTED = 200


class NotTellable(TypeError):
    """A model's answer has a part that JSON cannot tell."""


def decode(kind: int, body: bytes) -> Any:
    """What the model is given. Raises ValueError for JSON that is none."""
    if kind == frames.JSON:
        return json.loads(body)
    return body.decode() if kind == frames.TEXT else body


def encode(value: Any) -> frames.Answered:
    """A whole answer: bytes and web responses as they are, everything else as JSON. Raises NotTellable."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return frames.Answered(frames.BYTES, bytes(value))
    body, media_type = getattr(value, "body", None), getattr(value, "media_type", None)
    if isinstance(body, bytes) and hasattr(value, "media_type"):
        # A response of a web framework, as current packages may give.
        return frames.Answered(frames.BYTES, body, str(media_type or "application/octet-stream"))
    return encode_json(value)


def encode_part(value: Any) -> frames.Answered:
    """A part of a stream: text stays text."""
    if isinstance(value, str):
        return frames.Answered(frames.TEXT, value.encode(errors="replace"))
    return encode(value)


def encode_json(value: Any) -> frames.Answered:
    """Numbers that JSON does not know become null, and the answer is flagged. Raises NotTellable."""
    try:
        # Nearly every answer: plain, or arrays within plain. C does it in one go.
        return frames.Answered(frames.JSON, _dumps(value))
    except (ValueError, TypeError, RecursionError):
        flags = _Flags()
        plain = _plain(value, flags, 0)
        return frames.Answered(frames.JSON, _dumps(plain), "", frames.NON_FINITE if flags.non_finite else 0)


def _dumps(value: Any) -> bytes:
    text = json.dumps(value, default=told, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="replace")


def told(value: Any) -> Any:
    """What JSON tells of something it does not know: one step, parts may need another. Raises NotTellable."""
    for kinds, how in _STANDARD:
        if isinstance(value, kinds):
            return how(value)
    library = type(value).__module__.partition(".")[0]
    if library in _NUMBERS or hasattr(value, "__array__"):
        return _numbers(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if callable(getattr(value, "model_dump", None)):
        return value.model_dump(mode="json")
    if callable(getattr(value, "dict", None)) and hasattr(value, "__fields__"):
        return value.dict()
    raise NotTellable(
        f"the answer holds a {type(value).__module__}.{type(value).__qualname__}, which JSON cannot tell; "
        "return numbers, text, lists, dicts, arrays or bytes"
    )


_STANDARD: tuple[tuple[Any, Any], ...] = (
    ((bytes, bytearray, memoryview), lambda value: {"$b64": base64.b64encode(bytes(value)).decode()}),
    ((datetime.datetime, datetime.date, datetime.time), lambda value: value.isoformat()),
    (datetime.timedelta, lambda value: value.total_seconds()),
    ((decimal.Decimal, uuid.UUID, os.PathLike), str),
    (enum.Enum, lambda value: value.value),
    ((set, frozenset), list),
    (Mapping, dict),
    (BaseException, repr),
)

_NUMBERS = ("numpy", "torch", "jax", "jaxlib", "tensorflow", "pandas", "polars", "cupy", "pyarrow", "scipy")


def _numbers(value: Any) -> Any:
    """Arrays, tensors, frames and columns, by what they can do."""
    for step in ("detach", "cpu"):
        if callable(getattr(value, step, None)):
            value = getattr(value, step)()
    if callable(getattr(value, "toarray", None)):
        value = value.toarray()  # a sparse matrix
    if str(getattr(value, "dtype", "")) == "torch.bfloat16":
        value = value.float()
    if type(value).__name__ == "DataFrame" and callable(getattr(value, "to_dict", None)):
        # Of polars and of pandas.
        return value.to_dicts() if hasattr(value, "to_dicts") else value.to_dict("records")
    for name in ("tolist", "to_list", "to_pylist", "isoformat"):
        if callable(getattr(value, name, None)):
            return getattr(value, name)()
    return value.__array__().tolist() if hasattr(value, "__array__") else str(value)


@dataclasses.dataclass
class _Flags:
    non_finite: bool = False


def _plain(value: Any, flags: _Flags, depth: int) -> Any:
    if depth > MOST_NESTED:
        raise NotTellable(f"the answer is nested more than {MOST_NESTED} deep, or holds itself")
    if value is None or isinstance(value, (str, bool, int)):
        return value.value if isinstance(value, enum.Enum) else value
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        flags.non_finite = True
        return None
    if isinstance(value, dict):
        return {_key(key): _plain(part, flags, depth + 1) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part, flags, depth + 1) for part in value]
    return _plain(told(value), flags, depth + 1)


def _key(key: Any) -> str:
    if isinstance(key, (bool, type(None))):
        return json.dumps(key)
    plain = key.value if isinstance(key, enum.Enum) else key
    return plain.decode(errors="replace") if isinstance(plain, bytes) else str(plain)
