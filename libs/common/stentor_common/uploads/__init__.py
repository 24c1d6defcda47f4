"""Files that clients send: streamed into the store, kept for a while, then swept away."""

from stentor_common.uploads.form import Form, Take, needed, read_form
from stentor_common.uploads.repository import UploadRepository
from stentor_common.uploads.storing import (
    UploadEmpty,
    UploadTooLarge,
    delete,
    discard,
    in_pieces,
    receive,
    sweep,
)
from stentor_common.uploads.table import Upload, store_key

__all__ = [
    "Form",
    "Take",
    "Upload",
    "UploadEmpty",
    "UploadRepository",
    "UploadTooLarge",
    "delete",
    "discard",
    "in_pieces",
    "needed",
    "read_form",
    "receive",
    "store_key",
    "sweep",
]
