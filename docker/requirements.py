"""What the product asks for, with some of its extras, as lines for pip.

So libraries are installed before the product's own code is there.

`python requirements.py EXTRA,EXTRA "PACKAGE PACKAGE"`, beside pyproject.toml. Standard library only.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OWN = re.compile(r"stentor\[(?P<extras>[^]]*)\]")


def requirements(project: dict[str, Any], extras: list[str]) -> Iterator[str]:
    """Raises KeyError for an extra that there is not."""
    yield from project["dependencies"]
    for extra in extras:
        for line in project["optional-dependencies"][extra]:
            if own := OWN.fullmatch(line):
                yield from requirements({**project, "dependencies": []}, own["extras"].split(","))
            else:
                yield line


if __name__ == "__main__":
    described = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    lines = [
        *requirements(described, [name for name in sys.argv[1].split(",") if name]),
        *sys.argv[2].split(),
    ]
    sys.stdout.writelines(f"{line}\n" for line in dict.fromkeys(lines))
