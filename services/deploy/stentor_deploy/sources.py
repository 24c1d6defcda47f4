"""What came for a revision, and what was said with it: kept with the revision, for its build."""

from enum import StrEnum
from typing import Any

from pydantic import Field

from stentor_deploy.packages import Frozen


class SourceKind(StrEnum):
    archive = "archive"
    file = "file"
    """Weights."""
    git = "git"


class Source(Frozen):
    kind: SourceKind
    called: str | None = None
    """What its sender calls the model, where that is no name of a deployment."""
    upload_id: str | None = None
    filename: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    git_url: str | None = None
    ref: str | None = None
    extra: dict[str, str] = Field(default_factory=dict)
    """Further files: name to upload."""
    framework: str | None = None
    task: str | None = None
    requirements: str | None = None
    """Lines that replace those of the package."""
    python: str | None = None
    examples: list[Any] | None = None
    """Inputs that replace the examples of the package, and the answers to them."""
    expected: list[Any] | None = None
    network: bool = False
    """Whether the model may reach other machines, where the installation allows that."""
    allow_mismatch: bool = False
    """Take other versions than a pickle was made with, and other answers than expected, with a note."""
    allow_cpu: bool = False
    """Run without the accelerator that the package names."""
    promote: bool = True
    """Give it all calls as soon as it is ready."""

    @property
    def uploads(self) -> list[str]:
        return [*([self.upload_id] if self.upload_id else []), *self.extra.values()]
