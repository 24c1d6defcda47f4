"""Base of all request and response models."""

from pydantic import BaseModel, ConfigDict


class Wire(BaseModel):
    """What goes over the wire. Unknown fields in a request are refused, not ignored."""

    model_config = ConfigDict(extra="forbid", from_attributes=True, use_attribute_docstrings=True)
