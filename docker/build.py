"""Builds the images that images.toml lists, with Docker's buildx.

`python docker/build.py --tag 0.1.0` builds all for this machine; names after it build some; `--push` sends
them to the registry; `--print` only says the commands. Standard library only.
"""

import argparse
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SITE = "/opt/stentor/lib/python3.11/site-packages"


def images() -> dict[str, dict[str, Any]]:
    """As images.toml lists them."""
    found: dict[str, dict[str, Any]] = tomllib.loads((HERE / "images.toml").read_text())["images"]
    return found


def arguments(name: str, image: Mapping[str, Any], torch_index: str) -> dict[str, str]:
    """What the Dockerfile is told about one image."""
    return {
        "NAME": name,
        "WHAT": image["what"],
        "EXTRAS": ",".join(image["extras"]),
        "PACKAGES": " ".join(image.get("packages", [])),
        "LOOSE": " ".join(image.get("loose", [])),
        "SYSTEM": " ".join(image.get("system", [])),
        "LIBRARIES": ":".join(f"{SITE}/{folder}" for folder in image.get("libraries", [])),
        "TORCH_INDEX": torch_index if image.get("torch") == "cpu" else "",
    }


def command(name: str, asked: argparse.Namespace) -> list[str]:
    """The words that build one image."""
    told = arguments(name, images()[name], asked.torch_index) | {
        "VERSION": asked.tag,
        "REVISION": asked.revision,
    }
    # A bill of materials, and how it was made, go with an image that is pushed.
    attached = ["--push", "--sbom=true", "--provenance=mode=max"] if asked.push else ["--load"]
    return [
        *("docker", "buildx", "build", "--file", str(HERE / "Dockerfile")),
        *(word for key, value in told.items() for word in ("--build-arg", f"{key}={value}")),
        *(["--platform", asked.platform] if asked.platform else []),
        *("--tag", f"{asked.registry}/stentor-{name}:{asked.tag}", *attached, str(HERE.parent)),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(images())}; default: all")
    parser.add_argument("--tag", required=True, help="version of the images")
    parser.add_argument("--registry", default="ghcr.io/stentor", help="where they belong")
    parser.add_argument("--torch-index", default="", help="index with CPU builds of PyTorch")
    parser.add_argument("--revision", default="", help="commit they are made of")
    parser.add_argument("--platform", default="", help="such as linux/arm64")
    parser.add_argument("--push", action="store_true", help="send them to the registry")
    parser.add_argument("--print", action="store_true", help="only say the commands")
    asked = parser.parse_args()
    for name in asked.names or images():
        if name not in images():
            parser.error(f"there is no image {name}")
        words = command(name, asked)
        if asked.print:
            sys.stdout.write(shlex.join(words) + "\n")
        elif subprocess.run(words, check=False).returncode:  # noqa: S603  fixed words, settings of the caller
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
