"""Keys of a Truss configuration: what is honoured, what is left aside with a note, what is refused.

Each function takes the value of one key and writes what follows from it into the draft. The names are those
of Truss, old (`truss.create`) and current; they raise Unsupported, which names the key.
"""

import re
from collections.abc import Callable
from typing import Any

from stentor_deploy.errors import Unsupported
from stentor_deploy.packages import ExternalFile
from stentor_deploy.packages.draft import Draft, python_version
from stentor_deploy.packages.landing import path_parts
from stentor_deploy.packages.requirements import lines_of, read_file
from stentor_deploy.packages.resource_keys import resources
from stentor_deploy.packages.runtime_keys import runtime

Rule = Callable[[Draft, Any], None]

DENIED = re.compile(
    r"(PATH|PORT|HOSTNAME|HOME|IFS|LD_.*|DYLD_.*|PYTHON.*|SERVE_.*|TRUSS_SECRET_.*|STENTOR_.*)", re.IGNORECASE
)
"""Variables that decide how the runner itself works."""
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SECRET = re.compile(r"[A-Za-z0-9_.-]{1,200}")


def kept(key: str, kind: type | tuple[type, ...], words: str) -> Rule:
    """Given to the model as it is."""

    def rule(draft: Draft, value: Any) -> None:
        if value is None:
            return
        if not isinstance(value, kind):
            raise Unsupported(key, f"must be {words}")
        draft.config[key] = value

    return rule


def inside(key: str) -> Rule:
    """A path within the package."""

    def rule(draft: Draft, value: Any) -> None:
        if value is None:
            return
        if not isinstance(value, str) or not value:
            raise Unsupported(key, "must be a path within the package")
        draft.config[key] = "/".join(path_parts(value)) or "."

    return rule


def ignored(_: Draft, __: Any) -> None:
    """Of no meaning here."""


def noted(key: str, why: str) -> Rule:
    def rule(draft: Draft, value: Any) -> None:
        if value:
            draft.note("config_ignored", f"{key}: {why}")

    return rule


def refused(key: str, instead: str) -> Rule:
    def rule(_: Draft, value: Any) -> None:
        if value:
            raise Unsupported(key, instead)

    return rule


def model_name(draft: Draft, value: Any) -> None:
    if value is not None:
        draft.fields["model_name"] = str(value)


def description(draft: Draft, value: Any) -> None:
    if value is not None:
        draft.config["description"] = draft.fields["description"] = str(value)


def framework(draft: Draft, value: Any) -> None:
    if value is not None:
        draft.config["model_framework"] = draft.fields["framework"] = str(value)


def class_name(draft: Draft, value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, str) or not value.isidentifier():
        raise Unsupported("model_class_name", "must be the name of a class")
    draft.config["model_class_name"] = value


def package_dirs(draft: Draft, value: Any) -> None:
    paths = list(map(str, texts("external_package_dirs", value)))
    for path in paths:
        if path.startswith(("/", "..", "~")) or not (draft.root / path).is_dir():
            raise Unsupported(
                "external_package_dirs", f"{path!r} is outside the archive; move it into packages/"
            )
    draft.config["external_package_dirs"] = ["/".join(path_parts(path)) for path in paths]


def requirements(draft: Draft, value: Any) -> None:
    draft.requirements += lines_of(texts("requirements", value))


def requirements_file(draft: Draft, value: Any) -> None:
    if not value:
        return
    if draft.requirements:
        raise Unsupported("requirements_file", "give either requirements or requirements_file")
    draft.requirements = read_file(draft.root, str(value))


def python(draft: Draft, value: Any) -> None:
    if value is not None:
        draft.fields["python"] = python_version(str(value))


def strict_python(draft: Draft, value: Any) -> None:
    draft.fields["strict_python"] = bool(value)


def system_packages(draft: Draft, value: Any) -> None:
    draft.fields["system_packages"] = tuple(texts("system_packages", value))
    draft.config["system_packages"] = list(draft.fields["system_packages"])


def variables(draft: Draft, value: Any) -> None:
    found: dict[str, str] = {}
    for name, each in mapping("environment_variables", value).items():
        if not VARIABLE.fullmatch(name) or isinstance(each, dict | list):
            raise Unsupported("environment_variables", f"{name!r} must be a plain name with a plain value")
        if DENIED.fullmatch(name):
            draft.note("variable_ignored", f"environment_variables: {name} is set by Stentor alone")
        elif each is not None:
            found[name] = str(each)
    draft.fields["variables"] = draft.config["environment_variables"] = found


def secrets(draft: Draft, value: Any) -> None:
    if isinstance(value, list):
        value = dict.fromkeys(map(str, value))
    found = mapping("secrets", value)
    wrong = [name for name in found if not SECRET.fullmatch(name)]
    if wrong:
        raise Unsupported("secrets", f"{wrong[0]!r} is no name for a secret; use letters, digits, _ . -")
    values = {name: str(each) for name, each in found.items() if each not in (None, "")}
    if values:
        names = ", ".join(sorted(values))
        draft.note(
            "secret_in_config",
            f"secrets: the value of {names} was in the configuration; it is kept encrypted from now on, and "
            "was taken out of the files. Change it if others have seen the archive",
        )
    draft.fields |= {"secrets": tuple(found), "secret_values": values}
    draft.config["secrets"] = dict.fromkeys(found)


def metadata(draft: Draft, value: Any) -> None:
    found = mapping("model_metadata", value)
    draft.config["model_metadata"] = found
    batch = found.get("max_batch_size")
    if batch is not None:
        if not isinstance(batch, int) or batch < 1:
            raise Unsupported("model_metadata", "max_batch_size must be a number from 1 on")
        draft.fields["batch"] = batch


def external_data(draft: Draft, value: Any) -> None:
    if not value:
        return
    found = value.get("items", value.get("external_data")) if isinstance(value, dict) else value
    if not isinstance(found, list) or not all(isinstance(each, dict) and each.get("url") for each in found):
        raise Unsupported("external_data", "must be a list of mappings with url and local_data_path")
    urls = [str(each["url"]) for each in found]
    if not draft.rules.network:
        raise Unsupported(
            "external_data", f"{', '.join(urls)} cannot be fetched here; put the files under data/"
        )
    folder = draft.config["data_dir"]
    names = [str(each.get("local_data_path") or each["url"].rpartition("/")[2]) for each in found]
    draft.fields["external_data"] = tuple(
        ExternalFile(url=url, path="/".join(path_parts(f"{folder}/{name}")))
        for url, name in zip(urls, names, strict=True)
    )


def build(_: Draft, value: Any) -> None:
    found = mapping("build", value)
    for key in ("arguments", "secret_to_path_mapping"):
        if found.get(key):
            raise Unsupported(f"build.{key}", "no image is built here; put what is needed into the package")


def base_image(_: Draft, value: Any) -> None:
    found = value if isinstance(value, dict) else {"image": value}
    if found.get("docker_auth"):
        raise Unsupported("base_image.docker_auth", "images are not used here; remove it")
    if found.get("image"):
        raise Unsupported("base_image", "images are not used here; name libraries in requirements")


def texts(key: str, value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Unsupported(key, "must be a list of texts")
    return value


def mapping(key: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unsupported(key, "must hold keys and values")
    return value


HUB = "no model hub can be reached here; put the files under data/"
CLASS_INSTEAD = "only models with a class are run here; package a Model class"

RULES: dict[str, Rule] = {
    "model_name": model_name,
    "description": description,
    "model_framework": framework,
    "model_type": kept("model_type", str, "a text"),
    "input_type": kept("input_type", str, "a text"),
    "model_module_dir": inside("model_module_dir"),
    "model_class_filename": inside("model_class_filename"),
    "model_class_name": class_name,
    "data_dir": inside("data_dir"),
    "bundled_packages_dir": inside("bundled_packages_dir"),
    "examples_filename": inside("examples_filename"),
    "external_package_dirs": package_dirs,
    "requirements": requirements,
    "requirements_file": requirements_file,
    "python_version": python,
    "strict_python": strict_python,
    "system_packages": system_packages,
    "environment_variables": variables,
    "secrets": secrets,
    "model_metadata": metadata,
    "resources": resources,
    "runtime": runtime,
    "external_data": external_data,
    "spec_version": kept("spec_version", (str, float, int), "a version"),
    "apply_library_patches": ignored,
    "use_local_src": ignored,
    "cache_internal": ignored,
    "train": noted("train", "models are not trained here"),
    "live_reload": noted("live_reload", "each upload is a revision of its own"),
    "model_cache": refused("model_cache", HUB),
    "hf_cache": refused("hf_cache", HUB),
    "weights": refused("weights", HUB),
    "build": build,
    "build_commands": refused("build_commands", "commands are not run here; name libraries in requirements"),
    "base_image": base_image,
    "docker_server": refused("docker_server", CLASS_INSTEAD),
    "docker_auth": refused("docker_auth", "images are not used here; remove it"),
    "trt_llm": refused("trt_llm", CLASS_INSTEAD),
    "bis_llm": refused("bis_llm", CLASS_INSTEAD),
    "training_checkpoints": refused("training_checkpoints", "put the weights under data/"),
}
