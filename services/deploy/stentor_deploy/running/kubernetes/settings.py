"""Settings of models that run as pods."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

GIB = 1024**3


class KubernetesSettings(BaseSettings):
    """Read from variables `STENTOR_DEPLOY_KUBERNETES_*`."""

    model_config = SettingsConfigDict(env_prefix="STENTOR_DEPLOY_KUBERNETES_", use_attribute_docstrings=True)

    namespace: str = "stentor-models"
    """Namespace of the models' pods, best one that holds nothing else. It must be there."""

    instance: str = "stentor"
    """Name of this installation, in labels: two of them may share a namespace."""

    image: str = ""
    """Image of the models' pods: Stentor's own, since environments are made for its Python. Must be given."""

    image_pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = ""
    """Empty: what the cluster does by default."""

    image_pull_secrets: list[str] = []
    """Names (JSON list) of secrets in the namespace with credentials of the registry."""

    kubeconfig: Path | None = None
    """File with the address of the cluster and credentials. Default: those of the pod this runs in, else
    `~/.kube/config`."""

    context: str = ""
    """Context of that file. Empty: its current one."""

    store_url: SecretStr = SecretStr("")
    """Object store as pods reach it, in the words of STENTOR_STORE_URL; best with an account that may read
    `deploy/` and nothing else. Only the init container, which runs none of the model's code, gets to know
    it. Empty: STENTOR_STORE_URL itself."""

    build_store_url: SecretStr = SecretStr("")
    """The same for the pods that make environments; the account must be able to write. Empty:
    STENTOR_STORE_URL itself."""

    runtime_class: str = ""
    """RuntimeClass of the pods, as `gvisor` or `kata`. Empty: the cluster's default."""

    run_as_user: int = Field(default=60_000, ge=1)
    """User and group id that models run with."""

    node_selector: dict[str, str] = {}
    """Labels (JSON) of the nodes that models may run on."""

    tolerations: list[dict[str, Any]] = []
    """Tolerations (JSON list) of all models' pods."""

    gpu_resource: str = "nvidia.com/gpu"
    """What the device plugin calls an accelerator."""

    gpu_nodes: dict[str, dict[str, str]] = {}
    """Name of an accelerator to the labels of nodes that have it (JSON):
    `{"T4": {"nvidia.com/gpu.product": "Tesla-T4"}}`."""

    gpu_tolerations: list[dict[str, Any]] = [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    ]
    """Tolerations (JSON list) of pods with an accelerator, besides the others."""

    cpu_request: float = Field(default=0.1, gt=0)
    """Cores that are kept free for each replica; it may use as many as its package says."""

    files_bytes: int = Field(default=20 * GIB, ge=1)
    """Most disk space that a package and its environment take together, in bytes."""

    gateway_namespace: str = ""
    """Namespace of the processes that call models. Empty: the one this runs in."""

    gateway_labels: dict[str, str] = {"app.kubernetes.io/part-of": "stentor"}
    """Labels (JSON) of their pods: nobody else reaches a model."""

    egress: list[dict[str, Any]] = []
    """Where models' pods may connect to, as rules (JSON list) of a NetworkPolicy: the object store they are
    delivered from must be among them. Empty: DNS, and the pods of `gateway_namespace`. Models that are
    allowed the network reach public addresses besides."""

    drain_seconds: int = Field(default=60, ge=1)
    """How long calls may go on in a pod that is to end."""

    wish_seconds: float = Field(default=120, gt=0)
    """A gateway that does not repeat for so long how many replicas it wants is taken to be gone."""

    node_seconds: float = Field(default=300, ge=0)
    """How long a pod waits for a node with room for it, which an autoscaler may have to bring, before callers
    are told that there is none."""

    poll_seconds: float = Field(default=5, gt=0)
    """How often the cluster is asked why replicas are missing, while they are."""
