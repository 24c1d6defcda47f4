"""Names of deployments: part of addresses and of names in a cluster, so lower case, digits and `-`."""

import re
import uuid

from stentor_common.errors import BadInput

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
TAKEN = frozenset({"whisper"})
"""Names at `/endpoints/…` that are not for models."""

ENDINGS = re.compile(r"(\.tar)?(\.(gz|tgz|tar|zip|joblib|pkl|pickle|onnx|pt|pth|git))+$", re.IGNORECASE)
MOST = 63


def checked(name: str) -> str:
    """The name. Raises BadInput, with one that would do."""
    if not NAME.fullmatch(name):
        raise BadInput(
            f"{name[:64]!r} is no name for a deployment: 1 to {MOST} of a-z, 0-9 and `-`, not `-` at an end; "
            f"{slug(name)!r} would do",
            param="name",
        )
    if name in TAKEN or _is_id(name):
        raise BadInput(f"the name {name!r} is used for something else; choose another", param="name")
    return name


def slug(text: str) -> str:
    """The nearest thing to a text that is a name."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:MOST].strip("-")
    return f"{plain}-model"[:MOST] if plain in TAKEN or _is_id(plain) else plain or "model"


def of_file(filename: str) -> str:
    """What a file, or a repository, is called after."""
    return slug(ENDINGS.sub("", filename.replace("\\", "/").rstrip("/").rpartition("/")[2]))


def _is_id(name: str) -> bool:
    """Where a name is taken an id is taken too; the two must not be mixed up."""
    try:
        uuid.UUID(name)
    except ValueError:
        return False
    return True
