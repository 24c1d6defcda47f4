#!/usr/bin/env bash
# Make the secret that the chart asks for, with new keys; or put new addresses into the one that is there.
#
#   DATABASE_URL=… QUEUE_URL=… STORE_URL=… [BROKER_API_URL=…] [ADMIN_TOKEN=…] make-secret.sh
#
# Needs kubectl, openssl, python3.
. "$(dirname "$0")/common.sh"
: "${DATABASE_URL:?postgresql+asyncpg://USER:PASSWORD@HOST/NAME}"
: "${QUEUE_URL:?amqp://USER:PASSWORD@HOST/VHOST}"
: "${STORE_URL:?s3+https://ACCESS:SECRET@HOST/BUCKET}"

k get secret "$SECRET" >/dev/null 2>&1 || k create secret generic "$SECRET"
put database-url "$DATABASE_URL"
put queue-url "$QUEUE_URL"
put store-url "$STORE_URL"
[ -z "${BROKER_API_URL:-}" ] || put broker-api-url "$BROKER_API_URL"
[ -z "${ADMIN_TOKEN:-}" ] || put admin-token "$ADMIN_TOKEN"
# Keys that are there stay: what they have encrypted must be readable.
[ -n "$(secret secret-key)" ] || put secret-key "$(openssl rand -base64 32)"
[ -n "$(secret signing-key)" ] || put signing-key "$(openssl genrsa 2048 2>/dev/null)"
say "The secret $SECRET in $NAMESPACE is ready. Processes read it when they start."
