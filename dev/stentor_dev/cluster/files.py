"""What containers find in their folders and variables."""

import base64
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from stentor_dev.cluster.objects import Manifest, Objects, Refused
from stentor_dev.cluster.processes import expanded


@dataclass(slots=True)
class PodFiles:
    objects: Objects
    pod: Manifest
    folder: Path
    address: str = ""
    """Of the pod, once it has one."""

    def make_volumes(self) -> bool:
        """Whether all could be made; a secret may come later than its pod."""
        for volume in self.pod["spec"].get("volumes", []):
            folder = self.folder / "volumes" / volume["name"]
            folder.mkdir(parents=True, exist_ok=True)
            if "secret" in volume:
                content = self._secret(volume["secret"]["secretName"])
                if content is None:
                    return False
                for name, text in content.items():
                    (folder / name).write_text(self.renamed(text))
        return True

    def missing(self, container: Manifest) -> str:
        """A secret that it takes a variable from, and that is not there."""
        for one in container.get("env", []):
            reference = one.get("valueFrom", {}).get("secretKeyRef")
            if reference and reference["key"] not in (self._secret(reference["name"]) or {}):
                return f'secret "{reference["name"]}" not found'
        return ""

    def environment(self, container: Manifest) -> dict[str, str]:
        values = {"PATH": f"{Path(sys.executable).parent}:{os.defpath}"}
        for one in container.get("env", []):
            match one.get("valueFrom"):
                case None:
                    values[one["name"]] = self.renamed(expanded(one.get("value", ""), values))
                case {"fieldRef": {"fieldPath": "status.podIP"}}:
                    values[one["name"]] = self.address
                case {"secretKeyRef": {"name": name, "key": key}}:
                    values[one["name"]] = (self._secret(name) or {})[key]
                case other:
                    raise NotImplementedError(other)
        return values

    def command(self, container: Manifest) -> list[str]:
        values = self.environment(container)
        given = [*container.get("command", []), *container.get("args", [])]
        return [self.renamed(expanded(word, values)) for word in given]

    def renamed(self, text: str) -> str:
        """Folders of containers as they are called here."""
        spec = self.pod["spec"]
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            for mount in container.get("volumeMounts", []):
                here = str(self.folder / "volumes" / mount["name"])
                text = re.sub(rf"(?<![\w/.-]){re.escape(mount['mountPath'])}(?![\w-])", here, text)
        return text

    def _secret(self, name: str) -> dict[str, str] | None:
        try:
            found = self.objects.read("secrets", self.pod["metadata"]["namespace"], name)
        except Refused:
            return None
        return {key: base64.b64decode(text).decode() for key, text in found.get("data", {}).items()}
