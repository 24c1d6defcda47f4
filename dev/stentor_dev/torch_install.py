"""`python -m stentor_dev.torch_install NOTE [--cuda] [--required] -- PIP-ARGUMENTS`: pip install of what
needs torch, which stops before it fetches CUDA for a machine that has no use for it.

PyTorch's wheels for Linux come with CUDA from some places and for the CPU alone from others; pip's own
configuration and arguments say where it looks. pip names what it is going to fetch before it fetches it:
where NVIDIA's libraries are among that and there is no NVIDIA device, it is ended there, nothing is
installed, and the file NOTE says what to do. After an installation NOTE is empty. With `--cuda` they are
taken anyhow; with `--required` leaving them out is a failure.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

LEFT_OUT = (
    "Summaries are left out: pip would fetch torch with several gigabytes of CUDA here, and this machine has "
    'no NVIDIA device. PyTorch also offers builds for the CPU alone; its page "Get started" (choose Pip and '
    "CPU) shows the index that has them. Then run `make summaries TORCH_INDEX=<that address>`, or name the "
    "index in pip's configuration and run `make summaries`. `make summaries CUDA=yes` takes CUDA anyhow."
)

_CUDA = re.compile(
    r"\s*(?:Collecting|Downloading|Using cached|Processing)\s+(?:\S*/)?(?:nvidia|cuda)[-_]", re.I
)


def main(arguments: Sequence[str]) -> int:
    own, pip = arguments[: arguments.index("--")], arguments[arguments.index("--") + 1 :]
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *pip]
    note = Path(own[0])
    status = install(command, cuda="--cuda" in own or has_nvidia())
    if status is None:
        note.write_text(LEFT_OUT + "\n")
        sys.stderr.write(LEFT_OUT + "\n")
        return 1 if "--required" in own else 0
    if status == 0:
        note.write_text("")
    return status


def install(command: Sequence[str], *, cuda: bool) -> int | None:
    """Runs pip, showing what it says. Its exit status; None when it was ended because of CUDA."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            if not cuda and _CUDA.match(line):
                pip.terminate()
                pip.communicate()
                return None
            sys.stdout.write(line)
            sys.stdout.flush()
    return pip.returncode


def has_nvidia() -> bool:
    """Whether the driver of an NVIDIA device is at work."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return False
    listed = subprocess.run([program, "-L"], capture_output=True, text=True, check=False)
    return listed.returncode == 0 and "GPU" in listed.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
