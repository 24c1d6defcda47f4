"""The chart as it is rendered with each profile, and with everything on."""

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from stentor_dev import helm

Object = dict[str, Any]
EXISTING = {"secrets": {"existing": "servers"}}
FILES = {
    "defaults": ((), EXISTING),
    **{path.stem: ((path,), {}) for path in sorted((helm.CHART / "profiles").glob("*.yaml"))},
    "everything": ((Path(__file__).with_name("everything.yaml"),), {}),
}


@cache
def _rendered(name: str) -> list[Object]:
    files, values = FILES[name]
    return helm.render(*files, values=values)


@pytest.fixture(params=FILES)
def profile(request: pytest.FixtureRequest) -> str:
    """Each of the profiles that come with the chart, what it does by default, and everything on."""
    return str(request.param)


@pytest.fixture
def objects(profile: str) -> list[Object]:
    return copy.deepcopy(_rendered(profile))


@pytest.fixture
def render() -> Callable[..., list[Object]]:
    """The chart with values of a test's own."""
    return lambda **values: helm.render(values=EXISTING | values)


@pytest.fixture
def everything() -> list[Object]:
    return copy.deepcopy(_rendered("everything"))


@pytest.fixture
def pods() -> Callable[[list[Object]], dict[str, Object]]:
    """Pod templates by the kind and name of what makes them."""

    def find(objects: list[Object]) -> dict[str, Object]:
        makers = ("Deployment", "StatefulSet", "Job")
        return {
            f"{each['kind']}/{each['metadata']['name']}": each["spec"]["template"]
            for each in objects
            if each["kind"] in makers
        }

    return find
