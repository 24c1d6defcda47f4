"""The key `resources` of a Truss configuration: cores, memory, accelerators."""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from stentor_deploy.errors import Unsupported
from stentor_deploy.packages import Resources
from stentor_deploy.packages.draft import Draft

QUANTITY = re.compile(r"(?P<number>\d{1,15}(?:\.\d{0,9})?|\.\d{1,9})(?P<unit>m|[kKMGTP]i?|)")
UNITS = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
UNITS |= {f"{unit}i": 1024**power for power, unit in enumerate("KMGTP", 1)}
ACCELERATOR = re.compile(r"(?P<name>[A-Za-z0-9][\w. -]*)(?::(?P<count>\d{1,3}))?")
ELSEWHERE = "one machine with one kind of accelerator runs a model here; remove it"
KNOWN = ("cpu", "memory", "accelerator", "use_gpu", "instance_type", "node_count", "fabric")


def resources(draft: Draft, value: Any) -> None:
    """Raises Unsupported also for what this machine has not."""
    if value is None:
        return
    if not isinstance(value, dict):
        raise Unsupported("resources", "must hold keys and values")
    unknown = [key for key in value if key not in KNOWN]
    if unknown:
        raise Unsupported(f"resources.{unknown[0]}", f"is not known; known are {', '.join(KNOWN)}")
    if value.get("instance_type"):
        raise Unsupported("resources.instance_type", "name cpu, memory and accelerator instead")
    if value.get("node_count") not in (None, 0, 1):
        raise Unsupported("resources.node_count", ELSEWHERE)
    if value.get("fabric"):
        raise Unsupported("resources.fabric", ELSEWHERE)
    gpu, gpus = _accelerator(draft, value)
    draft.fields["resources"] = Resources(
        cpus=_cpus(draft, value.get("cpu")),
        memory_bytes=_memory(draft, value.get("memory")),
        gpu=gpu,
        gpus=gpus,
    )
    draft.config["resources"] |= {key: each for key, each in value.items() if each is not None}
    draft.config["resources"]["use_gpu"] = gpus > 0


def quantity(key: str, value: Any) -> Decimal:
    """`500m` and `2Gi` as Kubernetes writes numbers."""
    found = QUANTITY.fullmatch(str(value).strip())
    if not found or isinstance(value, bool):
        raise Unsupported(key, f"{value!r} is no quantity; write it as 500m, 2 or 4Gi")
    try:
        number = Decimal(found["number"])
    except InvalidOperation:
        raise Unsupported(key, f"{value!r} is no quantity") from None
    return number / 1000 if found["unit"] == "m" else number * UNITS[found["unit"]]


def _cpus(draft: Draft, value: Any) -> float | None:
    if value is None:
        return None
    wanted = quantity("resources.cpu", value)
    machine = draft.rules.machine
    if machine and wanted > machine.cpus:
        raise Unsupported("resources.cpu", f"{wanted} cores are asked for; this machine has {machine.cpus}")
    return float(wanted)


def _memory(draft: Draft, value: Any) -> int | None:
    if value is None:
        return None
    wanted = int(quantity("resources.memory", value))
    machine = draft.rules.machine
    if machine and wanted > machine.memory_bytes:
        raise Unsupported(
            "resources.memory", f"{wanted} bytes are asked for; this machine has {machine.memory_bytes}"
        )
    return wanted


def _accelerator(draft: Draft, value: dict[str, Any]) -> tuple[str | None, int]:
    """Name and count of what it gets."""
    named = value.get("accelerator")
    if not named and not value.get("use_gpu"):
        return None, 0
    if not named:
        return _any(draft)
    found = ACCELERATOR.fullmatch(str(named).strip())
    if not found:
        raise Unsupported("resources.accelerator", f"{named!r} cannot be read; write it as T4 or A10G:2")
    name, count = found["name"], int(found["count"] or 1)
    machine = draft.rules.machine
    if not count or machine is None or machine.having(name) >= count:
        return (name, count) if count else (None, 0)
    if draft.given.allow_cpu:
        draft.note("no_accelerator", f"resources.accelerator: {named} is not here; it runs on the processor")
        return None, 0
    has = ", ".join(machine.gpus) or "no accelerator"
    raise Unsupported(
        "resources.accelerator",
        f"{named} is asked for; this machine has {has}. Deploy it with allow_cpu to run without",
    )


def _any(draft: Draft) -> tuple[str | None, int]:
    machine = draft.rules.machine
    if machine is None or machine.gpus:
        return "any", 1
    draft.note("no_accelerator", "resources.use_gpu: there is no accelerator; it runs on the processor")
    return None, 0
