# shellcheck shell=bash
# What all runbooks share; they read it. NAMESPACE, RELEASE and SECRET may be set before.
set -euo pipefail
NAMESPACE=${NAMESPACE:-stentor}
RELEASE=${RELEASE:-stentor}
SECRET=${SECRET:-stentor}

k() { kubectl --namespace "$NAMESPACE" "$@"; }

say() { printf '%s\n' "$*" >&2; }

stop() { say "$*"; exit 1; }

# One key of the secret, in clear.
secret() { k get secret "$SECRET" --output "go-template={{with index .data \"$1\"}}{{. | base64decode}}{{end}}"; }

# Change one key of the secret: name, text. The text is not seen in the list of processes.
put() {
  printf '{"stringData": {"%s": %s}}' "$1" "$(printf '%s' "$2" | json)" \
    | k patch secret "$SECRET" --type merge --patch-file /dev/stdin >&2
}

# Text as a JSON string.
json() { python3 -c 'import json, sys; sys.stdout.write(json.dumps(sys.stdin.read()))'; }

# Restart Deployments one after another and wait: with two pods each, nobody notices.
renew() {
  for name in "$@"; do
    k rollout restart "$name" >&2
    k rollout status "$name" --timeout 15m >&2
  done
}

renew_all() { for name in $(deployments); do renew "$name"; done; }

# Deployments of the product, by name.
deployments() { k get deployments --selector "app.kubernetes.io/name=stentor,app.kubernetes.io/instance=$RELEASE" --output name; }

# Run a Python program in a pod of the product that knows the database.
inside() { k exec -i "deployment/$RELEASE-auth" -- python - "$@"; }
