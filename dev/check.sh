#!/usr/bin/env bash
# check.sh [SUITE...]
#
# Everything a change must pass. Without arguments all suites run; each writes build/check/<suite>.log
# and one line here, and the last line is "N passed, N failed". Nothing outside build/ and /tmp is
# touched: sources are copied to a stage, the extension goes into a private server tree (lib.sh).
#
#   lint       dev/lint.sh: format, static analysis, rules of the house; one a check
#   build      extension and shim without a warning: gcc and clang; one a build
#   core       unit tests of extension/core under sanitizers
#   shim       unit tests of the shim under sanitizers
#   fuzz       every fuzzer for a few seconds; one a fuzzer
#   regress    pg_regress with the library preloaded; one a file
#   isolation  isolation specs with the library preloaded; one a spec
#   plain      pg_regress again with the library not preloaded, and the specs of that; one a file
#   docs       tables of README.md and docs/ agree with the code; one in all
#   tap        TAP and HTTP end-to-end tests (extension/t), as an unprivileged account; one a test
#
# TESTS="install jwt 100_vsplugin" runs only these of regress, isolation and tap.
#
# Two lanes run at the same time, for two cores; the TAP tests, which measure time, run after both.
# What tests may rely on: psql and the server programs of the private tree on PATH, AUTHMETER_SHIM
# and AUTHMETER_MAILER (their paths), AUTHMETER_BUILD (variables the checkout was built with), PERL5LIB with
# PostgreSQL::Test and extension/t/lib, TESTDIR (may be written).
# shellcheck source=dev/lib.sh
. "$(dirname "$0")/lib.sh"

SUITES=(lint build core shim fuzz regress isolation plain docs tap)
ROOMS=(authmeter.control Makefile extension.mk extension shim sql expected dev docker docs
  README.md CHANGELOG.md LICENSE .ci .clang-format .clang-tidy .editorconfig .gitignore .shellcheckrc)
PORT=54399
TESTS=${TESTS:-}
TAP_JOBS=${TAP_JOBS:-2}
TAP_LIMIT_S=1200
SUITE_LIMIT_S=900
FUZZ_SMOKE_S=3
SHOWN_LINES_MAX=60
SHOWN_COLUMNS_MAX=240

OUT=$AM_TOP/build/check

# ---- the stage -----------------------------------------------------------------------------------

copy_sources()
{
  local room
  local -a there=()
  for room in "${ROOMS[@]}"; do
    if [ -e "$AM_TOP/$room" ]; then
      there+=("$room")
    fi
  done
  mkdir -p "$1"
  tar -C "$AM_TOP" --exclude='*.o' --exclude='*.d' --exclude='*.so' --exclude='*.bc' \
    -cf - "${there[@]}" | tar -C "$1" -xf - --no-same-owner
}

# make_stage: beside the logs, or where the unprivileged account can read it.
make_stage()
{
  rm -rf "$OUT"
  mkdir -p "$OUT"
  if account_can_enter "$OUT"; then
    STAGE=$OUT/stage
  else
    STAGE=$(mktemp -d /var/tmp/authmeter-check.XXXXXXXX)
    chmod 755 "$STAGE"
  fi
  mkdir -p "$STAGE"
  SOCK=$(mktemp -d /tmp/authmeter-check.XXXXXXXX)
  own_dir 0700 "$SOCK"
  SRC=$STAGE/gcc
  PGBIN=$STAGE/server/pgbin
  copy_sources "$SRC"
}

# descendants PID: its children, their children and so on.
descendants()
{
  awk -v root="$1" '
    { pid = $1; sub(/.*\) . /, ""); split($0, field, " "); children[field[1]] = children[field[1]] " " pid }
    END {
      queue[1] = root
      last = 1
      for (i = 1; i <= last; i++) {
        count = split(children[queue[i]], list, " ")
        for (j = 1; j <= count; j++) { queue[++last] = list[j]; print list[j] }
      }
    }' /proc/[0-9]*/stat 2>/dev/null
}

# end_descendants: after an interrupt. Neither process groups nor a terminal reach all of them: each
# timeout has a group of its own, and what runs in the background ignores Ctrl-C.
end_descendants()
{
  local -a left
  mapfile -t left <<<"$(descendants $$)"
  kill -TERM "${left[@]}" 2>/dev/null || true
}

# drop_stage: also when the run is interrupted, no server of ours stays behind.
drop_stage()
{
  trap '' INT TERM
  end_descendants
  stop_cluster preloaded
  stop_cluster plain
  rm -rf "$SOCK"
  case $STAGE in
    /var/tmp/*) rm -rf "$STAGE" ;;
    # What a failed test left is worth a look; the server's copy and data are not.
    *) rm -rf "$STAGE/clang" "$STAGE/preloaded" "$STAGE/plain" ;;
  esac
}

# ---- clusters ------------------------------------------------------------------------------------

# start_cluster NAME CONF: trust is safe, the socket directory is the account's own.
start_cluster()
{
  local dir=$STAGE/$1
  own_dir 0700 "$dir"
  printf '1 %s\n' "$(random_hex 32)" | own_file 0600 "$dir/master.key"
  as_account "$PGBIN/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync
  as_account tee -a "$dir/data/postgresql.conf" >/dev/null <<CONF
listen_addresses = ''
port = $PORT
unix_socket_directories = '$SOCK'
fsync = off
max_connections = 100
authmeter.master_key_file = '$dir/master.key'
# Tests of regress and isolation count rows that it would chain or remove.
authmeter.housekeeping_interval_s = 0
$2
CONF
  as_account "$PGBIN/pg_ctl" -s -D "$dir/data" -l "$dir/postgres.log" -w start </dev/null || {
    tail -n 20 "$dir/postgres.log"
    return 1
  }
}

stop_cluster()
{
  if [ -f "$STAGE/$1/data/postmaster.pid" ]; then
    as_account "$PGBIN/pg_ctl" -s -D "$STAGE/$1/data" -m immediate stop >/dev/null 2>&1 || true
  fi
}

# listed VARIABLE: the tests of a list of extension.mk, or those of them that TESTS names.
listed()
{
  local test
  for test in $(make -s --no-print-directory -C "$SRC" -f extension.mk "print-$1"); do
    if [ -z "$TESTS" ] || [[ " $TESTS " == *" $test "* ]]; then
      echo "$test"
    fi
  done
}

# tap_files: likewise the TAP tests; a number alone names one, too.
tap_files()
{
  local file name
  for file in "$SRC"/extension/t/*.pl; do
    name=$(basename "$file" .pl)
    if [ -z "$TESTS" ] || [[ " $TESTS " == *" $name "* ]] || [[ " $TESTS " == *" ${name%%_*} "* ]]; then
      echo "$file"
    fi
  done
}

# regress_driver PROGRAM INPUT OUTPUT TEST...: pg_regress or pg_isolation_regress.
regress_driver()
{
  local program=$1 input=$2 output=$3
  shift 3
  mkdir -p "$output"
  PGHOST=$SOCK PGPORT=$PORT PGUSER=postgres PATH=$PGBIN:$PATH limited "$program" \
    --inputdir="$input" --outputdir="$output" --bindir="$PGBIN" --host="$SOCK" --port="$PORT" \
    --user=postgres --dbname="$(basename "$output")" "$@"
}

# ---- suites: each prints its log; status 0 = nothing failed ---------------------------------------

# limited COMMAND...: a suite that hangs fails.
limited()
{
  timeout -k 10 "$SUITE_LIMIT_S" "$@"
}

suite_lint()
{
  limited "$AM_TOP/dev/lint.sh"
}

# built COMMAND...: one build, one result. Afterwards the line "build: ..." tells the sum.
built()
{
  if "$@"; then
    BUILDS_PASSED=$((BUILDS_PASSED + 1))
  else
    BUILDS_FAILED=$((BUILDS_FAILED + 1))
    echo "FAILED: $*"
  fi
}

suite_build()
{
  local BUILDS_PASSED=0 BUILDS_FAILED=0
  copy_sources "$STAGE/clang"
  built limited make -s --no-print-directory -C "$STAGE/clang" CC=clang WERROR=1 extension
  built limited make -s --no-print-directory -C "$STAGE/clang" CC=clang WERROR=1 shim
  built test -x "$SRC/build/authmeter-shim" -a -x "$SRC/build/authmeter-mailer" -a -f "$SRC/authmeter.so"
  echo "build: $BUILDS_PASSED passed, $BUILDS_FAILED failed"
  [ "$BUILDS_FAILED" -eq 0 ]
}

suite_core()
{
  limited make --no-print-directory -C "$SRC/extension/core/test" check
}

suite_shim()
{
  limited make --no-print-directory -C "$SRC/shim/test" check
}

suite_fuzz()
{
  FUZZ_SECONDS=$FUZZ_SMOKE_S limited "$SRC/dev/fuzz.sh"
}

suite_regress()
{
  # shellcheck disable=SC2046 # a list of words
  regress_driver "$(regress_program regress pg_regress)" "$SRC" "$STAGE/regress" $(listed REGRESS)
}

suite_isolation()
{
  # shellcheck disable=SC2046
  regress_driver "$(regress_program isolation pg_isolation_regress)" "$SRC/extension/isolation" \
    "$STAGE/isolation" --load-extension=pgcrypto --load-extension=authmeter $(listed ISOLATION)
}

suite_plain()
{
  stop_cluster preloaded
  start_cluster plain '' >/dev/null
  # shellcheck disable=SC2046
  regress_driver "$(regress_program regress pg_regress)" "$SRC" "$STAGE/plain_regress" \
    $(listed REGRESS)
  # shellcheck disable=SC2046
  regress_driver "$(regress_program isolation pg_isolation_regress)" "$SRC/extension/isolation" \
    "$STAGE/plain_isolation" --load-extension=pgcrypto --load-extension=authmeter \
    $(listed ISOLATION_PLAIN)
}

regress_program()
{
  printf '%s/../test/%s/%s\n' "$(dirname "$("$PG_CONFIG" --pgxs)")" "$1" "$2"
}

suite_docs()
{
  export PGHOST=$SOCK PGPORT=$PORT PGUSER=postgres PGDATABASE=docs PATH=$PGBIN:$PATH
  psql -Xq -d postgres -c "CREATE DATABASE docs"
  psql -Xq -c "SET client_min_messages = warning" -c "CREATE EXTENSION authmeter CASCADE"
  if "$SRC/dev/docs.sh" check; then
    echo "docs: 1 passed, 0 failed"
  else
    echo "docs: 0 passed, 1 failed"
    return 1
  fi
}

suite_tap()
{
  local pgxs
  local -a files
  mapfile -t files < <(tap_files)
  pgxs=$(dirname "$("$PG_CONFIG" --pgxs)")
  own_dir 0755 "$STAGE/tap"
  cd "$STAGE/tap"
  as_account env TESTDIR="$STAGE/tap" PATH="$PGBIN:$PATH" PGPORT=65432 \
    PG_REGRESS="$pgxs/../test/regress/pg_regress" \
    PERL5LIB="$pgxs/../test/perl:$SRC/extension/t/lib" \
    AUTHMETER_SHIM="$SRC/build/authmeter-shim" \
    AUTHMETER_MAILER="$SRC/build/authmeter-mailer" AUTHMETER_BUILD="CC=gcc WERROR=1" \
    timeout -k 30 "$TAP_LIMIT_S" perl "$SRC/dev/prove.pl" "$TAP_JOBS" "${files[@]}"
}

# ---- running and counting ------------------------------------------------------------------------

# counts LOG STATUS: "passed failed" from the closing line of a suite, else from pg_regress's lines.
counts()
{
  perl -ne '
    ($passed, $failed) = ($1, $2) if /^(?:\w+: )?(\d+) passed, (\d+) failed/;
    $ok++ if /^(?:test\s+|\s+)\S+\s+\.\.\. ok\b/ || /^ok \d+/;
    $bad++ if /\.\.\. FAILED/ || /^not ok \d+/;
    END {
      my $status = pop @rest;
      ($passed, $failed) = ($ok // 0, $bad // 0) unless defined $passed;
      # A suite that stopped early or ran nothing is a failure that it could not count.
      $failed++ if !$failed && ($status || !$passed);
      print "$passed $failed\n";
    }
    BEGIN { @rest = pop @ARGV }' "$1" "$2"
}

# A suite with nothing to run yet is left out, not failed.
has_work()
{
  case $1 in
    core) [ -f "$SRC/extension/core/test/Makefile" ] ;;
    shim) [ -f "$SRC/shim/test/Makefile" ] ;;
    fuzz) compgen -G "$SRC/extension/fuzz/*.c" >/dev/null ;;
    isolation) compgen -G "$SRC/extension/isolation/specs/*.spec" >/dev/null ;;
    docs) [ -f "$SRC/README.md" ] ;;
    tap) compgen -G "$SRC/extension/t/*.pl" >/dev/null ;;
    *) true ;;
  esac
}

# run_suite NAME: in a subshell with its own log; one line here when it has ended.
run_suite()
{
  local name=$1 status=0 begin=$SECONDS passed failed
  wanted "$name" && has_work "$name" || return 0
  (
    set -e
    "suite_$name"
  ) >"$OUT/$name.log" 2>&1 </dev/null &
  wait $! || status=$?
  read -r passed failed < <(counts "$OUT/$name.log" "$status")
  printf '%s %s\n' "$passed" "$failed" >"$OUT/$name.count"
  if [ "$failed" -eq 0 ]; then
    printf '  ok      %-10s %5d passed %23s\n' "$name" "$passed" "($((SECONDS - begin)) s)"
    return 0
  fi
  printf '  FAILED  %-10s %5d passed, %d failed %12s\n' "$name" "$passed" "$failed" \
    "($((SECONDS - begin)) s)"
  show_failure "$name"
}

# show_failure NAME: what failed and the end of the log; the differences where there are any.
show_failure()
{
  local diffs=$STAGE/$1/regression.diffs
  [ "$1" != plain ] || diffs=$STAGE/plain_regress/regression.diffs
  if [ "$1" = tap ] && [ -d "$STAGE/tap/tmp_check/log" ]; then
    # The stage may be a temporary directory.
    cp -r "$STAGE/tap/tmp_check/log" "$OUT/tap"
  fi
  {
    echo "---- what failed, of $OUT/$1.log"
    grep -nE '^not ok|FAILED|Failed test|^#  +(got|expected):|error:|bailed out|ERROR:' "$OUT/$1.log" |
      head -n "$SHOWN_LINES_MAX" || true
    echo "---- the end of it"
    tail -n 25 "$OUT/$1.log"
    if [ -s "$diffs" ]; then
      cp "$diffs" "$OUT/$1.diffs"
      echo "---- the begin of $OUT/$1.diffs"
      head -n "$SHOWN_LINES_MAX" "$OUT/$1.diffs"
    fi
    echo "----"
  } | cut -c "1-$SHOWN_COLUMNS_MAX" | sed 's/^/    /'
}

wanted()
{
  local suite
  for suite in "${CHOSEN[@]}"; do
    [ "$suite" != "$1" ] || return 0
  done
  return 1
}

# build_stage: what all server suites stand on. Warnings are errors here too.
build_stage()
{
  local -a flags=(CC=gcc WERROR=1)
  if ! make -s --no-print-directory -j2 -C "$SRC" "${flags[@]}" all >"$OUT/gcc.log" 2>&1; then
    tail -n 40 "$OUT/gcc.log"
    echo "build: the build with gcc failed, its log is $OUT/gcc.log"
    echo "0 passed, 1 failed"
    exit 1
  fi
  server_tree "$STAGE/server" "$SRC" "${flags[@]}"
}

server_lane()
{
  if wanted regress || wanted isolation || wanted docs; then
    start_cluster preloaded "shared_preload_libraries = 'authmeter'" >"$OUT/initdb.log" 2>&1 || {
      tail -n 20 "$OUT/initdb.log"
      echo "0 1" >"$OUT/server.count"
      return
    }
  fi
  run_suite regress
  run_suite isolation
  run_suite docs
  run_suite plain
}

other_lane()
{
  run_suite core
  run_suite shim
  run_suite build
  run_suite lint
  run_suite fuzz
}

total()
{
  local suite
  # A lane that broke off leaves suites without a result: none of them may pass unseen.
  for suite in "${CHOSEN[@]}"; do
    if has_work "$suite" && [ ! -f "$OUT/$suite.count" ]; then
      printf '  FAILED  %-10s did not run\n' "$suite"
      echo "0 1" >"$OUT/$suite.count"
    fi
  done
  cat "$OUT"/*.count | awk -v seconds="$SECONDS" '
    { passed += $1; failed += $2 }
    END {
      printf "  %d s\n%d passed, %d failed\n", seconds, passed, failed
      exit failed > 0 || passed == 0
    }'
}

main()
{
  local suite
  for suite in "$@"; do
    [[ " ${SUITES[*]} " == *" $suite "* ]] || die "no suite \"$suite\"; there are: ${SUITES[*]}"
  done
  CHOSEN=("$@")
  [ $# -gt 0 ] || CHOSEN=("${SUITES[@]}")
  cd "$AM_TOP"
  AM_ACCOUNT=$(account_name)
  make_stage
  trap drop_stage EXIT
  trap 'exit 130' INT TERM
  say "checking ${CHOSEN[*]}; logs in $OUT"
  build_stage
  server_lane &
  other_lane &
  wait
  # In the background too: only a wait can be interrupted.
  run_suite tap &
  wait
  total
}

AM_ACCOUNT='' STAGE='' SRC='' PGBIN='' SOCK='' CHOSEN=()
main "$@"
