#!/usr/bin/env bash
# lint.sh [CHECK...|format]
#
# What a reader or a tool can find without running the program. Each check is one result, the last
# line is "lint: N passed, N failed". With format the C sources are rewritten instead.
#
#   style     clang-format 14, whose output differs from that of other versions
#   cppcheck  static analysis of everything in C
#   tidy      clang-tidy with .clang-tidy
#   shell     shellcheck
#   rules     dev/rules.pl: direction of dependence, sizes, error codes, comments
# shellcheck source=dev/lib.sh
. "$(dirname "$0")/lib.sh"

CHECKS=(style shell rules cppcheck tidy)
JOBS=$(nproc)
ONE_FILE_LIMIT_S=120

c_files()
{
  find extension shim -name '*.[ch]' -not -path '*/node_modules/*' | sort
}

c_sources()
{
  find extension shim -name '*.c' -not -path '*/fuzz/*' -not -path '*/bench/*' -not -path '*/test/*' | sort
}

# The unversioned program of another distribution may be another version.
clang_format()
{
  local program=clang-format
  if command -v clang-format-14 >/dev/null; then
    program=clang-format-14
  fi
  case $("$program" --version) in
    *"version 14."*) "$program" "$@" ;;
    *) die "clang-format 14 is needed, this is $("$program" --version)" ;;
  esac
}

check_style()
{
  c_files | xargs -r -n 200 dev/lint.sh clang_format --dry-run --Werror
}

check_shell()
{
  # The shebang tells, for scripts without an ending.
  { find dev docker extension shim .ci -type f \( -name '*.sh' -o -path '*/.ci/*' \) 2>/dev/null
    grep -rlE '^#!.*\b(ba|da)?sh\b' dev docker .ci extension shim 2>/dev/null || true
  } | sort -u | xargs -r shellcheck
}

check_rules()
{
  dev/rules.pl
}

check_cppcheck()
{
  local suppressed
  # shellcheck disable=SC2054 # the commas belong to the words
  local -a options=(--quiet --std=c11 -j "$JOBS" --error-exitcode=1 --inline-suppr
    --enable=warning,performance,portability --library=posix
    -I extension -D__linux__ -DPG_VERSION_NUM=150000 -DOPENSSL_VERSION_NUMBER=0x30000000L -DPG_MODULE_MAGIC= '-DPG_FUNCTION_INFO_V1(x)=' -DPGDLLEXPORT=
    '-DPG_FUNCTION_ARGS=void *fcinfo' '-DPG_TRY()={' '-DPG_CATCH()=}{' '-DPG_FINALLY()=}{'
    '-DPG_END_TRY()=}' '-Dforeach(a,b)=for(a=b;a;a++)' '-DMHD_YES=1' '-DMHD_NO=0')
  # Opaque headers: it sees neither PostgreSQL nor the libraries.
  # readdir is safe on a directory of one's own.
  for suppressed in readdirCalled missingInclude missingIncludeSystem unknownMacro normalCheckLevelMaxBranches \
    unmatchedSuppression; do
    options+=("--suppress=$suppressed")
  done
  c_sources | xargs -r cppcheck "${options[@]}"
}

# tidy_files FILE...: with the include paths that its own Makefile would give.
tidy_files()
{
  local file output status=0
  local -a flags
  for file; do
    flags=(-std=gnu11 -D_GNU_SOURCE -Iextension)
    case $file in
      extension/core/*) ;;
      extension/*) flags+=("-isystem" "$("$PG_CONFIG" --includedir-server)" -Wno-ignored-attributes) ;;
      shim/*) flags=(-std=gnu11 -D_GNU_SOURCE -iquote shim -iquote extension -isystem "$("$PG_CONFIG" --includedir)") ;;
    esac
    if ! output=$(timeout "$ONE_FILE_LIMIT_S" clang-tidy --quiet "$file" -- "${flags[@]}" 2>&1); then
      printf '%s\n' "$output"
      status=1
    fi
  done
  return $status
}

check_tidy()
{
  c_sources | xargs -r -n 4 -P "$JOBS" dev/lint.sh tidy_files
}

rewrite()
{
  c_files | xargs -r -n 200 dev/lint.sh clang_format -i
}

main()
{
  local check passed=0 failed=0
  [ $# -gt 0 ] || set -- "${CHECKS[@]}"
  for check in "$@"; do
    if "check_$check"; then
      passed=$((passed + 1))
      echo "ok      $check"
    else
      failed=$((failed + 1))
      echo "FAILED  $check"
    fi
  done
  echo "lint: $passed passed, $failed failed"
  [ "$failed" -eq 0 ]
}

cd "$AM_TOP"
case ${1:-} in
  # This script calls itself for several files at a time.
  clang_format | tidy_files) "$@" ;;
  format) rewrite ;;
  *) main "$@" ;;
esac
