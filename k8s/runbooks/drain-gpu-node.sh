#!/usr/bin/env bash
# Empty a node with accelerators for work on it. Its workers stop taking jobs, finish what ends soon and hand back
# the rest, which other workers go on with from the last finished piece. No job is lost.
#
#   drain-gpu-node.sh NODE          afterwards: kubectl uncordon NODE
#
# Needs kubectl.
. "$(dirname "$0")/common.sh"
node=${1:?which node}
kubectl cordon "$node"
say "Pods of the product on it:"
k get pods --selector "app.kubernetes.io/name=stentor" --field-selector "spec.nodeName=$node" --output wide
# Their grace periods end in their own time; budgets keep one of each kind elsewhere at work.
kubectl drain "$node" --ignore-daemonsets --delete-emptydir-data --timeout "${DRAIN_TIMEOUT:-30m}"
pending=$(k get pods --selector "app.kubernetes.io/name=stentor" --field-selector status.phase=Pending --output name)
[ -z "$pending" ] || say "These wait for another node: $pending"
say "Done. Afterwards: kubectl uncordon $node"
