"""The OpenAPI schemas of Kubernetes, as `kubernetes-validate` brings them."""

import json
from functools import cache
from importlib.resources import files
from typing import Any, cast

import jsonschema
from referencing import Registry, Resource

VERSION = "1.37.0"
DEFINITIONS = "https://kubernetes.io/api/_definitions.json"

Node = dict[str, Any]


def complaints(manifest: Node) -> list[str]:
    """What a server would find wrong with it: types, fields that are missing, fields that there are not."""
    validator = jsonschema.Draft202012Validator(_kind(_file_of(manifest)), registry=_registry())
    return [
        f"{'.'.join(map(str, error.absolute_path))}: {error.message}"
        for error in validator.iter_errors(manifest)
    ]


def root(manifest: Node) -> Node:
    """The schema of a kind, for `child`, `element` and `list_keys`."""
    return _kind(_file_of(manifest))


def child(node: Node, name: str) -> Node:
    """That of a field of an object; empty where the schema does not say."""
    found = node.get("properties", {}).get(name) or node.get("additionalProperties") or {}
    return _resolved(found if isinstance(found, dict) else {})


def element(node: Node) -> Node:
    return _resolved(node.get("items", {}))


def list_keys(node: Node) -> list[str]:
    """The fields that tell elements of a list apart; none where it is one value as a whole."""
    if node.get("x-kubernetes-list-type") != "map":
        return []
    return cast(list[str], node["x-kubernetes-list-map-keys"])


def _resolved(node: Node) -> Node:
    if "$ref" not in node:
        return node
    target = _definitions()["$defs"][node["$ref"].rpartition("/")[2]]
    return {**target, **{key: value for key, value in node.items() if key != "$ref"}}


def _file_of(manifest: Node) -> str:
    group, _, version = manifest["apiVersion"].rpartition("/")
    return "-".join(filter(None, (manifest["kind"].lower(), group.partition(".")[0], version)))


@cache
def _kind(name: str) -> Node:
    return _read(f"{name}.json")


@cache
def _definitions() -> Node:
    return _read("_definitions.json")


@cache
def _registry() -> Registry[Any]:
    return Resource.from_contents(_definitions()) @ Registry()


def _read(name: str) -> Node:
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{VERSION}-local-strict"
    return cast(Node, json.loads((folder / name).read_text()))
