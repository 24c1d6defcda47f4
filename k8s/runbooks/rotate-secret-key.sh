#!/usr/bin/env bash
# Exchange the key that encrypts what is kept of webhooks. From now on the new one encrypts; the old one still
# decrypts until it is dropped with --forget, which is safe once jobs from before are gone (7 days by default).
#
#   rotate-secret-key.sh [--forget]
#
# Needs kubectl, openssl, python3.
. "$(dirname "$0")/common.sh"
keys=$(secret secret-key)
[ -n "$keys" ] || stop "the secret $SECRET has no secret-key"
if [ "${1:-}" = --forget ]; then
  put secret-key "${keys%%,*}"
  renew_all
  exit
fi
new=$(openssl rand -base64 32)
# First everybody learns to read what the new key writes, then it writes.
put secret-key "$keys,$new"
renew_all
put secret-key "$new,$keys"
renew_all
say "The new key encrypts. Drop the old one in 7 days: $0 --forget"
