"""Tensors as JSON holds them, and the values that models take and give. No more than Python is needed.

The types and their names are those of the Open Inference Protocol, version 2.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stentor_common.errors import BadInput

MOST_DIMENSIONS = 32
MOST_ELEMENTS = 16 * 1024**2
EXACT = 2**53
"""Whole numbers up to this are the same as floating-point numbers."""


@dataclass(frozen=True, slots=True)
class Datatype:
    """How elements look: the code of `struct` (none for BYTES), and the Python values that are one."""

    code: str
    fits: Callable[[Any], bool]


def _integer(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _number(value: Any) -> bool:
    return type(value) in (int, float)


DATATYPES: Mapping[str, Datatype] = {
    "BOOL": Datatype("?", lambda value: value is True or value is False or value in (0, 1)),
    **{
        f"UINT{bits}": Datatype(code, _integer(0, 2**bits - 1))
        for bits, code in ((8, "B"), (16, "H"), (32, "I"), (64, "Q"))
    },
    **{
        f"INT{bits}": Datatype(code, _integer(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
        for bits, code in ((8, "b"), (16, "h"), (32, "i"), (64, "q"))
    },
    "FP16": Datatype("e", _number),
    "FP32": Datatype("f", _number),
    "FP64": Datatype("d", _number),
    "BYTES": Datatype("", lambda value: isinstance(value, str | bytes)),
}


@dataclass(frozen=True, slots=True)
class Tensor:
    name: str
    datatype: str
    shape: tuple[int, ...]
    data: Sequence[Any]
    """All elements, row by row."""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def value(self) -> Any:
        """Nested lists of this shape; the element itself for a shape without dimensions."""
        if not self.shape:
            return self.data[0]
        found = list(self.data)
        for size in reversed(self.shape[1:]):
            found = [found[at : at + size] for at in range(0, len(found), size)] if size else []
        return found


def checked_shape(name: str, sent: Any) -> tuple[int, ...]:
    """A shape as it came. Raises BadInput."""
    if not isinstance(sent, list) or len(sent) > MOST_DIMENSIONS:
        raise wrong(name, "shape", f"must be a list of at most {MOST_DIMENSIONS} sizes")
    if not all(type(size) is int and size >= 0 for size in sent):
        raise wrong(name, "shape", "holds something that is no size: whole numbers from 0 are")
    if 0 in sent[1:]:
        raise wrong(name, "shape", "has rows of no elements; only the first dimension may be 0")
    if math.prod(sent) > MOST_ELEMENTS:
        raise wrong(name, "shape", f"has more than {MOST_ELEMENTS} elements")
    return tuple(sent)


def checked_data(name: str, datatype: str, shape: tuple[int, ...], sent: Any) -> list[Any]:
    """Elements as JSON holds them, flat or nested as the shape says. Raises BadInput."""
    if not isinstance(sent, list):
        # One element alone may come without a list around it.
        sent = [sent]
    flat = _flat(name, shape, sent)
    count = math.prod(shape)
    if len(flat) != count:
        raise wrong(name, "data", f"has {len(flat)} elements, and the shape {list(shape)} asks for {count}")
    fits = DATATYPES[datatype].fits
    for at, element in enumerate(flat):
        if not fits(element):
            raise wrong(name, "data", f"has an element that is no {datatype}: {_shown(element)}, number {at}")
    return list(map(bool, flat)) if datatype == "BOOL" else flat


def tensor_of(name: str, value: Any) -> Tensor:
    """What a model gave, as the tensor that holds it without loss; as JSON in a tensor of text where none
    does: rows of different lengths, numbers among texts, objects, null."""
    shape, flat = _measured(value if isinstance(value, list) else [value])
    datatype = _datatype_of(flat) if flat is not None else None
    if flat is None or datatype is None:
        return Tensor(name, "BYTES", (1,), [json.dumps(value)], {"content_type": "json"})
    return Tensor(name, datatype, shape, flat)


def wrong(name: str, what: str, message: str) -> BadInput:
    return BadInput(f"input {name!r}: the {what} {message}", param=f"inputs.{name}.{what}")


def _flat(name: str, shape: tuple[int, ...], sent: list[Any]) -> list[Any]:
    """Elements row by row. Nested lists must be of the shape, so that there is one way to read them."""
    if not any(isinstance(element, list) for element in sent):
        return sent
    rows: list[Any] = [sent]
    for size in shape:
        if not all(isinstance(row, list) and len(row) == size for row in rows):
            raise wrong(name, "data", f"is not of the shape {list(shape)}")
        rows = [element for row in rows for element in row]
    return rows


def _measured(value: list[Any]) -> tuple[tuple[int, ...], list[Any] | None]:
    """The shape of nested lists and their elements; None in place of these where rows differ in length."""
    shape, level = [len(value)], value
    while level and isinstance(level[0], list):
        width = len(level[0])
        if not width or not all(isinstance(row, list) and len(row) == width for row in level):
            return tuple(shape), None
        shape.append(width)
        level = [element for row in level for element in row]
    return tuple(shape), level


def _datatype_of(flat: Sequence[Any]) -> str | None:
    """The type that holds all of these without loss."""
    kinds = set(map(type, flat))
    if kinds == {bool}:
        return "BOOL"
    if kinds == {str}:
        return "BYTES"
    if kinds == {int}:
        return next((name for name in ("INT64", "UINT64") if all(map(DATATYPES[name].fits, flat))), None)
    if kinds <= {int, float} and all(abs(each) <= EXACT for each in flat if type(each) is int):
        return "FP64"
    return None


def _shown(element: Any) -> str:
    return repr(element) if isinstance(element, int | float | str | None) and len(str(element)) < 40 else "…"
