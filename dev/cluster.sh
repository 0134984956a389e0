#!/usr/bin/env bash
# cluster.sh run|start|stop|psql
#
# A private PostgreSQL with the extension preloaded, the shim in front of it, and the mailer, which puts
# mails into a folder; all under RUN_DIR:
#
#   server/    private server tree (see lib.sh) with the extension, the shim and the mailer installed
#   data/      the cluster                          sock/   its Unix socket, mode 0700
#   secrets/   master key, JWT secrets, password    log/    postgres.log, shim.log, mailer.log
#   mail/      the mails, as files
#   authmeter-shim.conf, authmeter-mailer.conf, postgresql.conf   written anew at every start
#   listen, admin, port                             what was chosen last
#
# Settings come as environment: RUN_DIR, AM_LISTEN, AM_ADMIN, AM_SQL.
#
# Who may connect: over the socket, by peer authentication, the account that runs the server (and root)
# as postgres, and that account as authmeter_shim and authmeter_mailer; over loopback TCP anybody with a password.
# Where the account cannot enter RUN_DIR (a checkout under /root, say) the directories stand under
# /var/lib/authmeter-run and RUN_DIR holds links to them.
# shellcheck source=dev/lib.sh
. "$(dirname "$0")/lib.sh"

LISTEN_DEFAULT="127.0.0.1:3000=autoverse,vsplugin 127.0.0.1:3001=quizzer 127.0.0.1:5000=jobpsych"
ADMIN_DEFAULT="127.0.0.1:9464"
PORT_FIRST=15432
SOCKET_PATH_BYTES_MAX=107
START_WAIT_S=60
STOP_WAIT_S=40
# What the APIs sign with: the files have the names of the variables, in lower case.
SIGNING_SECRETS="autoverse_jwt_secret autoverse_jwt_refresh_secret quizzer_jwt_secret
  jobpsych_jwt_access_secret jobpsych_jwt_refresh_secret"
DEMO_EMAIL="ana@example.com"
DEMO_API_KEY="demo-api-key"

# ---- places --------------------------------------------------------------------------------------

# place: sets RUN (RUN_DIR, absolute) and AT (where the directories really are).
place()
{
  local link
  cd "$AM_TOP"
  RUN=$(realpath -m -- "${RUN_DIR:-.run}")
  link=$(readlink "$RUN/data" 2>/dev/null || true)
  if [ -n "$link" ]; then
    AT=$(dirname "$link")
  elif account_can_enter "$RUN"; then
    AT=$RUN
  else
    AT=/var/lib/authmeter-run/$(printf '%s' "$RUN" | sha256sum | cut -c1-16)
  fi
  DATA=$AT/data
  PGBIN=$AT/server/pgbin
}

# socket_dir: the path of a Unix socket is short; a deep RUN_DIR gets a directory under /tmp.
socket_dir()
{
  SOCK=$AT/sock
  if [ $((${#SOCK} + 20)) -gt "$SOCKET_PATH_BYTES_MAX" ]; then
    SOCK=$(cat "$AT/socket_dir" 2>/dev/null || true)
    if [ ! -d "$SOCK" ] && [ "${1:-}" = make ]; then
      SOCK=$(mktemp -d /tmp/authmeter.XXXXXXXX)
      printf '%s\n' "$SOCK" >"$AT/socket_dir"
    fi
  fi
  if [ "${1:-}" = make ]; then
    own_dir 0700 "$SOCK"
  fi
}

make_places()
{
  local dir
  mkdir -p "$RUN" "$AT" || die "could not make $RUN"
  if [ -d "$DATA" ] && [ ! -f "$DATA/PG_VERSION" ] && [ -n "$(ls -A "$DATA")" ]; then
    die "$DATA is there already but is no PostgreSQL cluster; choose another RUN_DIR"
  fi
  mkdir -p "$AT/server"
  own_dir 0700 "$DATA"
  own_dir 0700 "$AT/secrets"
  own_dir 0755 "$AT/log"
  own_dir 0700 "$AT/mail"
  socket_dir make
  if [ "$AT" != "$RUN" ]; then
    [ -L "$RUN/data" ] || say "the account $AM_ACCOUNT cannot enter $RUN; the data are kept in $AT"
    for dir in server data secrets log mail; do
      ln -sfn "$AT/$dir" "$RUN/$dir"
    done
  fi
}

# lock: one start or stop at a time. Descriptor 9 must not leak into what is started.
lock()
{
  mkdir -p "$RUN"
  exec 9>"$RUN/.lock"
  flock -w 120 9 || die "another start or stop is busy in $RUN"
}

# ---- state ---------------------------------------------------------------------------------------

# process_is PID NAME: PID is alive, no zombie, and called NAME; a number may have gone to another.
process_is()
{
  local name='' state=''
  [ -n "$1" ] || return 1
  read -r name <"/proc/$1/comm" || return 1
  state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status") || return 1
  [ "$name" = "$2" ] && [ "$state" != Z ] && [ "$state" != X ]
} 2>/dev/null

postgres_running()
{
  process_is "$(sed -n 1p "$DATA/postmaster.pid" 2>/dev/null)" postgres
}

# program_pid shim|mailer: its process, if it runs.
program_pid()
{
  local pid
  pid=$(cat "$AT/log/$1.pid" 2>/dev/null || true)
  if process_is "$pid" "$(process_name "$1")"; then
    printf '%s\n' "$pid"
  fi
}

# process_name shim|mailer: the kernel keeps 15 bytes.
process_name()
{
  printf 'authmeter-%s' "$1" | cut -c1-15
}

# remembered NAME GIVEN DEFAULT: the value given now, else that of the last start, else the default.
remembered()
{
  local value=$2
  if [ -z "$value" ]; then
    value=$(cat "$AT/$1" 2>/dev/null || true)
  fi
  printf '%s\n' "${value:-$3}"
}

# ---- PostgreSQL ----------------------------------------------------------------------------------

make_secrets()
{
  local dir=$AT/secrets name
  # Version and key.
  [ -f "$dir/master.key" ] || printf '1 %s\n' "$(random_hex 32)" | own_file 0600 "$dir/master.key"
  [ -f "$dir/jwt_secret" ] || random_hex 32 | own_file 0600 "$dir/jwt_secret"
  for name in $SIGNING_SECRETS; do
    [ -f "$dir/$name" ] || random_hex 32 | own_file 0600 "$dir/$name"
  done
  [ -f "$dir/password" ] || random_hex 16 | own_file 0600 "$dir/password"
}

make_cluster()
{
  [ ! -f "$DATA/PG_VERSION" ] || return 0
  say "creating a cluster in $DATA"
  as_account "$PGBIN/initdb" -D "$DATA" -U postgres -E UTF8 --locale=C.UTF-8 --data-checksums \
    --auth-local=peer --auth-host=scram-sha-256 --pwfile="$AT/secrets/password" \
    >"$AT/log/initdb.log" 2>&1 || {
    tail -n 20 "$AT/log/initdb.log" >&2
    die "could not create the cluster"
  }
  printf "\ninclude '%s'\n" "$AT/postgresql.conf" |
    as_account tee -a "$DATA/postgresql.conf" >/dev/null
}

# Written at every start, so that they always fit this version of the scripts.
write_postgres_files()
{
  own_file 0644 "$AT/postgresql.conf" <<CONF
# Written by make start: changes here are lost, those in data/postgresql.auto.conf stay.
cluster_name = 'authmeter'
listen_addresses = '127.0.0.1'
port = $PORT
unix_socket_directories = '$SOCK'
unix_socket_permissions = 0700
max_connections = 200
shared_preload_libraries = 'authmeter'
authmeter.master_key_file = '$AT/secrets/master.key'
log_line_prefix = '%m [%p] %q%u@%d %a '
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
CONF
  own_file 0600 "$DATA/pg_hba.conf" <<CONF
# type database role address method
local all postgres peer map=authmeter
local authmeter authmeter_shim peer map=authmeter
local authmeter authmeter_mailer peer map=authmeter
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
CONF
  own_file 0600 "$DATA/pg_ident.conf" <<CONF
# map account role
authmeter $AM_ACCOUNT postgres
authmeter $AM_ACCOUNT authmeter_shim
authmeter $AM_ACCOUNT authmeter_mailer
$(is_root && echo "authmeter root postgres")
CONF
}

# data_in_use: some process works in the data directory; every server process does.
data_in_use()
{
  local cwd
  for cwd in /proc/[0-9]*/cwd; do
    if [ "$(readlink "$cwd" 2>/dev/null)" = "$(realpath "$DATA")" ]; then
      return 0
    fi
  done
  return 1
}

# clear_killed_server: the children of a server that was killed need a moment to notice. PostgreSQL
# copes with a stale lock file, but takes a killed server that nobody has reaped yet for a living one.
clear_killed_server()
{
  local i
  [ -f "$DATA/postmaster.pid" ] || return 0
  for ((i = 0; i < STOP_WAIT_S * 10; i++)); do
    data_in_use || break
    sleep 0.1
  done
  if data_in_use; then
    die "processes of a killed server still work in $DATA; end them first"
  fi
  rm -f "$DATA/postmaster.pid" "$SOCK"/.s.PGSQL.*
}

start_postgres()
{
  clear_killed_server
  PORT=$(cat "$AT/port" 2>/dev/null || true)
  if [ -z "$PORT" ] || ! port_is_free 127.0.0.1 "$PORT"; then
    PORT=$(free_port "$PORT_FIRST")
    printf '%s\n' "$PORT" >"$AT/port"
  fi
  write_postgres_files
  as_account "$PGBIN/pg_ctl" -s -D "$DATA" -l "$AT/log/postgres.log" -t "$START_WAIT_S" -w start \
    </dev/null >/dev/null 9>&- || {
    tail -n 20 "$AT/log/postgres.log" >&2
    die "PostgreSQL did not start; its log is $AT/log/postgres.log"
  }
}

admin_psql()
{
  "$PGBIN/psql" -h "$SOCK" -p "$PORT" -U postgres "$@"
}

# make_database: the database, the extension, the role of the shim and a user to try.
make_database()
{
  if [ "$(admin_psql -XAtc "SELECT 1 FROM pg_database WHERE datname = 'authmeter'")" != 1 ]; then
    admin_psql -Xqc "CREATE DATABASE authmeter"
  fi
  if [ "$(admin_psql -XAt -d authmeter -c "SELECT 1 FROM pg_extension WHERE extname = 'authmeter'")" = 1 ]; then
    return
  fi
  say "creating the extension and the user $DEMO_EMAIL"
  # One transaction: a start that was cut short begins anew.
  admin_psql -Xq -v ON_ERROR_STOP=1 -1 -d authmeter -o /dev/null \
    -v email="$DEMO_EMAIL" -v api_key="$DEMO_API_KEY" <<'SQL' || die "could not set up the database"
SET client_min_messages = warning;
DO $$
BEGIN
  IF to_regrole('authmeter_shim') IS NULL THEN
    CREATE ROLE authmeter_shim LOGIN;
  END IF;
  IF to_regrole('authmeter_mailer') IS NULL THEN
    CREATE ROLE authmeter_mailer LOGIN;
  END IF;
END $$;
CREATE EXTENSION authmeter CASCADE;
SELECT authmeter.setting_set('authmeter.environment', 'development');
SELECT authmeter.grant_access('authmeter_shim', 'gateway');
SELECT authmeter.grant_access('authmeter_mailer', 'mailer');
SELECT authmeter.vsplugin_create_user(:'email', :'api_key');
SQL
  cksum <"$(install_script)" >"$AT/install_script.cksum"
}

install_script()
{
  printf '%s\n' "$("$PGBIN/pg_config" --sharedir)/extension/authmeter--$(
    sed -n "s/^default_version *= *'\(.*\)'/\1/p" "$AM_TOP/authmeter.control"
  ).sql"
}

# An installed extension does not change under a database: say so before somebody wonders.
warn_old_database()
{
  if [ -f "$AT/install_script.cksum" ] &&
    [ "$(cksum <"$(install_script)")" != "$(cat "$AT/install_script.cksum")" ]; then
    say "note: the install script has changed since this database was made."
    say "note: to see the new one: make stop, remove $DATA (and all data in it), make start"
  fi
}

# ---- the shim ------------------------------------------------------------------------------------

# check_listeners: every ADDRESS:PORT must be free, or the error names the variable to change.
check_listeners()
{
  local mount endpoint address port
  for mount in $LISTEN; do
    endpoint=${mount%%=*}
    endpoint=${endpoint%%/*}
    check_endpoint "$endpoint" "LISTEN=\"${LISTEN/"$mount"/127.0.0.1:$((10000 + RANDOM % 20000))=${mount#*=}}\""
  done
  [ "$ADMIN" = off ] || check_endpoint "$ADMIN" "ADMIN=127.0.0.1:$((10000 + RANDOM % 20000))"
}

check_endpoint()
{
  port=${1##*:}
  address=${1%:*}
  address=${address#[}
  address=${address%]}
  # As the shim has it: without an address it is loopback.
  if [ "$address" = "$1" ] || [ "$address" = localhost ]; then
    address=127.0.0.1
  fi
  case $port in
    '' | *[!0-9]*) die "\"$1\" is no [address:]port; for example: make start $2" ;;
  esac
  if ! port_is_free "$address" "$port"; then
    die "port $port of $address is taken; choose another: make start $2"
  fi
}

write_shim_file()
{
  local mount
  {
    echo "# Written by make start: changes here are lost."
    echo "database = host=$SOCK port=$PORT dbname=authmeter user=authmeter_shim"
    for mount in $LISTEN; do
      echo "listen = $mount"
    done
    echo "admin = $ADMIN"
    echo "log_file = stderr"
  } | own_file 0644 "$AT/authmeter-shim.conf"
}

write_mailer_file()
{
  own_file 0600 "$AT/authmeter-mailer.conf" <<CONF
# Written by make start: changes here are lost.
database = host=$SOCK port=$PORT dbname=authmeter user=authmeter_mailer
mail_folder = $AT/mail
log_file = stderr
CONF
}

# start_program shim|mailer: in the background, with its file and its log.
start_program()
{
  rm -f "$AT/log/$1.pid"
  : | as_account tee -a "$AT/log/$1.log" >/dev/null
  # shellcheck disable=SC2016 # expanded by the inner shell, whose process becomes the program
  as_account setsid --fork sh -c 'echo $$ >"$1" && exec "$2" --config="$3"' sh \
    "$AT/log/$1.pid" "$AT/server/bin/authmeter-$1" "$AT/authmeter-$1.conf" \
    </dev/null >>"$AT/log/$1.log" 2>&1 9>&-
}

# export_secrets: what the APIs sign with, for the shim's first start.
export_secrets()
{
  local name
  export VSPLUGIN_JWT_SECRET
  VSPLUGIN_JWT_SECRET=$(cat "$AT/secrets/jwt_secret")
  for name in $SIGNING_SECRETS; do
    export "${name^^}=$(cat "$AT/secrets/$name")"
  done
}

# start_shim: the secrets travel in the environment, from which the shim removes them.
start_shim()
{
  local i
  check_listeners
  write_shim_file
  (
    export_secrets
    start_program shim
  )
  for ((i = 0; i < START_WAIT_S * 10; i++)); do
    if shim_ready; then
      return
    fi
    sleep 0.1
    # Between fork and exec it has another name; after a second it is the shim, or gone.
    if [ "$i" -ge 10 ] && [ -z "$(program_pid shim)" ]; then
      break
    fi
  done
  tail -n 20 "$AT/log/shim.log" >&2
  stop_program shim
  die "the shim did not get ready; its log is $AT/log/shim.log"
}

# start_mailer: what it waits for, the database, it waits for by itself; without it all else works.
start_mailer()
{
  local i
  write_mailer_file
  start_program mailer
  for ((i = 0; i < 50; i++)); do
    if [ -n "$(program_pid mailer)" ]; then
      return
    fi
    sleep 0.1
  done
  say "note: the mailer did not start; its log is $AT/log/mailer.log"
}

# shim_ready: it answers for itself; without an admin listener, somebody listens on its first port.
shim_ready()
{
  local endpoint=${LISTEN%% *}
  [ -n "$(program_pid shim)" ] || return 1
  if [ "$ADMIN" != off ]; then
    curl -fsS -o /dev/null -m 5 "http://$ADMIN/ready" 2>/dev/null
    return
  fi
  endpoint=${endpoint%%=*}
  ! port_is_free 127.0.0.1 "$(sed 's|/.*||; s|.*:||' <<<"$endpoint")"
}

# stop_program shim|mailer: asks, waits for the drain, then insists.
stop_program()
{
  local i pid
  pid=$(program_pid "$1")
  if [ -n "$pid" ] && kill -TERM "$pid" 2>/dev/null; then
    for ((i = 0; i < STOP_WAIT_S * 10; i++)); do
      process_is "$pid" "$(process_name "$1")" || break
      sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
  fi
  rm -f "$AT/log/$1.pid"
}

# ---- commands ------------------------------------------------------------------------------------

# built_is_installed: what was just built is what stands in the private tree.
built_is_installed()
{
  cmp -s "$AM_TOP/authmeter.so" "$("$PGBIN/pg_config" --pkglibdir)/authmeter.so" &&
    cmp -s "$AM_TOP/build/authmeter-shim" "$AT/server/bin/authmeter-shim" &&
    cmp -s "$AM_TOP/build/authmeter-mailer" "$AT/server/bin/authmeter-mailer" &&
    cmp -s "$AM_TOP/$(basename "$(install_script)")" "$(install_script)"
}

start()
{
  local before
  place
  lock
  make_places
  before=$(remembered listen '' "$LISTEN_DEFAULT")
  LISTEN=$(remembered listen "${AM_LISTEN:-}" "$LISTEN_DEFAULT")
  ADMIN=$(remembered admin "${AM_ADMIN:-}" "$ADMIN_DEFAULT")
  before="$before $(remembered admin '' "$ADMIN_DEFAULT")"
  # Before anything is made, so that a wrong LISTEN costs nothing.
  [ -n "$(program_pid shim)" ] || check_listeners
  if postgres_running; then
    PORT=$(sed -n 4p "$DATA/postmaster.pid" 2>/dev/null || cat "$AT/port")
    if built_is_installed; then
      say "PostgreSQL is already running"
    else
      say "PostgreSQL is already running, with an older build; make stop start loads the new one"
    fi
  else
    stop_program shim
    stop_program mailer
    server_tree "$AT/server"
    make_secrets
    make_cluster
    start_postgres
  fi
  make_database
  warn_old_database
  if [ -n "$(program_pid shim)" ] && [ "$before" != "$LISTEN $ADMIN" ]; then
    say "the listeners have changed: restarting the shim"
    stop_program shim
  fi
  if [ -n "$(program_pid shim)" ]; then
    say "the shim is already running"
  else
    start_shim
    printf '%s\n' "$LISTEN" >"$AT/listen"
    printf '%s\n' "$ADMIN" >"$AT/admin"
  fi
  if [ -z "$(program_pid mailer)" ]; then
    start_mailer
  fi
  exec 9>&-
}

# url_of MOUNT: how to reach it from here, 0.0.0.0 as loopback.
url_of()
{
  local endpoint=${1%%=*}
  case $endpoint in
    0.0.0.0:*) endpoint=127.0.0.1:${endpoint#0.0.0.0:} ;;
    *:*) ;;
    *) endpoint=127.0.0.1:$endpoint ;;
  esac
  printf 'http://%s\n' "${endpoint%/}"
}

# tell_calls: a call of each listener, and the demo user where vsplugin is served.
tell_calls()
{
  local mount url
  for mount in $LISTEN; do
    url=$(url_of "$mount")
    echo "  curl -s $url/health"
    case ,${mount#*=}, in
      *,vsplugin,*)
        cat <<TEXT
  TOKEN=\$(curl -s $url/signup -H 'Content-Type: application/json' -d '{"email":"$DEMO_EMAIL"}' |
    sed 's/.*"sessionToken":"\([^"]*\)".*/\1/')
  curl -s $url/trackUsage -H "Authorization: Bearer \$TOKEN" -H 'Content-Type: application/json' \\
    -d '{"usage":1,"tokenCount":250}'
TEXT
        ;;
    esac
  done
}

# tell: how to call it.
tell()
{
  local run='' metrics=''
  [ "$ADMIN" = off ] || metrics="  curl -s http://$ADMIN/metrics"$'\n'
  [ "${RUN_DIR:-.run}" = .run ] || run=" RUN_DIR=$RUN_DIR"
  cat <<TEXT

authmeter is running: $LISTEN. Try it:

$(tell_calls)
$metrics  make psql$run SQL="select * from authmeter.status()"

  Logs and data: $AT    Mails: $AT/mail    Stop: ${1:-make stop$run}

TEXT
}

stop()
{
  place
  if [ ! -d "$DATA" ]; then
    say "nothing is running in $RUN"
    return
  fi
  lock
  if [ -n "$(program_pid shim)" ]; then
    stop_program shim
    say "the shim has stopped"
  fi
  stop_program mailer
  if postgres_running; then
    as_account "$PGBIN/pg_ctl" -s -D "$DATA" -m fast -t "$STOP_WAIT_S" stop ||
      die "PostgreSQL did not stop; its log is $AT/log/postgres.log"
    say "PostgreSQL has stopped; the data stay in $DATA"
  else
    say "PostgreSQL is not running in $RUN"
  fi
  exec 9>&-
}

# run: as start, then follow the logs of shim and mailer until a signal comes or the shim ends.
run()
{
  local pid tail_pid stopping=
  trap 'stopping=yes' INT TERM HUP
  # Also when the start fails or is interrupted half-way, nothing is left behind.
  trap 'trap "" INT TERM HUP; stop' EXIT
  start
  tell "Ctrl-C"
  pid=$(program_pid shim)
  tail -q -n 0 -f "$AT/log/shim.log" "$AT/log/mailer.log" &
  tail_pid=$!
  while [ -z "$stopping" ] && process_is "$pid" authmeter-shim; do
    # A sleep of its own process, so that a signal is acted on at once.
    sleep 1 &
    wait $! || true
  done
  kill "$tail_pid" 2>/dev/null || true
  trap '' INT TERM HUP
  echo
  if [ -z "$stopping" ]; then
    say "the shim has ended by itself; its log is $AT/log/shim.log" >&2
  fi
  [ -n "$stopping" ]
}

psql_command()
{
  place
  socket_dir
  if ! postgres_running; then
    die "nothing is running in $RUN; make start begins it"
  fi
  PORT=$(sed -n 4p "$DATA/postmaster.pid")
  if [ -n "${AM_SQL:-}" ]; then
    admin_psql -XAtq -v ON_ERROR_STOP=1 -d authmeter -c "$AM_SQL"
  else
    admin_psql -d authmeter
  fi
}

AM_ACCOUNT=$(account_name)
RUN='' AT='' DATA='' PGBIN='' SOCK='' PORT='' LISTEN='' ADMIN=''

case ${1:-} in
  start)
    start
    tell
    ;;
  run) run ;;
  stop) stop ;;
  psql) psql_command ;;
  *) die "usage: dev/cluster.sh run|start|stop|psql" ;;
esac
