"""Services of OctoAI: `service.py` with one class that derives from `octoai.service.Service`.

Its own library is a web server and a client of a cloud that is gone; a small module stands in for the parts
that services are written with.
"""

from pathlib import Path

from stentor_deploy.errors import BadPackage
from stentor_deploy.packages import source_code
from stentor_deploy.packages.adapting import adapt
from stentor_deploy.packages.draft import Draft
from stentor_deploy.packages.folder import read_requirements

SERVICE_FILE = "service.py"
LIBRARY = "octoai-sdk"
BROUGHT = {
    "Image": ("pillow",),
    "Audio": ("numpy", "soundfile"),
    "Video": ("numpy", "imageio", "av"),
}
"""What media types need: the library would have brought it."""
IMPORTED = {"numpy": "numpy", "PIL": "pillow", "soundfile": "soundfile", "httpx": "httpx", "yaml": "pyyaml"}


def is_octoai(root: Path) -> bool:
    return (root / SERVICE_FILE).is_file()


def read_octoai(draft: Draft) -> None:
    """Raises BadPackage."""
    tree = source_code.parsed(draft.root / SERVICE_FILE)
    found = [node for node in source_code.classes(tree) if source_code.derives(node, "Service")]
    if not found:
        raise BadPackage(f"{SERVICE_FILE} must hold a class that derives from octoai.service.Service")
    if len(found) > 1:
        names = ", ".join(node.name for node in found)
        raise BadPackage(f"{SERVICE_FILE} has several services ({names}); keep one")
    if "infer" not in source_code.methods(found[0]):
        raise BadPackage(f"class {found[0].name} has no method infer")
    read_requirements(draft)
    draft.drop([LIBRARY], "a module of Stentor stands in for it")
    media = source_code.names_from(tree, "octoai.types")
    imported = source_code.imported(draft.root)
    draft.require(
        [
            "pydantic>=2.1",
            *(name for kind, names in BROUGHT.items() if kind in media for name in names),
            *(name for module, name in IMPORTED.items() if module in imported),
        ]
    )
    adapt(draft, "octoai_service", {"service_class": found[0].name})
