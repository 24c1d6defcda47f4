"""What the service account of gateways and workers must be allowed, in the namespace of the models."""

PERMISSIONS: dict[str, frozenset[str]] = {
    "deployments.apps": frozenset({"get", "list", "create", "patch", "delete"}),
    "jobs.batch": frozenset({"get", "create", "delete"}),
    "pods": frozenset({"list", "watch", "delete"}),
    "pods/log": frozenset({"get"}),
    "secrets": frozenset({"get", "list", "create", "patch", "delete"}),
    "services": frozenset({"list", "create", "patch", "delete"}),
    "configmaps": frozenset({"list", "create", "patch", "delete"}),
    "networkpolicies.networking.k8s.io": frozenset({"list", "create", "patch", "delete"}),
}
"""Resource, with its group, to verbs, as a Role says them."""
