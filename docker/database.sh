#!/usr/bin/env bash
# database.sh
#
# Entry point of the database image. Started as root, it copies the secrets to a place of the
# account postgres, makes cluster, database and extension at the first start, and becomes the server.
#
#   SECRETS_DIR (/run/secrets)            master_key, shim_password, mailer_password
#   STATE_DIR (/run/authmeter)            where the copies go, on a tmpfs
#   PGDATA                                the cluster; its parent is the volume
#   AUTHMETER_ENVIRONMENT (production)    first start only; later: authmeter.setting_set()
#   LISTEN_ADDRESSES (*), PGPORT (5432)   of the server
set -euo pipefail
umask 077

secrets=${SECRETS_DIR:-/run/secrets}
state=${STATE_DIR:-/run/authmeter}
environment=${AUTHMETER_ENVIRONMENT:-production}
listen=${LISTEN_ADDRESSES:-*}
port=${PGPORT:-5432}
account=postgres
unset PGPORT LISTEN_ADDRESSES

fail()
{
  echo "authmeter-database: $*" >&2
  exit 1
}

as_postgres()
{
  setpriv --reuid="$account" --regid="$account" --init-groups --no-new-privs "$@"
}

# The extension accepts only a key file that belongs to the account and that nobody else can read.
take_secrets()
{
  local name
  install -d -m 0711 -o root "$state"
  install -d -m 0700 -o "$account" -g "$account" "$state/private" "$state/socket"
  for name in master_key shim_password mailer_password; do
    [ -r "$secrets/$name" ] || fail "no secret $secrets/$name; docker/secrets.sh makes it"
    install -m 0600 -o "$account" -g "$account" "$secrets/$name" "$state/private/$name"
  done
}

# Written at every start, so that a new image brings its own.
write_configuration()
{
  cat >"$PGDATA/authmeter.conf" <<CONF
listen_addresses = '$listen'
port = $port
unix_socket_directories = '$state/socket'
shared_preload_libraries = 'authmeter'
authmeter.master_key_file = '$state/private/master_key'
password_encryption = 'scram-sha-256'
log_destination = 'stderr'
logging_collector = off
log_parameter_max_length_on_error = 0
CONF
  cat >"$PGDATA/pg_hba.conf" <<CONF
local all postgres peer
host authmeter authmeter_shim,authmeter_mailer samenet scram-sha-256
host authmeter authmeter_shim,authmeter_mailer 127.0.0.1/32 scram-sha-256
CONF
  chown "$account:$account" "$PGDATA/authmeter.conf" "$PGDATA/pg_hba.conf"
}

psql_as_postgres()
{
  as_postgres psql -X -q -v ON_ERROR_STOP=1 -h "$state/socket" -p "$port" -U postgres "$@"
}

# password NAME: a secret that fits into SQL as it is.
password()
{
  local text
  text=$(cat "$state/private/$1")
  case $text in
    *[!0-9A-Za-z]* | '') fail "$1 must consist of letters and digits" ;;
  esac
  printf '%s\n' "$text"
}

# The passwords go in by standard input: no command line and no log shows them.
make_database()
{
  local shim mailer
  shim=$(password shim_password)
  mailer=$(password mailer_password)
  psql_as_postgres -d postgres -c "CREATE DATABASE authmeter"
  psql_as_postgres -d authmeter -o /dev/null -v environment="$environment" <<SQL
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET client_min_messages = 'warning';
BEGIN;
CREATE ROLE authmeter_shim LOGIN PASSWORD '$shim';
CREATE ROLE authmeter_mailer LOGIN PASSWORD '$mailer';
CREATE EXTENSION authmeter CASCADE;
SELECT authmeter.setting_set('authmeter.environment', :'environment');
SELECT authmeter.grant_access('authmeter_shim', 'gateway');
SELECT authmeter.grant_access('authmeter_mailer', 'mailer');
COMMIT;
SQL
}

# The cluster is made under another name and gets its own when it is complete, so that a first start
# that was cut short is begun again, and nothing that exists is ever touched.
make_cluster()
{
  local final=$PGDATA
  PGDATA=$final.new
  rm -rf "${PGDATA:?}"
  as_postgres initdb -D "$PGDATA" -U postgres -E UTF8 --locale=C.UTF-8 --data-checksums \
    --auth-local=peer --auth-host=scram-sha-256 >/dev/null
  echo "include 'authmeter.conf'" >>"$PGDATA/postgresql.conf"
  write_configuration
  as_postgres pg_ctl -s -D "$PGDATA" -o "-c listen_addresses=''" -w start
  if ! (make_database); then
    as_postgres pg_ctl -s -D "$PGDATA" -m immediate stop || true
    fail "could not make the database"
  fi
  as_postgres pg_ctl -s -D "$PGDATA" -m fast -w stop
  mv "$PGDATA" "$final"
  PGDATA=$final
}

[ "$(id -u)" -eq 0 ] || fail "start it as root; it runs the server as $account"
[ -n "${PGDATA:-}" ] || fail "PGDATA is not set"
take_secrets
if [ ! -f "$PGDATA/PG_VERSION" ]; then
  make_cluster
fi
write_configuration
exec setpriv --reuid="$account" --regid="$account" --init-groups --no-new-privs \
  postgres -D "$PGDATA" "$@"
