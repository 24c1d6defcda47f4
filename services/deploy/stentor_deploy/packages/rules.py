"""What an operator allows of packages, and what is said of one beside its files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from stentor_common.fetch import Reach
from stentor_deploy.packages.machine import Machine
from stentor_deploy.settings import DeploySettings

MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Rules:
    """Limits of what is opened; see the settings of the same names."""

    max_package_bytes: int = 2048 * MIB
    max_unpacked_bytes: int = 8192 * MIB
    max_files: int = 20_000
    max_ratio: int = 200
    """Most bytes that one byte of an archive may become, once they are many."""
    git_seconds: float = 300
    network: bool = False
    """Whether files may be fetched that a package names by their URL."""
    machine: Machine | None = None
    """The one that models run on; None: a cluster decides what it has."""
    reach: Reach = field(default_factory=Reach)
    """Where repositories may be fetched from."""

    @classmethod
    def of(cls, settings: DeploySettings) -> Self:
        """Also looks at this machine, if models run on it."""
        return cls(
            max_package_bytes=settings.max_package_bytes,
            max_unpacked_bytes=settings.max_unpacked_bytes,
            max_files=settings.max_package_files,
            network=settings.allow_network,
            machine=Machine.this() if settings.driver == "process" else None,
            reach=Reach.to(settings.fetch_allowed),
        )


@dataclass(frozen=True, slots=True)
class Given:
    """What the request says of a package beside its files; it wins over what they say."""

    name: str | None = None
    file_name: str | None = None
    """Of the upload, as its sender calls it: tells what a single file of weights is."""
    framework: str | None = None
    """`sklearn`, `pytorch`, `onnx`, `transformers`: of weights without a configuration."""
    task: str | None = None
    """Of a transformers pipeline, as `fill-mask`."""
    requirements: Sequence[str] | str | None = None
    """In place of the package's own: a list, or the text of a requirements file."""
    python: str | None = None
    """`3.11`"""
    extra: Mapping[str, Path] = field(default_factory=dict)
    """Files put beside the model: the path within the package, to where they are now."""
    allow_cpu: bool = False
    """Run without the accelerator that the package names, if it is not there."""
