"""What the machine has that models run on."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

NVIDIA = Path("/proc/driver/nvidia/gpus")
MODEL = "Model:"


@dataclass(frozen=True, slots=True)
class Machine:
    cpus: int
    memory_bytes: int
    gpus: tuple[str, ...] = ()
    """Names of its accelerators as their driver tells them: `NVIDIA A10G`."""

    @classmethod
    def this(cls) -> Self:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return cls(cpus=os.cpu_count() or 1, memory_bytes=memory, gpus=_accelerators(NVIDIA))

    def having(self, name: str) -> int:
        """How many accelerators of a name there are; any will do for `any`."""
        if name.lower() == "any":
            return len(self.gpus)
        return sum(_words(name) <= _words(gpu) for gpu in self.gpus)


def _accelerators(folder: Path) -> tuple[str, ...]:
    names = []
    for file in sorted(folder.glob("*/information")):
        for line in file.read_text(errors="replace").splitlines():
            if line.startswith(MODEL):
                names.append(line.removeprefix(MODEL).strip())
    return tuple(names)


def _words(name: str) -> set[str]:
    """`A100` is meant by `NVIDIA A100-SXM4-40GB`, and `A10` not by `NVIDIA A10G`."""
    return set(re.findall(r"[a-z0-9]+", name.lower()))
