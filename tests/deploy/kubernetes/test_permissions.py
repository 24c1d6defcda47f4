"""What the service account may do in the other tests is what the guide tells operators to allow."""

import re
from pathlib import Path

import yaml

from stentor_deploy.running.kubernetes.permissions import PERMISSIONS

GUIDE = Path(__file__).parents[3] / "docs" / "models-on-kubernetes.md"


def test_the_role_in_the_guide_is_what_is_needed() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    role = yaml.safe_load(block)
    said = {
        ".".join(filter(None, (resource, group))): frozenset(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert said == PERMISSIONS
