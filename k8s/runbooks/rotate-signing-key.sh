#!/usr/bin/env bash
# Exchange the key that signs access tokens, without ending any token. API tokens do not depend on it.
#
#   rotate-signing-key.sh            takes about 20 minutes, of which it mostly waits
#   rotate-signing-key.sh --leaked   drops the old key at once: all who are signed in sign in again
#
# Needs kubectl, openssl, python3.
. "$(dirname "$0")/common.sh"
auth="deployment/$RELEASE-auth"
old=$(secret signing-key)
[ -n "$old" ] || stop "the secret $SECRET has no signing-key"
new=$(openssl genrsa 2048 2>/dev/null)
[ -n "$new" ] || stop "openssl made no key"

if [ "${1:-}" = --leaked ]; then
  put signing-key "$new"
  put previous-keys ""
  renew "$auth"
  say "The old key is gone, and with it all access tokens."
  exit
fi
# Pods with the old key must know the new one before the first token is signed with it.
put previous-keys "$new"
renew "$auth"
put signing-key "$new"
put previous-keys "$old"
renew "$auth"
seconds=${ACCESS_TOKEN_SECONDS:-900}
say "Waiting ${seconds} s, the life of an access token."
sleep "$seconds"
put previous-keys ""
renew "$auth"
say "Done."
