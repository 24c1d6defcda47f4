"""Packages: what people upload, read safely and brought into one layout.

Whatever came (a Truss folder of either format, an MLflow model, an OctoAI service, a file of weights, a
folder with `model.py`), what is left is a folder in the layout of Truss that the runner knows, and a Package
that says how to build and run it.
"""

from datetime import date
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Format(StrEnum):
    truss = "truss"
    """A folder with `config.yaml`, old (`truss.create`) or current."""
    folder = "folder"
    """A folder with `model.py`, or `model/model.py`, and no configuration."""
    mlflow = "mlflow"
    octoai = "octoai"
    """A folder with `service.py`."""
    file = "file"
    """Weights of a framework that is named or known by the file."""


class Note(Frozen):
    """Something that was ignored, dropped or changed."""

    code: str
    message: str


class Resources(Frozen):
    cpus: float | None = None
    memory_bytes: int | None = None
    gpu: str | None = None
    """Name of an accelerator, as `T4`; `any` when one is wanted without a name."""
    gpus: int = 0


class ExternalFile(Frozen):
    url: str
    path: str
    """Where it goes, relative to the package's folder."""


class Package(Frozen):
    """What is known of a package after reading it. Kept as JSON with the revision."""

    format: Format
    framework: str | None = None
    """`sklearn`, `pytorch`, `transformers`, `onnx`, ... where it is known."""
    model_name: str | None = None
    description: str | None = None
    config: dict[str, Any]
    """Given to the model: its own configuration over the defaults, with secrets named, never with values."""
    requirements: tuple[str, ...] = ()
    """Lines as declared, before anything is resolved."""
    python: str | None = None
    """`3.8`, as asked for."""
    strict_python: bool = False
    made_on: date | None = None
    """Day of the newest file in the archive: what was meant by requirements without a version."""
    pickled_with: dict[str, str] = Field(default_factory=dict)
    """Library to version, read from pickles without loading them: `{"scikit-learn": "1.3.0"}`."""
    system_packages: tuple[str, ...] = ()
    variables: dict[str, str] = Field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    """Names of secrets that the model asks for."""
    resources: Resources = Resources()
    concurrency: int = 1
    """Calls of `predict` at a time."""
    replicas: int = 1
    batch: int | None = None
    """Most inputs in a call where the package says that lists may be joined; None: not said."""
    predict_seconds: float | None = None
    streaming_read_seconds: float = 60
    examples: tuple[Any, ...] = ()
    """Inputs to try it with when it is deployed."""
    expected: tuple[Any, ...] = ()
    """The answers to these, where the package has them: `expected[i]` to `examples[i]`. Those without an
    answer come last, so this may be the shorter one."""
    imports: tuple[str, ...] = ()
    """Top-level modules that its code imports; empty: not known."""
    external_data: tuple[ExternalFile, ...] = ()
    """Files to be fetched into its folder before it is built, see `external.py`."""
    hub_model: str | None = None
    """Name of weights that it does not hold, to be brought into its folder before it is built, see
    `hub.py`."""
    secret_values: dict[str, str] = Field(default_factory=dict, exclude=True, repr=False)
    """Values that the configuration held, taken out of the files. Never part of the JSON: they belong where
    secrets are kept."""
    notes: tuple[Note, ...] = ()
