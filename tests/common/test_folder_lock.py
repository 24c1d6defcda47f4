"""A data folder belongs to one process at a time."""

import subprocess
import sys
from pathlib import Path

import pytest

from stentor_common.folder_lock import FolderInUse, locked_folder
from stentor_common.runtime import open_runtime
from stentor_common.settings import Settings

HOLD = """
import sys
from pathlib import Path
from stentor_common.folder_lock import locked_folder
with locked_folder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_one_is_refused_and_told_whom_to_stop(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(FolderInUse, match=f"process {holder.pid}.*STENTOR_DATA_DIR"),
            locked_folder(tmp_path),
        ):
            pass
        holder.kill()
        holder.wait()
        with locked_folder(tmp_path):
            pass


def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    with locked_folder(tmp_path / "new" / "one"):
        assert (tmp_path / "new" / "one").is_dir()


async def test_the_embedded_form_takes_its_folder_for_itself(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    async with open_runtime(settings):
        with pytest.raises(FolderInUse):
            async with open_runtime(settings):
                pass
    async with open_runtime(settings):
        pass
