"""Watches what processes of this machine use, where the system tells (Linux)."""

import asyncio
import os
from pathlib import Path
from typing import Final

from stentor_deploy.running import Limits
from stentor_deploy.running.child import Child

SECONDS: Final = 0.5
ROUNDS_PER_DISK: Final = 10
MIB: Final = 1024**2
PAGE: Final = os.sysconf("SC_PAGE_SIZE")
MOST_FILES: Final = 20_000


async def watch(child: Child, limits: Limits, scratch: Path) -> None:
    """Ends it, with the reason, when it and what it started use more than they may."""
    pid, count = child.process.pid, 0
    while not child.ended.done():
        await asyncio.sleep(SECONDS)
        count += 1
        reason = await asyncio.to_thread(over, pid, limits)
        if not reason and count % ROUNDS_PER_DISK == 0:
            reason = await asyncio.to_thread(over_disk, scratch, limits)
        if reason:
            child.output.say(reason)
            await child.end(reason)


def over(pid: int, limits: Limits) -> str:
    """What it has too much of, or nothing."""
    processes = tree(pid)
    if len(processes) > limits.processes:
        return f"it started {len(processes)} processes; the limit is {limits.processes}"
    # Resident pages are cheap to count, and shared ones are counted twice; only what looks too much is
    # counted in earnest.
    if sum(map(resident, processes)) <= limits.memory_bytes:
        return ""
    used = sum(map(proportional, processes))
    if used <= limits.memory_bytes:
        return ""
    return f"it used {used // MIB} MiB of memory; the limit is {limits.memory_bytes // MIB} MiB"


def over_disk(scratch: Path, limits: Limits) -> str:
    used = files = 0
    for folder, _, names in os.walk(scratch):
        for name in names:
            files += 1
            try:
                used += (Path(folder) / name).lstat().st_blocks * 512
            except OSError:
                continue
        if used > limits.scratch_bytes or files > MOST_FILES:
            most = limits.scratch_bytes // MIB
            return f"it wrote {used // MIB} MiB in {files} files; it may write {most} MiB in {MOST_FILES}"
    return ""


def tree(pid: int) -> list[int]:
    """It and all that it started, as far as the system tells."""
    found, coming = [], [pid]
    while coming:
        process = coming.pop()
        found.append(process)
        try:
            for thread in Path(f"/proc/{process}/task").iterdir():
                coming += map(int, (thread / "children").read_text().split())
        except OSError:
            continue
    return found


def resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError, ValueError):
        return 0


def proportional(pid: int) -> int:
    """Pages shared with others counted by halves, thirds, and so on."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, IndexError, ValueError):
        pass
    return resident(pid)
