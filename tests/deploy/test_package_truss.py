"""Folders of Truss: the layouts that its old `create` wrote, the current one, and what each key leads to."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from stentor_deploy.errors import BadPackage, Unsupported
from stentor_deploy.packages import Package, Resources
from stentor_deploy.packages.machine import Machine
from stentor_deploy.packages.opening import open_package
from stentor_deploy.packages.packer import Packing, archived, pack_source
from stentor_deploy.packages.rules import Given, Rules

ECHO = "class Model:\n    def predict(self, model_input):\n        return model_input\n"
HERE = Machine(cpus=4, memory_bytes=8 * 2**30)
WITH_GPU = Machine(cpus=4, memory_bytes=8 * 2**30, gpus=("NVIDIA A10G", "NVIDIA A10G"))

OLD = """
apply_library_patches: true
bundled_packages_dir: packages
data_dir: data
description: null
environment_variables: {}
examples_filename: examples.yaml
external_package_dirs: []
input_type: Any
live_reload: false
model_class_filename: model.py
model_class_name: Model
model_framework: sklearn
model_metadata: {model_binary_dir: model, supports_predict_proba: true}
model_module_dir: model
model_name: null
model_type: Model
python_version: py38
requirements: [scikit-learn, slashml==0.1.5]
resources: {accelerator: null, cpu: 500m, memory: 512Mi, use_gpu: false}
secrets: {}
spec_version: '2.0'
system_packages: []
train: {resources: {cpu: 500m}, training_class_name: Train, variables: {}}
"""
"""All keys of a package for scikit-learn as `truss.create` of 0.4.8 wrote them."""

Configured = Callable[..., Package]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "package"


@pytest.fixture
def configured(tmp_path: Path, folder: Path) -> Configured:
    """Opens a package by the text of its configuration, or by single keys; with further files."""

    def open_it(
        config: str = "",
        *,
        files: dict[str, str] | None = None,
        rules: Rules | None = None,
        given: Given | None = None,
        **keys: Any,
    ) -> Package:
        source = tmp_path / "source"
        texts = {
            "config.yaml": config or yaml.safe_dump({"model_name": "echo"} | keys),
            "model/__init__.py": "",
            "model/model.py": ECHO,
        }
        for name, text in (texts | (files or {})).items():
            path = source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        packed = tmp_path / "package.tar.gz"
        packed.write_bytes(archived(source, "my_model"))
        return open_package(packed, folder, rules or Rules(machine=HERE), given or Given())

    return open_it


def told(package: Package) -> str:
    return "\n".join(note.message for note in package.notes)


def test_an_old_package_is_read_whole(configured: Configured) -> None:
    package = configured(OLD)
    assert package.framework == "sklearn"
    assert package.python == "3.8"
    assert package.requirements == ("scikit-learn",)
    assert package.resources == Resources(cpus=0.5, memory_bytes=512 * 2**20)
    assert package.config["model_metadata"] == {"model_binary_dir": "model", "supports_predict_proba": True}
    assert {note.code for note in package.notes} == {"requirement_dropped", "config_ignored"}
    assert "slashml==0.1.5" in told(package)
    assert "train" in told(package)


def test_a_model_is_given_all_keys_that_truss_would_give_it(configured: Configured) -> None:
    config = configured(OLD).config
    assert config["model_type"] == "Model"
    assert config["resources"]["use_gpu"] is False
    assert config["data_dir"] == "data"
    assert config["runtime"]["predict_concurrency"] == 1


def test_what_is_known_of_a_package_is_kept_as_json(configured: Configured) -> None:
    package = configured(OLD)
    assert Package.model_validate_json(package.model_dump_json()) == package


def test_an_opened_package_can_be_opened_again(configured: Configured, folder: Path, tmp_path: Path) -> None:
    first = configured(OLD)
    again = open_package(folder, tmp_path / "again", Rules(machine=HERE), Given())
    assert again.config == first.config
    assert again.requirements == first.requirements


@pytest.mark.parametrize("name", ["slashml==0.1.6", "truss", "Baseten>=0.1", "truss[all]==0.4.8"])
def test_clients_that_made_the_package_are_no_requirement(configured: Configured, name: str) -> None:
    assert configured(requirements=["numpy", name]).requirements == ("numpy",)


def test_requirements_keep_their_options_and_lose_their_comments(configured: Configured) -> None:
    lines = [
        "numpy==1.26.0  # fast",
        "# nothing",
        "",
        "torch==2.1 ; python_version < '3.12'",
        "numpy==1.26.0",
    ]
    package = configured(requirements=lines)
    assert package.requirements == ("numpy==1.26.0", "torch==2.1 ; python_version < '3.12'")


def test_a_requirements_file_is_read_with_those_it_names(configured: Configured) -> None:
    files = {"requirements.txt": "numpy\n-r deep/more.txt\n", "deep/more.txt": "pandas \\\n >=2\n"}
    assert configured(requirements_file="requirements.txt", files=files).requirements == (
        "numpy",
        "pandas >=2",
    )


def test_a_project_file_tells_its_dependencies(configured: Configured) -> None:
    files = {
        "pyproject.toml": '[project]\nname = "x"\nversion = "1"\ndependencies = ["numpy>=1", "joblib"]\n'
    }
    assert configured(requirements_file="pyproject.toml", files=files).requirements == ("numpy>=1", "joblib")


def test_a_lock_file_tells_exact_versions(configured: Configured) -> None:
    files = {
        "pyproject.toml": '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.11"\n'
        'dependencies = ["idna"]\n',
        "uv.lock": 'version = 1\nrevision = 3\nrequires-python = ">=3.11"\n\n'
        '[[package]]\nname = "idna"\nversion = "3.10"\n'
        'source = { registry = "https://index.example/simple" }\n\n'
        '[[package]]\nname = "x"\nversion = "1"\nsource = { virtual = "." }\n'
        'dependencies = [{ name = "idna" }]\n\n'
        '[package.metadata]\nrequires-dist = [{ name = "idna" }]\n',
    }
    assert configured(requirements_file="uv.lock", files=files).requirements == ("idna==3.10",)


def test_a_list_and_a_file_of_requirements_are_one_too_many(configured: Configured) -> None:
    with pytest.raises(Unsupported, match="either"):
        configured(requirements=["numpy"], requirements_file="requirements.txt")


@pytest.mark.parametrize("path", ["../requirements.txt", "/etc/passwd", "missing.txt"])
def test_a_requirements_file_is_in_the_package(configured: Configured, path: str) -> None:
    with pytest.raises(BadPackage):
        configured(requirements_file=path)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("py39", "3.9"), ("py310", "3.10"), ("3.10", "3.10"), ("'3.11.4'", "3.11"), ("python3.12", "3.12")],
)
def test_versions_of_python_are_read_as_they_are_written(
    configured: Configured, written: str, meant: str
) -> None:
    assert configured(f"model_name: echo\npython_version: {written}\n").python == meant


def test_what_the_request_says_wins(configured: Configured) -> None:
    given = Given(name="mine", requirements="numpy\n# note\npandas", python="py312")
    package = configured(OLD, given=given)
    assert (package.model_name, package.python) == ("mine", "3.12")
    assert package.requirements == ("numpy", "pandas")


def test_values_of_secrets_leave_the_package(configured: Configured, folder: Path) -> None:
    package = configured(secrets={"hf_token": "hunter2", "other": None})
    assert package.secrets == ("hf_token", "other")
    assert package.secret_values == {"hf_token": "hunter2"}
    assert "hunter2" not in package.model_dump_json() + repr(package) + told(package)
    assert all("hunter2" not in path.read_text() for path in folder.rglob("*") if path.is_file())
    assert "hf_token" in told(package)


def test_variables_are_kept_but_for_those_of_the_runner(configured: Configured) -> None:
    package = configured(environment_variables={"MODE": 3, "LD_PRELOAD": "x", "PYTHONPATH": "y", "path": "z"})
    assert package.variables == {"MODE": "3"}
    assert all(name in told(package) for name in ("LD_PRELOAD", "PYTHONPATH", "path"))


def test_how_it_runs_is_honoured(configured: Configured) -> None:
    runtime = {"predict_concurrency": 8, "num_workers": 2, "streaming_read_timeout": 90}
    package = configured(runtime=runtime, system_packages=["ffmpeg"], description="says it again")
    assert (package.concurrency, package.replicas, package.streaming_read_seconds) == (8, 2, 90)
    assert package.system_packages == ("ffmpeg",)
    assert package.description == "says it again"


@pytest.mark.parametrize(
    ("written", "given_bytes"), [("512Mi", 2**29), ("2Gi", 2**31), ("1.5G", 1_500_000_000), (1024, 1024)]
)
def test_memory_is_written_as_kubernetes_does(configured: Configured, written: Any, given_bytes: int) -> None:
    assert configured(resources={"memory": written}).resources.memory_bytes == given_bytes


@pytest.mark.parametrize(
    ("resources", "words"),
    [({"cpu": "8"}, "8 cores.*has 4"), ({"memory": "16Gi"}, f"{16 * 2**30} bytes.*has {8 * 2**30}")],
)
def test_more_than_the_machine_has_is_refused_with_both_numbers(
    configured: Configured, resources: dict[str, str], words: str
) -> None:
    with pytest.raises(Unsupported, match=words):
        configured(resources=resources)


def test_a_cluster_decides_itself_what_it_has(configured: Configured) -> None:
    package = configured(resources={"cpu": "64", "accelerator": "H100:8"}, rules=Rules())
    assert package.resources == Resources(cpus=64, gpu="H100", gpus=8)


def test_an_accelerator_that_is_here_is_given(configured: Configured) -> None:
    rules = Rules(machine=WITH_GPU)
    assert configured(resources={"accelerator": "A10G:2"}, rules=rules).resources == Resources(
        gpu="A10G", gpus=2
    )


@pytest.mark.parametrize("name", ["T4", "A10G:3", "A10"])
def test_a_named_accelerator_that_is_not_here_is_refused(configured: Configured, name: str) -> None:
    with pytest.raises(Unsupported, match=r"allow_cpu") as refused:
        configured(resources={"accelerator": name}, rules=Rules(machine=WITH_GPU))
    assert refused.value.param == "resources.accelerator"


def test_unless_the_processor_will_do(configured: Configured) -> None:
    package = configured(resources={"accelerator": "T4"}, given=Given(allow_cpu=True))
    assert package.resources.gpus == 0
    assert package.config["resources"]["use_gpu"] is False
    assert "T4" in told(package)


def test_an_accelerator_without_a_name_is_one_if_there_is_one(configured: Configured) -> None:
    package = configured(resources={"use_gpu": True})
    assert (package.resources.gpus, "no accelerator" in told(package)) == (0, True)


def test_or_any_that_is_there(configured: Configured) -> None:
    assert configured(resources={"use_gpu": True}, rules=Rules(machine=WITH_GPU)).resources.gpu == "any"


def test_examples_come_with_their_answers_first(configured: Configured) -> None:
    examples = "- name: one\n  input: [1]\n- name: two\n  input: [2]\n  expected: [4]\n- [3]\n"
    package = configured(files={"examples.yaml": examples}, model_metadata={"example_model_input": [0]})
    assert package.examples == ([2], [0], [1], [3])
    assert package.expected == ([4],)


@pytest.mark.parametrize("text", ["", "[]", "null", "{}"])
def test_files_of_examples_may_be_empty(configured: Configured, text: str) -> None:
    assert configured(files={"examples.yaml": text}).examples == ()


def test_a_model_may_say_that_its_lists_can_be_joined(configured: Configured) -> None:
    assert configured(model_metadata={"max_batch_size": 16}).batch == 16


def test_the_class_may_have_another_place_and_name(configured: Configured) -> None:
    files = {"src/serve.py": ECHO.replace("Model", "Echo")}
    keys = {"model_module_dir": "src", "model_class_filename": "serve.py", "model_class_name": "Echo"}
    package = configured(files=files, **keys)
    assert package.config["model_module_dir"] == "src"


def test_a_class_that_is_not_there_is_missed_at_once(configured: Configured) -> None:
    with pytest.raises(BadPackage, match="has no class Other"):
        configured(model_class_name="Other")


def test_code_that_cannot_be_read_is_told_with_its_line(configured: Configured) -> None:
    with pytest.raises(BadPackage, match=r"model\.py, line 2"):
        configured(files={"model/model.py": "import os\nclass Model(:\n"})


def test_folders_of_code_beside_the_package_are_kept_if_they_are_in_it(configured: Configured) -> None:
    package = configured(external_package_dirs=["shared/"], files={"shared/x.py": ""})
    assert package.config["external_package_dirs"] == ["shared"]


def test_modules_that_the_code_imports_are_told(configured: Configured) -> None:
    code = f"import numpy.linalg\nfrom model.helper import x\nimport os\n{ECHO}"
    package = configured(files={"model/model.py": code, "model/helper.py": "from PIL import Image\nx = 1\n"})
    assert package.imports == ("PIL", "numpy")


REFUSED: dict[str, Any] = {
    "model_module_dir": "../elsewhere",
    "data_dir": "/data",
    "external_package_dirs": ["../shared"],
    "requirements": "numpy",
    "environment_variables": {"A B": "1"},
    "secrets": {"../x": None},
    "resources.cpus": {"resources": {"cpus": 2}},
    "resources.cpu": {"resources": {"cpu": "many"}},
    "resources.node_count": {"resources": {"node_count": 2}},
    "resources.instance_type": {"resources": {"instance_type": "H100x8"}},
    "resources.fabric": {"resources": {"fabric": "ib"}},
    "runtime.predict_concurency": {"runtime": {"predict_concurency": 2}},
    "runtime.predict_concurrency": {"runtime": {"predict_concurrency": 0}},
    "runtime.transport": {"runtime": {"transport": {"kind": "grpc"}}},
    "runtime.remote_ssh": {"runtime": {"remote_ssh": {"enabled": True}}},
    "external_data": [{"url": "https://files.example/weights", "local_data_path": "weights"}],
    "model_cache": [{"repo_id": "org/model"}],
    "hf_cache": [{"repo_id": "org/model"}],
    "weights": [{"source": "s3://bucket/model"}],
    "build.arguments": {"build": {"arguments": {"A": "1"}}},
    "build.secret_to_path_mapping": {"build": {"secret_to_path_mapping": {"A": "/a"}}},
    "build_commands": ["pip install x"],
    "base_image": {"image": "python:3.11"},
    "base_image.docker_auth": {"base_image": {"docker_auth": {"registry": "x"}}},
    "docker_server": {"start_command": "serve"},
    "trt_llm": {"build": {}},
    "bis_llm": {"x": 1},
    "training_checkpoints": {"checkpoints": []},
}


@pytest.mark.parametrize("key", REFUSED)
def test_what_is_not_done_here_is_refused_by_the_name_of_its_key(configured: Configured, key: str) -> None:
    value = REFUSED[key]
    keys = value if "." in key else {key: value}
    with pytest.raises(BadPackage) as refused:
        configured(**keys)
    if refused.type is Unsupported:
        assert refused.value.param == key
        assert refused.value.message.startswith(f"{key}: ")
    else:
        assert key in ("model_module_dir", "data_dir")


@pytest.mark.parametrize("key", [key for key in REFUSED if "." not in key and key not in ("requirements",)])
def test_keys_that_are_there_and_empty_harm_nobody(configured: Configured, key: str) -> None:
    assert configured(**{key: None}).model_name == "echo"


@pytest.mark.parametrize("key", ["live_reload", "train", "anything_else"])
def test_keys_without_meaning_here_are_noted(configured: Configured, key: str) -> None:
    assert key in told(configured(**{key: {"a": 1}}))


def test_files_behind_urls_are_listed_for_who_fetches_them(configured: Configured) -> None:
    data = [{"url": "https://files.example/deep/weights.bin", "local_data_path": "w/weights.bin"}]
    (wanted,) = configured(external_data=data, rules=Rules(network=True)).external_data
    assert (wanted.url, wanted.path) == ("https://files.example/deep/weights.bin", "data/w/weights.bin")


def test_and_stay_within_the_package(configured: Configured) -> None:
    data = [{"url": "https://files.example/weights", "local_data_path": "../../x"}]
    with pytest.raises(BadPackage, match="leads out"):
        configured(external_data=data, rules=Rules(network=True))


PIPELINE = """
model_framework: huggingface_transformer
model_type: fill-mask
model_metadata: {has_hybrid_args: false, has_named_args: false, transformer_config: {model: %s}}
requirements: [transformers==5.23.0, torch==2.13.0+cpu]
"""


@pytest.mark.parametrize("model", ["/home/me/model", "~/model", "./model", "C:\\models\\m", "'..\\m'"])
def test_a_pipeline_whose_weights_stayed_at_home_is_refused_with_a_way_out(
    configured: Configured, model: str
) -> None:
    with pytest.raises(Unsupported, match="save_pretrained"):
        configured(PIPELINE % model)


def test_a_pipeline_by_name_asks_for_its_weights(configured: Configured) -> None:
    package = configured(PIPELINE % "org/model")
    assert package.hub_model == "org/model"
    assert "no weights" in told(package)


def test_a_pipeline_with_its_weights_is_loaded_from_them(configured: Configured) -> None:
    package = configured(PIPELINE % "/home/me/model", files={"data/model/config.json": "{}"})
    assert package.config["model_metadata"]["transformer_config"]["model"] == "data/model"


def test_a_configuration_is_bounded_whatever_it_refers_to(configured: Configured) -> None:
    lines = ["model_name: echo", "a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join(['*' + a] * 10)}]" for a, b in itertools.pairwise("abcdefgh")]
    with pytest.raises(BadPackage, match="too many values"):
        configured("\n".join(lines))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model_name: [", "not valid YAML.*line"),
        ("- a\n- b\n", "keys and values"),
        ("model_name: !!python/object/apply:os.system ['true']", "not valid YAML"),
        ("model_name: echo\nmodel_metadata: {x: .nan}", "does not know"),
        ("model_name: echo\nmodel_metadata: {x: !!binary aGk=}", "bytes"),
        ("a: &a\n  b: *a\nmodel_name: x", "too deep|not valid"),
        ("[" * 5000, "not valid YAML"),
        (f"model_name: x\nmodel_metadata: {{x: 0x{'f' * 5000}}}", "too large"),
    ],
)
def test_yaml_is_data_and_nothing_else(configured: Configured, text: str, words: str) -> None:
    with pytest.raises(BadPackage, match=words):
        configured(text)


def test_days_and_odd_keys_become_what_json_knows(configured: Configured) -> None:
    package = configured("model_name: echo\nmodel_metadata: {on: 2023-09-18, 2: two}")
    assert json.loads(json.dumps(package.config["model_metadata"])) == {"True": "2023-09-18", "2": "two"}


def test_the_packer_writes_what_is_read(tmp_path: Path, folder: Path) -> None:
    packing = Packing(name="echo", example=[1, 2], answer=[1, 2], further={"description": "again"})
    packed = pack_source(ECHO, tmp_path / "packed", packing)
    package = open_package(packed, folder, Rules(), Given())
    assert (package.model_name, package.description) == ("echo", "again")
    assert (package.examples, package.expected) == (([1, 2],), ([1, 2],))
