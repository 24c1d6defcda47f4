#!/usr/bin/env bash
# Bring the database back as it was at some time, from the backups of operators/postgres.yaml, as a cluster beside the
# old one. Objects newer than that stay in the store and are named by nobody until its life-cycle rule takes them; jobs
# newer than that are forgotten.
#
#   restore-backup.sh 2026-01-31T03:15:00Z
#
# Everything stands still meanwhile. Needs kubectl, python3.
. "$(dirname "$0")/common.sh"
when=${1:?the time, as 2026-01-31T03:15:00Z}
case $when in
  [0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]Z) ;;
  *) stop "$when is no time like 2026-01-31T03:15:00Z" ;;
esac
old=${OLD_CLUSTER:-stentor-postgres}
new="$old-$(date -u +%Y%m%d%H%M)"

made=$(k get cluster.postgresql.cnpg.io "$old" --output json | python3 -c '
import json, sys
old, new, when = sys.argv[1:]
PLUGIN = "barman-cloud.cloudnative-pg.io"
cluster = json.load(sys.stdin)
spec = cluster["spec"]
plugins = [each for each in spec.get("plugins", []) if each["name"] == PLUGIN]
if not plugins:
    sys.exit(f"{old} has no backups by the plugin {PLUGIN}")
store = plugins[0]["parameters"]
source = dict(store, serverName=store.get("serverName", old))
spec["externalClusters"] = [{"name": old, "plugin": {"name": PLUGIN, "parameters": source}}]
spec["bootstrap"] = {"recovery": {"source": old, "recoveryTarget": {"targetTime": when},
                                  "database": "stentor", "owner": "stentor"}}
# Its own backups must not mix with those it came from.
plugins[0]["parameters"] = dict(store, serverName=new)
json.dump({"apiVersion": cluster["apiVersion"], "kind": cluster["kind"],
           "metadata": {"name": new, "labels": cluster["metadata"].get("labels", {})}, "spec": spec}, sys.stdout)
' "$old" "$new" "$when")

say "1. Everybody stops."
k annotate scaledobjects --all autoscaling.keda.sh/paused-replicas=0 --overwrite 2>/dev/null || true
k delete horizontalpodautoscalers --selector app.kubernetes.io/part-of=stentor
names=$(deployments)
for name in $names; do k scale --replicas 0 "$name"; done
k wait pods --for delete --selector "app.kubernetes.io/name=stentor,app.kubernetes.io/instance=$RELEASE" --timeout 15m

say "2. A cluster is made from the backup: $new."
printf '%s' "$made" | k apply --filename -
k wait "cluster.postgresql.cnpg.io/$new" --for condition=Ready --timeout 6h

say "3. The secret names it."
url=$(k get secret "$new-app" --output 'go-template={{.data.username | base64decode}}:{{.data.password | base64decode}}')
put database-url "postgresql+asyncpg://$url@$new-rw:5432/stentor"

say "4. Now: helm upgrade $RELEASE … (it migrates, and brings back replicas and autoscalers), and then, as autoscalers"
say "   leave alone what has no pod:"
say "   kubectl -n $NAMESPACE scale --current-replicas 0 --replicas 1 $(tr "\n" " " <<<"$names")"
say "   kubectl -n $NAMESPACE annotate scaledobjects --all autoscaling.keda.sh/paused-replicas-"
say "   Jobs that waited are sent again within seconds. Name $new in your files, make the"
say "   ScheduledBackup anew, which stays with its cluster, and delete $old when all is well."
