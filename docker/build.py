"""Builds the images that images.toml lists, with Docker's buildx, podman or buildah, whichever there is.

`python docker/build.py --tag 0.1.0` builds all for this machine; names after it build some; `--push` sends
them to the registry; `--print` only says the commands. Standard library only.
"""

import argparse
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SITE = "/opt/stentor/lib/python3.11/site-packages"
BUILDERS = {
    "docker": ("docker", "buildx", "build"),
    "podman": ("podman", "build"),
    "buildah": ("buildah", "build"),
}
WORKS = {"docker": ("buildx", "inspect"), "podman": ("info",), "buildah": ("info",)}
"""Words that a builder answers where it can build."""
PROCESSORS_ONLY = "--torch-backend cpu"
"""Words that have uv take PyTorch from its own index of builds for processors."""


class NoBuilder(RuntimeError):
    """Nothing here builds images."""


def images() -> dict[str, dict[str, Any]]:
    """As images.toml lists them."""
    found: dict[str, dict[str, Any]] = tomllib.loads((HERE / "images.toml").read_text())["images"]
    return found


def arguments(name: str, image: Mapping[str, Any], indexes: str = "", torch: str = "") -> dict[str, str]:
    """What the Dockerfile is told about one image; `indexes` and `torch` are words for pip and uv."""
    return {
        "NAME": name,
        "WHAT": image["what"],
        "EXTRAS": ",".join(image["extras"]),
        "PACKAGES": " ".join(image.get("packages", [])),
        "LOOSE": " ".join(image.get("loose", [])),
        "SYSTEM": " ".join(image.get("system", [])),
        "LIBRARIES": ":".join(f"{SITE}/{folder}" for folder in image.get("libraries", [])),
        "INDEXES": indexes,
        "TORCH": torch if image.get("torch") == "cpu" else "",
    }


def builder() -> str:
    """The first of BUILDERS that works here. Raises NoBuilder."""
    for name, words in WORKS.items():
        found = shutil.which(name)
        if found and not subprocess.run([found, *words], check=False, capture_output=True).returncode:  # noqa: S603
            return name
    raise NoBuilder(
        "images are built by Docker with buildx, by podman or by buildah, and none of them works here; "
        "on Debian and Ubuntu: apt-get install buildah"
    )


def commands(name: str, asked: argparse.Namespace) -> list[list[str]]:
    """The words that build one image, and push it if that is asked for."""
    torch = f"--extra-index-url {asked.torch_index}" if asked.torch_index else PROCESSORS_ONLY
    told = arguments(name, images()[name], asked.indexes, torch) | {
        "VERSION": asked.tag,
        "REVISION": asked.revision,
        **({"PYTHON": asked.base} if asked.base else {}),
    }
    tag = f"{asked.registry}/stentor-{name}:{asked.tag}"
    # A bill of materials, and how it was made, go with an image that Docker pushes.
    pushed = ["--push", "--sbom=true", "--provenance=mode=max"] if asked.push else ["--load"]
    # The others keep no layers of a build in between unless they are told to.
    own = pushed if asked.builder == "docker" else ["--layers"]
    build = [
        *(*BUILDERS[asked.builder], "--file", str(HERE / "Dockerfile")),
        *(word for key, value in told.items() for word in ("--build-arg", f"{key}={value}")),
        *(["--platform", asked.platform] if asked.platform else []),
        *(*asked.more, "--tag", tag, *own, str(HERE.parent)),
    ]
    return [build, *([[asked.builder, "push", tag]] if asked.push and asked.builder != "docker" else [])]


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = found.add_argument
    add("names", nargs="*", metavar="NAME", help=f"of {', '.join(images())}; default: all")
    add("--tag", required=True, help="version of the images")
    add("--registry", default="ghcr.io/stentor", help="where they belong")
    add("--builder", choices=BUILDERS, help="default: the first of these that is here")
    add("--base", default="", help="image with Python 3.11 on Debian, instead of the usual one")
    add("--indexes", default="", help="words for pip and uv, such as '--index-url https://…'")
    add("--torch-index", default="", help="index with CPU builds of PyTorch, instead of PyTorch's own")
    add("--revision", default="", help="commit they are made of")
    add("--platform", default="", help="such as linux/arm64")
    add("--more", default=[], type=shlex.split, help="further words for the builder")
    add("--push", action="store_true", help="send them to the registry")
    add("--print", action="store_true", help="only say the commands")
    return found


def main() -> int:
    asked = parser().parse_args()
    if unknown := set(asked.names) - images().keys():
        parser().error(f"there is no image {min(unknown)}; there are {', '.join(images())}")
    try:
        asked.builder = asked.builder or builder()
    except NoBuilder as none:
        parser().error(str(none))
    for name in asked.names or images():
        for words in commands(name, asked):
            if asked.print:
                sys.stdout.write(shlex.join(words) + "\n")
            elif subprocess.run(words, check=False).returncode:  # noqa: S603  fixed words, settings of the caller
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
