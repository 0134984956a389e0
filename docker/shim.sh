#!/usr/bin/env bash
# shim.sh
#
# Entry point of the shim image. Started as root, it hands the secrets over to the unprivileged
# account and becomes the shim; arguments are passed on to it.
#
#   SECRETS_DIR (/run/secrets)                   shim_password, and files named as the variables that
#                                                hold signing secrets, in lower case
#   STATE_DIR (/run/authmeter)                   a tmpfs
#   DATABASE_HOST (database), DATABASE_PORT (5432)
#   LISTEN                                       see authmeter-shim --help
set -euo pipefail
umask 077

secrets=${SECRETS_DIR:-/run/secrets}
state=${STATE_DIR:-/run/authmeter}
host=${DATABASE_HOST:-database}
port=${DATABASE_PORT:-5432}
account=authmeter

fail()
{
  echo "authmeter-start: $*" >&2
  exit 1
}

[ "$(id -u)" -eq 0 ] || fail "start it as root; it runs the shim as $account"
[ -r "$secrets/shim_password" ] || fail "no secret $secrets/shim_password; docker/secrets.sh makes it"

# libpq takes a password file only when nobody else can read it.
install -d -m 0711 "$state"
printf '%s:%s:authmeter:authmeter_shim:%s\n' "$host" "$port" "$(cat "$secrets/shim_password")" \
  >"$state/pgpass"
chown "$account:$account" "$state/pgpass"

# The shim imports a signing secret at its start and removes it from its environment.
for file in "$secrets"/*_jwt_*secret; do
  if [ -r "$file" ]; then
    name=$(basename "$file")
    export "${name^^}=$(cat "$file")"
  fi
done

export DATABASE_URL="host=$host port=$port dbname=authmeter user=authmeter_shim passfile=$state/pgpass"
exec setpriv --reuid="$account" --regid="$account" --init-groups --no-new-privs authmeter-shim "$@"
