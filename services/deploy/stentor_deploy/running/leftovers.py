"""What an earlier server left behind when it was ended without a word."""

import contextlib
import os
import re
import shutil
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Final

OF_A_REPLICA: Final = re.compile(r".+-(\d+)\.(\d+)-\d+")
"""Name of its scratch folder: the revision, the process of its server and when that began, a number."""


def scratch_name(revision: str, number: int) -> str:
    return f"{revision}-{os.getpid()}.{_began(os.getpid())}-{number}"


def clear(folder: Path) -> None:
    """Ends processes whose home is a folder of a server that is gone, and removes the folder. Servers that
    share `folder` and live keep theirs."""
    left = [path for path in folder.glob("*-*.*-*") if _is_left(path.name)]
    end_at_home(left)
    for path in left:
        shutil.rmtree(path, ignore_errors=True)


def end_at_home(folders: Iterable[Path]) -> None:
    """Ends processes whose home is one of these folders, or lies in one, whoever has started them."""
    homes = tuple(f"HOME={path}/".encode() for path in folders)
    for process in Path("/proc").glob("[0-9]*") if homes else ():
        with contextlib.suppress(OSError):
            variables = (process / "environ").read_bytes().split(b"\0")
            if any((each + b"/").startswith(homes) for each in variables):
                os.kill(int(process.name), signal.SIGKILL)


def _is_left(name: str) -> bool:
    """Process numbers come again, in containers the same each time; together with their beginning they do
    not."""
    matched = OF_A_REPLICA.fullmatch(name)
    return matched is not None and _began(int(matched[1])) != int(matched[2])


def _began(process: int) -> int:
    """In ticks since the system began; 0 where it does not tell, -1 where there is no such process."""
    try:
        with contextlib.suppress(PermissionError):
            os.kill(process, 0)
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19])
    except ProcessLookupError:
        return -1
    except (OSError, IndexError, ValueError):
        return 0
