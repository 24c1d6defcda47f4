"""What a replica may see, use and know: the plan of its sandbox, and its environment variables."""

import os
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stentor_deploy import runner
from stentor_deploy.runner.sandbox import Plan
from stentor_deploy.running import RunSpec
from stentor_deploy.settings import DeploySettings

MIB: Final = 1024**2
SOCKET: Final = -1
"""Stands in commands for the socket that is handed down."""
RUNNER: Final = Path(str(runner.__file__)).parent

SYSTEM: Final = (
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/bin",
    "/sbin",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/fonts",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/pki",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl",
    "/etc/timezone",
    "/sys/devices/system",
    "/sys/fs/cgroup",
)
"""Libraries and programs of the system, and what they read. No folder that holds what is somebody's."""

PROCESS: Final = (
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys",
    "/proc/uptime",
    "/proc/version",
)
DEVICES: Final = tuple(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom"))
SHARED: Final = ("/dev/shm", "/tmp")  # noqa: S108 - mounted for the replica alone
ACCELERATORS: Final = ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset")

DATA_ROOM: Final = 256 * MIB
"""Address space for data beyond the limit of memory: much of it is never used."""

OWN_USERS: Final = range(60_578, 61_184)
"""Users that nobody else gives out, for servers that run as the superuser."""

KEPT_VARIABLES: Final = ("PATH", "HOME", "TMPDIR", "PORT", "HOSTNAME", "IFS", "SHELL", "BASH_ENV", "ENV")
KEPT_PREFIXES: Final = ("LD_", "DYLD_", "PYTHON", "STENTOR_", "GLIBC_")


@dataclass(frozen=True, slots=True)
class Place:
    """What one replica has of its own."""

    scratch: Path
    """Folder with a folder `tmp`; removed when it has ended."""
    uid: int
    accelerators: str = ""
    """Their numbers, joined by commas."""

    def make(self) -> None:
        """Its folders, anew."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        for folder in (self.scratch, self.scratch / "tmp"):
            folder.mkdir(parents=True, mode=0o700)
            if os.geteuid() == 0:
                os.chown(folder, self.uid, self.uid)


def plan(spec: RunSpec, settings: DeploySettings, place: Place, command: list[str]) -> Plan:
    """For a replica that writes to its scratch folder alone."""
    off, required = settings.isolation == "off", settings.isolation == "required"
    return Plan(
        read=[*map(str, files(spec)), *PROCESS, "/proc/self"],
        write=[str(place.scratch), *DEVICES, *_shared(spec, place), *_accelerators(spec)],
        limits=limits(spec),
        command=command,
        environment=variables(spec, place),
        network=spec.network,
        uid=place.uid if os.geteuid() == 0 else None,
        shared_bytes=max(64 * MIB, spec.limits.memory_bytes // 4),
        off=off,
        required=required,
    )


def files(spec: RunSpec) -> Iterable[Path | str]:
    """What a replica reads: the system, its interpreter, its environment, its package and the runner."""
    yield from SYSTEM
    yield from interpreter(spec.python)
    yield from (spec.environment_folder, spec.folder, RUNNER)


def _shared(spec: RunSpec, place: Place) -> list[str]:
    """Where it may write besides: nowhere that holds, deeper down, what it may only read."""
    needed = [Path(each) for each in (*files(spec), place.scratch)]
    return [folder for folder in SHARED if not any(each.resolve().is_relative_to(folder) for each in needed)]


def interpreter(python: Path) -> set[Path]:
    """Folders of a Python: where its name leads, step by step."""
    found, path = set(), python
    for _ in range(10):
        found.add(path.parent.parent)
        if not path.is_symlink():
            break
        path = path.parent / path.readlink()
    real = python.resolve().parent.parent
    # A system's own Python lies in /usr, which is there already; never the root of all.
    return {each for each in (*found, real) if len(each.parts) > 1}


def limits(spec: RunSpec) -> dict[str, int]:
    most = spec.limits
    found = {"NOFILE": 4096, "NPROC": most.processes, "FSIZE": most.scratch_bytes}
    if not spec.gpus:
        # With an accelerator far more addresses are reserved than memory is used.
        found["DATA"] = most.memory_bytes + DATA_ROOM
    return found


def variables(spec: RunSpec, place: Place) -> dict[str, str]:
    """Nothing of the server's own environment; the package's, but for those that others rely on."""
    scratch, threads = place.scratch, str(spec.limits.threads)
    own = {
        "PATH": f"{spec.python.parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(scratch),
        "TMPDIR": str(scratch / "tmp"),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
    }
    libraries = {
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "NUMEXPR_MAX_THREADS": threads,
        "TOKENIZERS_PARALLELISM": "false",
        "XDG_CACHE_HOME": str(scratch / "cache"),
        "HF_HOME": str(scratch / "cache" / "huggingface"),
        "MPLCONFIGDIR": str(scratch / "cache"),
        "NUMBA_CACHE_DIR": str(scratch / "cache" / "numba"),
    }
    if not spec.network:
        # Where no hub can be reached libraries say so at once, instead of trying for a minute.
        libraries |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    asked = {name: value for name, value in spec.variables.items() if may_set(name)}
    return libraries | asked | own | {"CUDA_VISIBLE_DEVICES": place.accelerators}


def may_set(name: str) -> bool:
    return name not in KEPT_VARIABLES and not name.startswith(KEPT_PREFIXES)


def _accelerators(spec: RunSpec) -> list[str]:
    if not spec.gpus:
        return []
    cards = [str(path) for path in Path("/dev").glob("nvidia[0-9]*")]
    return [*ACCELERATORS, *cards, "/dev/nvidia-caps", "/proc/driver/nvidia"]


def launcher(plan_end: int, socket_end: int) -> list[str]:
    """The command that reads a plan and becomes the runner."""
    return [sys.executable, "-I", "-S", str(RUNNER / "launch.py"), str(plan_end), str(socket_end)]


def runner_command(spec: RunSpec) -> list[str]:
    return [*_runner(spec), "--socket", str(SOCKET)]


def standby_command(spec: RunSpec, descriptors: int) -> list[str]:
    return [*_runner(spec), "--standby", str(SOCKET), str(descriptors)]


def _runner(spec: RunSpec) -> list[str]:
    return [str(spec.python), "-B", "-s", str(RUNNER / "main.py")]
