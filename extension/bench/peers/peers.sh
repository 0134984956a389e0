# shellcheck shell=bash
# peers.sh
#
# The services of Node.js that make bench PEERS=1 compares with, each in its own process, against the
# same cluster. Read by dev/bench.sh, whose names it uses. Redis holds what the Express service keeps
# there, in memory only; both services and Redis run as the unprivileged account.

declare -A PEER_PID=()
PEER_MODULES=$AM_TOP/build/peers

# install_peers: from the npm registry, once; versions are those of package.json.
install_peers()
{
  mkdir -p "$PEER_MODULES"
  if ! cmp -s "$SOURCE/peers/package.json" "$PEER_MODULES/package.json" ||
    [ ! -d "$PEER_MODULES/node_modules" ]; then
    say "installing the peers from npm"
    cp "$SOURCE/peers/package.json" "$PEER_MODULES/package.json"
    npm --prefix "$PEER_MODULES" install --silent --no-audit --no-fund --no-package-lock \
      --ignore-scripts || die "npm could not install the peers"
  fi
  # Into a place that the account can enter.
  rm -rf "$WORK/peers"
  cp -r "$PEER_MODULES" "$WORK/peers"
  cp "$SOURCE"/peers/*.js "$WORK/peers/"
}

# spawn NAME COMMAND...: starts it as the account, in the background, from the folder of the peers.
spawn()
{
  local name=$1
  shift
  # shellcheck disable=SC2016 # expanded by the inner shell, whose process becomes the command
  as_account setsid --fork sh -c 'cd "$1" && echo $$ >"$2" && shift 2 && exec "$@"' sh \
    "$WORK/peers" "$AT/log/$name.pid" "$@" </dev/null >"$WORK/$name.log" 2>&1
  within 10 test -s "$AT/log/$name.pid" || die "$name did not start"
  PEER_PID[$name]=$(cat "$AT/log/$name.pid")
}

# within SECONDS COMMAND...: until it succeeds.
within()
{
  local i tries=$(($1 * 10))
  shift
  for ((i = 0; i < tries; i++)); do
    ! "$@" >/dev/null 2>&1 || return 0
    sleep 0.1
  done
  return 1
}

# start_peer NAME PORT: a service refuses a call without a token as soon as it is ready.
start_peer()
{
  spawn "$1" env NODE_ENV=production HOST=127.0.0.1 PORT="$2" WORKERS="$PEER_WORKERS" \
    POOL="$PEER_POOL" JWT_SECRET_FILE="$AT/secrets/jwt_secret" REDIS_SOCKET="$SOCK/redis.sock" \
    PGHOST="$SOCK" PGPORT="$DATABASE_PORT" PGUSER=authmeter_shim PGDATABASE=authmeter \
    node "$1.js"
  within 20 refuses "http://127.0.0.1:$2" || {
    cat "$WORK/$1.log" >&2
    die "$1 did not get ready"
  }
}

refuses()
{
  [ "$(curl -s -o /dev/null -w '%{http_code}' -X POST "$1/trackUsage")" = 401 ]
}

start_peers()
{
  local port=$((${URL##*:} + 2))
  install_peers
  spawn redis redis-server --port 0 --unixsocket "$SOCK/redis.sock" --save '' --appendonly no
  within 10 redis-cli -s "$SOCK/redis.sock" ping || die "redis-server did not start"
  sql -F ' ' -c "SELECT 'SET', 'ver:' || id, token_version FROM bench.peer_user" |
    redis-cli -s "$SOCK/redis.sock" --pipe >"$WORK/redis-cli.log" || die "could not fill Redis"
  FASTIFY_PORT=$(free_port "$port")
  start_peer fastify "$FASTIFY_PORT"
  EXPRESS_PORT=$(free_port $((FASTIFY_PORT + 1)))
  start_peer express "$EXPRESS_PORT"
}

# peers_load USERS
peers_load()
{
  http_load fastify "http://127.0.0.1:$FASTIFY_PORT" bench.peer_user "${PEER_PID[fastify]}" "$1"
  http_load express "http://127.0.0.1:$EXPRESS_PORT" bench.peer_user "${PEER_PID[express]}" "$1"
}
