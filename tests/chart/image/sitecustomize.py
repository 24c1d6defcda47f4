"""Read by Python at its start: what is not in an image cannot be imported, though this machine has it.

`STENTOR_IMAGE_LACKS` is a file with the names of those modules.
"""

import os
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

LISTED = os.environ.get("STENTOR_IMAGE_LACKS")


class NotInTheImage(MetaPathFinder):
    """First to be asked for a module; finds none, and forbids some."""

    def __init__(self, lacking: set[str]) -> None:
        self._lacking = lacking

    def find_spec(self, fullname: str, _path: object = None, _target: object = None) -> None:
        top = fullname.partition(".")[0]
        if top in self._lacking:
            raise ModuleNotFoundError(f"the image has no {top}", name=fullname)


if LISTED:
    sys.meta_path.insert(0, NotInTheImage(set(Path(LISTED).read_text().split())))
