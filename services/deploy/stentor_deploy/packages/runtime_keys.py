"""The key `runtime` of a Truss configuration: how its server would have run the model."""

from typing import Any

from stentor_deploy.errors import Unsupported
from stentor_deploy.packages.draft import Draft

MOST_CALLS = 1024
MOST_REPLICAS = 64
MOST_SECONDS = 3600

HONOURED = (
    "predict_concurrency",
    "num_workers",
    "streaming_read_timeout",
    "enable_debug_logs",
    "health_checks",
    "transport",
    "is_websocket_endpoint",
)
LEFT_ASIDE = ("oidc", "truss_server_version_override", "enable_tracing_data")


def runtime(draft: Draft, value: Any) -> None:
    """Raises Unsupported, also for keys nobody knows: a slip there would change how it runs."""
    if value is None:
        return
    if not isinstance(value, dict):
        raise Unsupported("runtime", "must hold keys and values")
    _check_known(value)
    draft.fields["concurrency"] = _number(value, "predict_concurrency", 1, MOST_CALLS)
    draft.fields["replicas"] = _number(value, "num_workers", 1, MOST_REPLICAS)
    draft.fields["streaming_read_seconds"] = _number(value, "streaming_read_timeout", 60, MOST_SECONDS)
    _check_transport(value)
    for key in LEFT_ASIDE:
        if value.get(key):
            draft.note("config_ignored", f"runtime.{key}: of no meaning here")
    if value.get("egress_restrictions"):
        draft.note(
            "config_ignored",
            "runtime.egress_restrictions: a model reaches nothing here unless its deployment asks for "
            "network access; single addresses are not told apart",
        )
    draft.config["runtime"] |= {key: value[key] for key in HONOURED if value.get(key) is not None}


def _check_known(value: dict[str, Any]) -> None:
    known = (*HONOURED, *LEFT_ASIDE, "egress_restrictions", "remote_ssh")
    unknown = [key for key in value if key not in known]
    if unknown:
        raise Unsupported(f"runtime.{unknown[0]}", f"is not known; known are {', '.join(known)}")
    remote = value.get("remote_ssh")
    if remote is True or (isinstance(remote, dict) and remote.get("enabled")):
        raise Unsupported("runtime.remote_ssh", "nobody logs in to a model here; remove it")


def _check_transport(value: dict[str, Any]) -> None:
    transport = value.get("transport")
    kind = transport.get("kind", "http") if isinstance(transport, dict) else transport or "http"
    if value.get("is_websocket_endpoint"):
        kind = "websocket"
    if kind != "http":
        raise Unsupported("runtime.transport", f"{kind} is not served; answer or stream over http")


def _number(value: dict[str, Any], key: str, default: int, most: int) -> int:
    found = value.get(key)
    if found is None:
        return default
    if not isinstance(found, int) or isinstance(found, bool) or not 1 <= found <= most:
        raise Unsupported(f"runtime.{key}", f"must be a number from 1 to {most}")
    return found
