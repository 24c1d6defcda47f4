"""What the operator allows environments, and where their packages come from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from stentor_deploy.settings import DeploySettings


@dataclass(frozen=True, slots=True)
class EnvironmentRules:
    """Of one server, see the settings of the same names."""

    pythons: tuple[Path, ...] = ()
    """Interpreters besides the one that runs Stentor."""
    index_url: str = ""
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    allow_source_builds: bool = False
    allow_url_requirements: bool = False
    build_seconds: float = 900
    keep_free_bytes: int = 512 * 1024**2
    """An environment that would leave less of the disk is not made."""

    @classmethod
    def of(cls, settings: DeploySettings) -> Self:
        return cls(
            pythons=tuple(settings.python),
            index_url=settings.index_url,
            extra_index_urls=tuple(settings.extra_index_urls),
            find_links=tuple(settings.find_links),
            allow_source_builds=settings.allow_source_builds,
            allow_url_requirements=settings.allow_url_requirements,
            build_seconds=settings.build_seconds,
        )
