#!/usr/bin/env bash
# bench.sh [peers]
#
# The table of `make bench`: every figure a ratio of two measurements made side by side. A round
# measures each side once, one after the other; the table shows the median, the least and the
# greatest ratio of BENCH_ROUNDS rounds. docs/benchmarks.md says what the figures mean.
#
# All of it runs against a private cluster and shim, made for the occasion under BENCH_DIR on free
# loopback ports, with the settings of `make start`, fsync on, and removed at the end. BENCH_DIR must
# be on a real disk. Servers run as the unprivileged account, load generators as the caller.
#
# Each measurement is proven afterwards: the counters in the database must have grown by the number
# of replies that were seen.
#
#   BENCH_ROUNDS=5     rounds                     BENCH_STRICT=1  exit status 3 if a goal is missed
#   BENCH_SECONDS=5    of one load                BENCH_KEEP=1    leave the servers running
#   BENCH_DIR=build/bench
# shellcheck source=dev/lib.sh
. "$(dirname "$0")/lib.sh"

ROUNDS=${BENCH_ROUNDS:-5}
SECONDS_OF_LOAD=${BENCH_SECONDS:-5}
SECONDS_OF_ONE=2
USERS=1000
HTTP_CONNECTIONS=64
PGBENCH_CLIENTS=32
JWT_PASSES=200
PGCRYPTO_PASSES=20
HMAC_CALLS=400000
PASSWORD_CALLS=3
LOGIN_CLIENTS=8
LOGIN_USERS=100
LOGIN_TIMEOUT_S=30
RLS_PASSES=10
PEER_WORKERS=1
PEER_POOL=12
PORT_FIRST=23000
DISTURBANCE_MAX=5
TICKS_S=$(getconf CLK_TCK)
SOURCE=$AM_TOP/extension/bench

JWT_CALL="authmeter.jwt_verify(token, 'vsplugin')"
COMPOSED_CALL="bench.jwt_verify_composed(token, (SELECT secret FROM bench.secret))"
TUNED_CALL="bench.jwt_verify_tuned(token, (SELECT secret FROM bench.secret))"

RUN='' AT='' WORK='' PGBIN='' SOCK='' DATABASE_PORT='' POSTMASTER='' SHIM='' PORT='' URL=''
LOGIN_URL='' PASSWORD='' LOGINS=''
ROUND=0
declare -A PEER_PID=() REPLY_OF=()

# ---- arithmetic and notes ------------------------------------------------------------------------

calc()
{
  awk "BEGIN { printf \"%.3f\", $1 }"
}

# note KEY VALUE: one measurement of this round; round 0 is the warm-up and not kept.
note()
{
  if [ "$ROUND" -gt 0 ]; then
    printf '%s\t%s\t%s\n' "$1" "$ROUND" "$2" >>"$WORK/values.tsv"
  fi
}

# cpu_ticks PID: of a process, its children, and the children it has buried. Others may end meanwhile.
cpu_ticks()
{
  { cat /proc/[0-9]*/stat 2>/dev/null || true; } | sed -E 's/^([0-9]+) \(.*\) /\1 /' |
    awk -v pid="$1" '$1 == pid { t += $13 + $14 + $15 + $16 } $3 == pid { t += $13 + $14 } END { print t + 0 }'
}

# all_ticks: of all processors so far: busy, then busy and idle.
all_ticks()
{
  awk '$1 == "cpu" { print $2 + $3 + $4, $2 + $3 + $4 + $5 + $6 + $7 + $8 + $9 }' /proc/stat
}

# own_ticks: of the servers, the loads and this script so far.
own_ticks()
{
  local pid ticks=0
  for pid in $$ "$POSTMASTER" "$SHIM" "${PEER_PID[@]}"; do
    ticks=$((ticks + $(cpu_ticks "$pid")))
  done
  printf '%s\n' "$ticks"
}

# disturbance ALL OWN: per cent of the processors that went to other processes since.
disturbance()
{
  local busy total
  read -r busy total < <(all_ticks)
  calc "100 * ($busy - ${1% *} - ($(own_ticks) - $2)) / ($total - ${1#* })"
}

# cpu_us BEFORE AFTER CALLS: microseconds of processor time a call.
cpu_us()
{
  calc "($2 - $1) * 1000000 / $TICKS_S / $3"
}

# ---- the system under test -----------------------------------------------------------------------

sql()
{
  "$PGBIN/psql" -h "$SOCK" -p "$DATABASE_PORT" -U postgres -d authmeter -XAtq -v ON_ERROR_STOP=1 "$@"
}

cluster()
{
  RUN_DIR=$RUN dev/cluster.sh "$1" >"$RUN.log" 2>&1 || {
    tail -n 30 "$RUN.log" >&2
    die "could not $1 the system to measure"
  }
}

start_system()
{
  local admin jobpsych
  RUN=$(realpath -m -- "${BENCH_DIR:-$AM_TOP/build/bench}")
  [ ! -e "$RUN/data" ] || cluster stop
  remove_system
  mkdir -p "$(dirname "$RUN")"
  PORT=$(free_port "$PORT_FIRST")
  jobpsych=$(free_port $((PORT + 1)))
  admin=$(free_port $((jobpsych + 1)))
  trap finish EXIT
  AM_LISTEN="127.0.0.1:$PORT=vsplugin 127.0.0.1:$jobpsych=jobpsych" AM_ADMIN="127.0.0.1:$admin" cluster start
  URL=http://127.0.0.1:$PORT
  LOGIN_URL=http://127.0.0.1:$jobpsych/api/auth/login
  AT=$(dirname "$(realpath "$RUN/server")")
  WORK=$AT/bench
  mkdir -p "$WORK"
  PGBIN=$AT/server/pgbin
  POSTMASTER=$(sed -n 1p "$AT/data/postmaster.pid")
  DATABASE_PORT=$(sed -n 4p "$AT/data/postmaster.pid")
  SOCK=$(sed -n 5p "$AT/data/postmaster.pid")
  SHIM=$(cat "$AT/log/shim.pid")
}

# remove_system: only what this script has made; the links of cluster.sh tell where that is.
remove_system()
{
  local at
  [ -d "$RUN/server" ] || return 0
  at=$(dirname "$(realpath "$RUN/server")")
  rm -rf "$at" "$RUN" "$RUN.log"
}

finish()
{
  local status=$? pid
  trap - EXIT
  trap '' INT TERM
  for pid in "${PEER_PID[@]}" $LOGINS; do
    kill "$pid" 2>/dev/null || true
  done
  if [ -n "${BENCH_KEEP:-}" ]; then
    say "left running in $RUN: make psql RUN_DIR=$RUN; make stop RUN_DIR=$RUN"
    exit "$status"
  fi
  if [ -e "$RUN/data" ]; then
    RUN_DIR=$RUN dev/cluster.sh stop >/dev/null 2>&1 || true
    remove_system
  fi
  exit "$status"
}

# durable: figures of a server that may lose what it has acknowledged are not worth printing.
durable()
{
  local setting
  for setting in fsync synchronous_commit full_page_writes; do
    [ "$(sql -c "SHOW $setting")" = on ] || die "$setting is not on"
  done
  case $(stat -f -c %T "$AT/data") in
    tmpfs | ramfs) die "$AT/data is in memory: set BENCH_DIR to a directory on a disk" ;;
  esac
}

# ---- data ----------------------------------------------------------------------------------------

# make_data: users, their tokens as /signup gives them, and the same calls for SQL.
make_data()
{
  local n
  sql -v users="$USERS" -f "$SOURCE/setup.sql" -f "$SOURCE/jwt_pgcrypto.sql" -o /dev/null
  PASSWORD=$(random_hex 8)
  sql -v users="$LOGIN_USERS" -v password="$PASSWORD" -f "$SOURCE/login.sql" -o /dev/null
  for ((n = 1; n <= USERS; n++)); do
    [ "$n" -eq 1 ] || echo next
    printf 'url = "%s/signup"\nheader = "Content-Type: application/json"\n' "$URL"
    printf 'data = "{\\"email\\":\\"bench-%s@example.com\\"}"\nwrite-out = "\\n"\n' "$n"
  done | (umask 077 && curl -sS --fail-early -K - | sed -n 's/.*"sessionToken":"\([^"]*\)".*/\1/p' \
    >"$WORK/tokens") || die "/signup failed"
  [ "$(wc -l <"$WORK/tokens")" -eq "$USERS" ] || die "/signup did not give $USERS tokens"
  awk '{ print NR "\t" $0 }' "$WORK/tokens" | sql -c "\\copy bench.token FROM STDIN"
  sql -c "\\copy bench.secret FROM '$AT/secrets/jwt_secret'"
  sql -f "$SOURCE/calls.sql" -f "$SOURCE/uid_rls.sql" -f "$SOURCE/audit.sql" -o /dev/null
  install -m 644 "$SOURCE/track_usage.pgbench" "$WORK/"
}

build_tools()
{
  local cc=${CC:-cc}
  "$cc" -std=c11 -D_GNU_SOURCE -O2 -o "$WORK/hmac_oneshot" "$SOURCE/hmac_oneshot.c" -lcrypto
  "$cc" -std=c11 -D_GNU_SOURCE -O2 -o "$WORK/crypt_verify" "$SOURCE/crypt_verify.c" -lcrypt
  "$cc" -std=c11 -D_GNU_SOURCE -O2 -o "$WORK/paced" "$SOURCE/paced.c"
}

# ---- load on POST /trackUsage --------------------------------------------------------------------

# counted TABLE: all increments so far.
counted()
{
  sql -c "SELECT sum(prompt_count) FROM $1"
}

# proven WHAT REPLIES BEFORE AFTER IN_FLIGHT: each reply is counted; besides them only calls whose
# replies were still under way when the load began or ended.
proven()
{
  local grown=$(($4 - $3))
  if [ "$grown" -lt "$2" ] || [ "$grown" -gt $(($2 + $5)) ]; then
    die "$1: $2 replies, but the counters have grown by $grown"
  fi
}

# wrk_load URL USERS CONNECTIONS SECONDS [check]: fills REPLY_OF.
wrk_load()
{
  local line pair
  line=$(wrk -t1 -c"$3" -d"$4s" --timeout 5s -s "$SOURCE/track_usage.lua" "$1/trackUsage" -- \
    "$WORK/tokens" "$2" "${5:-}" | sed -n 's/^wrk //p')
  for pair in $line; do
    REPLY_OF[${pair%%=*}]=${pair#*=}
  done
  if [ -z "$line" ] || [ "${REPLY_OF[errors]}" != 0 ] || [ "${REPLY_OF[bad]}" != 0 ]; then
    die "not every reply of $1 was a counted 200: $line"
  fi
}

# http_load KEY URL TABLE PID USERS: KEY is http, fastify or express, PID the service's process.
http_load()
{
  local key=$1 url=$2 table=$3 pid=$4 users=$5 which=random check=''
  local before service database service_us database_us
  [ "$users" -gt 1 ] || which=hot
  # In the warm-up every reply is read; reading them all in the rounds too would load the machine.
  [ "$ROUND" -gt 0 ] || check=check
  sql -c CHECKPOINT
  before=$(counted "$table") service=$(cpu_ticks "$pid") database=$(cpu_ticks "$POSTMASTER")
  wrk_load "$url" "$users" "$HTTP_CONNECTIONS" "$SECONDS_OF_LOAD" "$check"
  service_us=$(cpu_us "$service" "$(cpu_ticks "$pid")" "${REPLY_OF[requests]}")
  database_us=$(cpu_us "$database" "$(cpu_ticks "$POSTMASTER")" "${REPLY_OF[requests]}")
  proven "$url" "${REPLY_OF[requests]}" "$before" "$(counted "$table")" $((2 * HTTP_CONNECTIONS))
  note "${key}_${which}_s" "$(calc "${REPLY_OF[requests]} * 1000000 / ${REPLY_OF[duration_us]}")"
  if [ "$which" = random ]; then
    note "${key}_p50_us" "${REPLY_OF[p50_us]}"
    note "${key}_p99_us" "${REPLY_OF[p99_us]}"
    note "${key}_service_cpu_us" "$service_us"
    note "${key}_database_cpu_us" "$database_us"
    note "${key}_cpu_us" "$(calc "$service_us + $database_us")"
  fi
}

# pgbench_run USERS CLIENTS SECONDS: fills REPLY_OF with requests, rate_s and mean_us.
pgbench_run()
{
  local threads=2
  [ "$2" -gt 1 ] || threads=1
  as_account "$PGBIN/pgbench" -h "$SOCK" -p "$DATABASE_PORT" -U authmeter_shim -d authmeter -n \
    -M prepared -c "$2" -j "$threads" -T "$3" -D users="$1" -f "$WORK/track_usage.pgbench" \
    >"$WORK/pgbench.out" 2>"$WORK/pgbench.err" || {
    cat "$WORK/pgbench.err" >&2
    die "pgbench failed"
  }
  REPLY_OF[requests]=$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' "$WORK/pgbench.out")
  REPLY_OF[rate_s]=$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$WORK/pgbench.out")
  REPLY_OF[mean_us]=$(calc "$(sed -n 's/^latency average = \([0-9.]*\) ms/\1/p' "$WORK/pgbench.out") * 1000")
}

pgbench_load()
{
  local users=$1 which=random before database
  [ "$users" -gt 1 ] || which=hot
  sql -c CHECKPOINT
  before=$(counted authmeter.vsplugin_users) database=$(cpu_ticks "$POSTMASTER")
  pgbench_run "$users" "$PGBENCH_CLIENTS" "$SECONDS_OF_LOAD"
  database=$(cpu_us "$database" "$(cpu_ticks "$POSTMASTER")" "${REPLY_OF[requests]}")
  proven pgbench "${REPLY_OF[requests]}" "$before" "$(counted authmeter.vsplugin_users)" "$HTTP_CONNECTIONS"
  note "pgbench_${which}_s" "${REPLY_OF[rate_s]}"
  [ "$which" = hot ] || note pgbench_database_cpu_us "$database"
}

one_connection()
{
  wrk_load "$URL" "$USERS" 1 "$SECONDS_OF_ONE"
  note http_one_us "${REPLY_OF[mean_us]}"
  pgbench_run "$USERS" 1 "$SECONDS_OF_ONE"
  note pgbench_one_us "${REPLY_OF[mean_us]}"
}

# ---- metering while others log in ----------------------------------------------------------------

# paced_load KEY RATE: POST /trackUsage at that rate, whatever becomes of it.
paced_load()
{
  local line pair before
  before=$(counted authmeter.vsplugin_users)
  line=$("$WORK/paced" "$PORT" "$WORK/tokens" "$USERS" "$HTTP_CONNECTIONS" "$2" "$SECONDS_OF_LOAD") ||
    die "the paced load failed"
  for pair in ${line#paced }; do
    REPLY_OF[${pair%%=*}]=${pair#*=}
  done
  proven paced "${REPLY_OF[requests]}" "$before" "$(counted authmeter.vsplugin_users)" 0
  note "$1_p50_us" "${REPLY_OF[p50_us]}"
  note "$1_p99_us" "${REPLY_OF[p99_us]}"
}

logins()
{
  sql -c "SELECT count(*) FROM authmeter.audit_event WHERE action = 'user_login'"
}

# logins_begun BEFORE: waits until the first of the clients has been let in.
logins_begun()
{
  local i
  for ((i = 0; i < 100; i++)); do
    [ "$(logins)" -eq "$1" ] || return 0
    sleep 0.1
  done
  die "nobody could log in"
}

# beside_logins RATE: the paced load alone, and again while LOGIN_CLIENTS log in without pause.
beside_logins()
{
  local before
  sql -c CHECKPOINT
  paced_load quiet "$1"
  before=$(logins)
  wrk -t1 -c"$LOGIN_CLIENTS" -d"$((SECONDS_OF_LOAD + 3))s" --timeout "${LOGIN_TIMEOUT_S}s" \
    -s "$SOURCE/login.lua" "$LOGIN_URL" -- "$PASSWORD" "$LOGIN_USERS" >"$WORK/logins.out" &
  LOGINS=$!
  logins_begun "$before"
  sql -c CHECKPOINT
  paced_load beside "$1"
  kill -0 "$LOGINS" 2>/dev/null || die "the logins had ended before the load"
  wait "$LOGINS" || die "the logins failed"
  LOGINS=''
  grep -q '^wrk .* errors=0 ' "$WORK/logins.out" || die "a login failed: $(tail -n 1 "$WORK/logins.out")"
  note logins_s "$(sed -n 's/^wrk requests=\([0-9]*\) duration_us=\([0-9]*\) .*/\1 \2/p' "$WORK/logins.out" |
    awk '{ printf "%.2f", $1 * 1000000 / $2 }')"
}

# ---- functions -----------------------------------------------------------------------------------

# call_ns EXPRESSION PASSES: nanoseconds of one call, less the loop over the same rows.
call_ns()
{
  local with without
  # The first pass loads keys and plans.
  IFS='|' read -r with without < <(sql -v call="$1" -v passes="$2" <<'SQL'
SELECT bench.call_ns(:'call', 1), bench.call_ns('token', 1) \g /dev/null
SELECT bench.call_ns(:'call', :passes), bench.call_ns('token', :passes);
SQL
  )
  calc "$with - $without"
}

jwt_round()
{
  note jwt_ns "$(call_ns "$JWT_CALL" "$JWT_PASSES")"
  note hmac_ns "$("$WORK/hmac_oneshot" "$AT/secrets/jwt_secret" "$WORK/tokens" "$HMAC_CALLS")"
  note composed_ns "$(call_ns "$COMPOSED_CALL" "$PGCRYPTO_PASSES")"
  note tuned_ns "$(call_ns "$TUNED_CALL" "$PGCRYPTO_PASSES")"
}

password_round()
{
  local password hash
  password=$(random_hex 8)
  hash=$(sql -v password="$password" <<<"SELECT authmeter.password_hash(:'password')")
  note password_ns "$(sql -v password="$password" -v hash="$hash" -v calls="$PASSWORD_CALLS" \
    <<<"SELECT bench.password_ns(:'password', :'hash', :calls)")"
  note crypt_ns "$(printf '%s\n%s\n' "$password" "$hash" | "$WORK/crypt_verify" "$PASSWORD_CALLS")"
}

# rls_round: a query under row-level security, in turns with uid() and with a constant in the policy.
rls_round()
{
  local uid constant
  IFS='|' read -r uid constant < <(sql -c "CALL bench.rls_round($RLS_PASSES)")
  note uid_rls_us "$uid"
  note constant_rls_us "$constant"
}

audit_round()
{
  note verify_ns "$(sql -c 'SELECT bench.verify_ns()')"
}

# ---- the whole -----------------------------------------------------------------------------------

measure()
{
  local users half
  for users in "$USERS" 1; do
    http_load http "$URL" authmeter.vsplugin_users "$SHIM" "$users"
    [ "$users" -eq 1 ] || half=$((REPLY_OF[requests] * 500000 / REPLY_OF[duration_us]))
    pgbench_load "$users"
    [ -z "$PEERS" ] || peers_load "$users"
  done
  beside_logins "$half"
  one_connection
  jwt_round
  password_round
  rls_round
  audit_round
}

# table DISTURBANCE: what was measured, and after it the conditions.
table()
{
  local status=0
  printf '\n'
  awk -F '\t' -f "$SOURCE/table.awk" "$SOURCE/rows.tsv" "$WORK/values.tsv" || status=$?
  [ "$status" -eq 0 ] || [ "$status" -eq 3 ] || die "could not print the table"
  printf '\n%s processors shared by servers and load; PostgreSQL %s, fsync on; wrk with %s connections;\n' \
    "$(nproc)" "$(sql -c 'SHOW server_version' | sed 's/ .*//')" "$HTTP_CONNECTIONS"
  printf 'median of %s alternating rounds of %s s; every reply was a 200 that is counted in the database.\n' \
    "$ROUNDS" "$SECONDS_OF_LOAD"
  printf 'Other processes took %.1f %% of the processors meanwhile; above %s %% measure again.\n' \
    "$1" "$DISTURBANCE_MAX"
  [ -z "${BENCH_STRICT:-}" ] || return "$status"
}

main()
{
  local all own
  cd "$AM_TOP"
  say "starting a system to measure"
  start_system
  durable
  build_tools
  make_data
  [ -z "$PEERS" ] || start_peers
  for ((ROUND = 0; ROUND <= ROUNDS; ROUND++)); do
    if [ "$ROUND" -eq 0 ]; then
      say "warming up, every reply read"
    else
      say "round $ROUND of $ROUNDS"
    fi
    measure
    # After the warm-up all tables have their rows: what autovacuum would find out within a minute.
    if [ "$ROUND" -eq 0 ]; then
      sql -c 'VACUUM ANALYZE'
      all=$(all_ticks) own=$(own_ticks)
    fi
  done
  table "$(disturbance "$all" "$own")"
}

AM_ACCOUNT=$(account_name)
PEERS=
case ${1:-} in
  '') ;;
  peers)
    PEERS=yes
    # shellcheck source=extension/bench/peers/peers.sh
    . "$SOURCE/peers/peers.sh"
    ;;
  *) die "usage: dev/bench.sh [peers]" ;;
esac
main
