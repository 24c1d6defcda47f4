"""Tensors as bytes: little-endian, row by row, without gaps; a text as its length in four bytes, then itself.

The format is that of the binary tensor data extension of KServe and Triton. A body is JSON, as long as the
header says, and after it the bytes of its tensors one after the other.
"""

import struct
from typing import Any

from stentor_deploy.contracts.openinference.tensors import DATATYPES, Tensor, wrong

LENGTH = struct.Struct("<I")


def unpacked(name: str, datatype: str, count: int, raw: bytes) -> list[Any]:
    """The elements of a tensor; those of BYTES as bytes. Raises BadInput."""
    code = DATATYPES[datatype].code
    if not code:
        return _texts(name, count, raw)
    if len(raw) != count * struct.calcsize(f"<{code}"):
        raise wrong(name, "data", f"has {len(raw)} bytes, which is not the size of {count} {datatype}")
    return list(struct.unpack(f"<{count}{code}", raw))


def packed(tensor: Tensor) -> bytes:
    """A tensor as bytes."""
    code = DATATYPES[tensor.datatype].code
    if code:
        return struct.pack(f"<{len(tensor.data)}{code}", *tensor.data)
    encoded = [_encoded(element) for element in tensor.data]
    return b"".join(LENGTH.pack(len(each)) + each for each in encoded)


def _texts(name: str, count: int, raw: bytes) -> list[bytes]:
    found: list[bytes] = []
    at = 0
    while at < len(raw) and len(found) < count:
        if at + LENGTH.size > len(raw):
            break
        (length,) = LENGTH.unpack_from(raw, at)
        at += LENGTH.size + length
        found.append(raw[at - length : at])
    if at != len(raw) or len(found) != count:
        raise wrong(name, "data", f"does not hold exactly {count} elements, each after its length")
    return found


def _encoded(element: Any) -> bytes:
    return element if isinstance(element, bytes) else str(element).encode(errors="replace")
